"""The rules of annotation, applied to boxes that stand: which of them a person should look at.

The rules are data, ``annotations/box_rules.yaml``; the same file says how boxes are proposed.

==================  ==================================================================
rule                broken when
==================  ==================================================================
``removed_class``   the class was left out of the benchmark (paper, Appendix B.4)
``too_many_boxes``  as many instances as should have one box over all (section 4.1)
``not_separable``   two boxes share more of the smaller one than separable ones do
``small_box``       a box covers a smaller share of the frame than the least
``interaction``     the sound comes from where objects meet, and no person has drawn
                    or confirmed the region
==================  ==================================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, get_args

from vggss_tools.annotate.events import AnnotationStage, Decision
from vggss_tools.annotate.fold import ClipState
from vggss_tools.annotate.vggss_json import Annotations, box_defect
from vggss_tools.boxes import Box, intersection
from vggss_tools.clips import Clip
from vggss_tools.propose.rules import BoxRules

Rule = Literal["removed_class", "too_many_boxes", "not_separable", "small_box", "interaction"]
RULES: tuple[Rule, ...] = get_args(Rule)


@dataclass(frozen=True, slots=True)
class Standing:
    """The sounding boxes of one clip and class.

    Attributes
    ----------
    boxes : tuple of (int, Box)
        With their places in the source, which may hold others.
    by_person : bool or None
        Whether a person drew or confirmed them; None where the source does not say.
    """

    clip_id: str
    label: str
    boxes: tuple[tuple[int, Box], ...]
    by_person: bool | None


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that one clip breaks.

    Attributes
    ----------
    boxes : tuple of int
        Places of the boxes that it is about; empty where it is about the clip.
    message : str
        For people, in one line.
    """

    clip_id: str
    label: str
    rule: Rule
    boxes: tuple[int, ...]
    message: str


def standing_in_log(clips: Iterable[Clip], states: dict[str, ClipState]) -> list[Standing]:
    """Return what stands about each clip's own class, but for clips that were decided no."""
    found = []
    for clip in clips:
        state = states.get(clip.clip_id)
        about = state.classes.get(clip.label) if state else None
        if about is None or about.decision is Decision.NO:
            continue
        boxes = tuple(
            (index, item.box) for index, item in enumerate(about.newest.boxes) if item.sounding
        )
        by_person = about.newest.stage is not AnnotationStage.AUTO
        found.append(Standing(clip.clip_id, clip.label, boxes, by_person))
    return found


def standing_in_file(annotations: Annotations) -> list[Standing]:
    """Return what a published file says; its broken boxes are `vggss audit`'s."""
    return [
        Standing(
            entry.file,
            entry.label,
            tuple(
                (index, Box.from_sequence(raw))
                for index, raw in enumerate(entry.boxes)
                if box_defect(raw) is None
            ),
            None,
        )
        for entry in annotations.entries
    ]


def check(standing: Iterable[Standing], rules: BoxRules) -> list[Violation]:
    """Apply the rules to each clip, in the given order."""
    return [
        Violation(one.clip_id, one.label, rule, boxes, message)
        for one in standing
        for rule, boxes, message in _broken(one, rules)
    ]


def counts(violations: Iterable[Violation]) -> dict[str, int]:
    """Return how many there are of each rule, in the order of the table above."""
    number = Counter(violation.rule for violation in violations)
    return {rule: number[rule] for rule in RULES if number[rule]}


def _broken(one: Standing, rules: BoxRules) -> Iterator[tuple[Rule, tuple[int, ...], str]]:
    if one.label in rules.removed:
        yield "removed_class", (), f"{one.label!r} is one of the classes that are left out"
    if len(one.boxes) >= rules.instances_fewer_than:
        number = len(one.boxes)
        yield (
            "too_many_boxes",
            tuple(index for index, _ in one.boxes),
            f"{number} boxes; from {rules.instances_fewer_than} on there is one over all",
        )
    for (i, first), (j, second) in combinations(one.boxes, 2):
        smaller = min(first.area, second.area)
        share = intersection(first, second) / smaller
        if share > rules.shared:
            yield (
                "not_separable",
                (i, j),
                f"boxes {i} and {j} share {share:.0%} of the smaller one, more than "
                f"{rules.shared:.0%}",
            )
    for index, box in one.boxes:
        if box.area < rules.min_area:
            yield (
                "small_box",
                (index,),
                f"box {index} covers {box.area:.2%} of the frame, less than {rules.min_area:.2%}",
            )
    if one.boxes and one.by_person is False and rules.partners(one.label):
        yield (
            "interaction",
            tuple(index for index, _ in one.boxes),
            "the sound comes from where objects meet, and only a program has drawn that",
        )
