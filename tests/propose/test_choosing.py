"""Choosing boxes: the paper's annotation rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.boxes import Box, iou
from vggss_tools.classes import removed_classes, vggsound_classes
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.propose.choosing import Choice, FrameOutcome, choose_boxes, meet
from vggss_tools.propose.matching import Match
from vggss_tools.propose.proposals import Proposal
from vggss_tools.propose.rules import BoxRules, RegionOver, load_rules

LABEL = "dog barking"
RULES = BoxRules()


def found(
    box: tuple[float, float, float, float],
    name: str = "Dog",
    score: float = 0.9,
    similarity: float | None = 1.0,
    label: str = LABEL,
) -> Proposal:
    sound = None if similarity is None else label
    return Proposal("a_000001", Box(*box), name, score, sound, similarity, "mine")


def choose(*proposals: Proposal, rules: BoxRules = RULES, label: str = LABEL) -> Choice:
    names = {p.detector_class: p.similarity for p in proposals if p.similarity is not None}
    matches = {name: Match(name, value, "test") for name, value in names.items()}
    return choose_boxes(label, proposals, matches, rules)


def row_of(count: int, step: float = 0.15, width: float = 0.1) -> list[Proposal]:
    """Dogs side by side."""
    return [found((i * step, 0.2, i * step + width, 0.6)) for i in range(count)]


def test_a_matching_object_is_kept_and_another_is_not() -> None:
    """Each row has its reason; all detections stay, in their order."""
    dog, car = found((0.1, 0.1, 0.4, 0.4)), found((0.5, 0.5, 0.9, 0.9), "Car", similarity=None)
    choice = choose(car, dog)
    assert choice.outcome is FrameOutcome.AUTO
    assert [(p.detector_class, p.kept, p.reason) for p in choice.proposals] == [
        ("Car", False, "no match"),
        ("Dog", True, "kept"),
    ]


def test_up_to_four_separable_instances_have_a_box_each() -> None:
    """Fewer than five, apart from each other."""
    choice = choose(*row_of(4))
    assert [p.box for p in choice.kept] == [p.box for p in row_of(4)]
    assert choice.why == "4 boxes kept"


def test_five_instances_have_one_box_over_all() -> None:
    """The region is a row of its own, and says so; the instances stay, not kept."""
    dogs = row_of(5)
    choice = choose(*dogs)
    (region,) = choice.kept
    assert region.box == Box(0.0, 0.2, dogs[-1].box.xmax, 0.6)
    assert region.reason == "region over 5 instances"
    assert region.is_region
    assert region.sound_class == LABEL
    assert [p.reason for p in choice.proposals[:5]] == ["merged into a region"] * 5
    assert choice.outcome is FrameOutcome.AUTO


def test_instances_that_overlap_have_one_box() -> None:
    """Below the overlap of NMS but not separable; a third one apart keeps its own, or not."""
    near = [found((0.1, 0.1, 0.4, 0.5)), found((0.25, 0.1, 0.55, 0.5), score=0.8)]
    apart = found((0.8, 0.1, 0.95, 0.5))
    choice = choose(*near, apart)
    assert {p.reason: p.box for p in choice.kept} == {
        "kept": apart.box,
        "region over 2 that overlap": Box(0.1, 0.1, 0.55, 0.5),
    }
    choice = choose(*near, apart, rules=replace(RULES, region_over="all"))
    (region,) = choice.kept
    assert region.box == Box(0.1, 0.1, 0.95, 0.5)


def test_the_better_of_two_overlapping_boxes_is_kept() -> None:
    """NMS goes over all matching classes, by score x similarity."""
    dog = found((0.1, 0.1, 0.5, 0.5), "Dog", 0.7, 1.0)
    animal = found((0.1, 0.1, 0.52, 0.5), "Animal", 0.72, 0.95)
    choice = choose(animal, dog)
    assert [p.reason for p in choice.proposals] == ["overlaps a better box", "kept"]


def test_a_part_of_a_better_box_is_not_another_instance() -> None:
    """A face in a person is no second singer; a second person there is one."""
    person = found((0.1, 0.1, 0.6, 0.9), "Person", 0.9)
    face = found((0.25, 0.12, 0.4, 0.3), "Human face", 0.8)
    assert [p.reason for p in choose(person, face).proposals] == ["kept", "overlaps a better box"]
    second = replace(face, detector_class="Person")
    (region,) = choose(person, second).kept
    assert region.reason == "region over 2 that overlap"


def test_a_worse_match_counts_only_where_there_is_no_better_one() -> None:
    """The margin is of similarity."""
    guitar = found((0.1, 0.1, 0.3, 0.5), "Guitar", similarity=1.0)
    instrument = found((0.6, 0.1, 0.9, 0.5), "Musical instrument", similarity=0.6)
    reasons = [p.reason for p in choose(guitar, instrument).proposals]
    assert reasons == ["kept", "a better match was found: Guitar"]
    assert choose(instrument).kept


def test_weak_and_small_boxes_are_for_a_person() -> None:
    """What fits but is doubtful makes the frame one to look at."""
    weak, small = found((0.1, 0.1, 0.5, 0.5), score=0.4), found((0.1, 0.1, 0.12, 0.12))
    choice = choose(weak, small)
    assert choice.outcome is FrameOutcome.NEEDS_MANUAL
    assert [p.reason for p in choice.proposals] == ["below score 0.5", "below 0.4% of the frame"]
    assert not choice.kept


def test_a_crowd_of_which_a_few_are_sure_is_for_a_person() -> None:
    """One sure musician of an orchestra is no annotation; the same dog seen twice is no crowd."""
    sure, *others = row_of(5)
    faint = [replace(p, score=0.4) for p in others]
    choice = choose(sure, *faint)
    assert (choice.outcome, choice.why) == (
        FrameOutcome.NEEDS_MANUAL,
        "1 box kept, 4 faint ones more",
    )
    assert [p.box for p in choice.kept] == [sure.box]
    assert choose(sure, *faint[:3]).outcome is FrameOutcome.AUTO
    again = replace(sure, score=0.4)
    assert choose(sure, *faint[:3], again).outcome is FrameOutcome.AUTO


def test_frames_without_a_candidate_say_why() -> None:
    """Nothing found, nothing that matches, or a class that is left out."""
    assert choose().outcome is FrameOutcome.NO_CANDIDATE
    assert choose().why == "no detector class matches"
    car = found((0.5, 0.5, 0.9, 0.9), "Car", similarity=None)
    choice = choose_boxes(LABEL, [car], {"Dog": Match("Dog", 1.0, "test")}, RULES)
    assert choice.why == "no matching object found"
    rules = replace(RULES, removed=frozenset({LABEL}))
    choice = choose(found((0.1, 0.1, 0.5, 0.5)), car, rules=rules)
    assert (choice.outcome, choice.why) == (FrameOutcome.NO_CANDIDATE, "class removed")
    assert [p.reason for p in choice.proposals] == ["class removed", "no match"]


def test_an_interaction_is_where_the_two_meet() -> None:
    """A hand on a keyboard: a tight region, which a person is to look at."""
    label = "typing on computer keyboard"
    rules = load_rules()
    keyboard = found((0.2, 0.6, 0.8, 0.8), "Computer keyboard", label=label)
    hand = found((0.5, 0.5, 0.7, 0.7), "Human hand", 0.7, None)
    far = found((0.0, 0.0, 0.1, 0.1), "Human hand", 0.95, None)
    choice = choose(keyboard, hand, far, rules=rules, label=label)
    assert choice.outcome is FrameOutcome.NEEDS_MANUAL
    (region,) = choice.kept
    assert region.box.as_list() == pytest.approx([0.48, 0.58, 0.72, 0.72])
    assert region.reason == "region over where Computer keyboard meets Human hand"
    alone = choose(keyboard, far, rules=rules, label=label)
    assert alone.kept[0].box == keyboard.box
    assert "no human hand found" in alone.why


def test_boxes_that_are_apart_do_not_meet() -> None:
    """The margin reaches a little beyond each box, and never beyond both."""
    left, right = Box(0.0, 0.0, 0.3, 0.3), Box(0.33, 0.0, 0.6, 0.3)
    where = meet(left, right, RULES)
    assert where is not None
    assert where.as_list() == pytest.approx([0.31, 0.0, 0.32, 0.3])
    assert meet(left, Box(0.35, 0.0, 0.6, 0.3), RULES) is None


share = st.floats(0, 1).map(lambda value: round(value, 3))
boxes = st.builds(
    lambda x, y: Box(min(x), min(y), max(x), max(y)),
    st.tuples(share, share).filter(lambda pair: pair[0] != pair[1]),
    st.tuples(share, share).filter(lambda pair: pair[0] != pair[1]),
)
rows = st.builds(
    lambda box, name, score, similarity: found(box.as_list(), name, score, similarity),
    boxes,
    st.sampled_from(["Dog", "Animal", "Person"]),
    share,
    st.none() | share,
)


@given(st.lists(rows, max_size=12), st.sampled_from(["overlapping", "all"]))
def test_whatever_was_found_the_choice_is_whole(
    proposals: list[Proposal], over: RegionOver
) -> None:
    """Detections stay as they are, kept boxes are candidates, few, and no two are the same."""
    rules = replace(RULES, region_over=over)
    choice = choose(*proposals, rules=rules)
    stripped = [replace(p, kept=True, reason="") for p in choice.proposals[: len(proposals)]]
    assert stripped == [replace(p, kept=True, reason="") for p in proposals]
    assert all(p.is_region for p in choice.proposals[len(proposals) :])
    assert all(p.reason for p in choice.proposals)
    assert all(p.is_candidate for p in choice.kept)
    assert len(choice.kept) < rules.instances_fewer_than
    if choice.outcome is FrameOutcome.AUTO:
        assert choice.kept
    if not any(p.is_candidate for p in proposals):
        assert choice.outcome is FrameOutcome.NO_CANDIDATE
    separate = [p.box for p in choice.kept if not p.is_region]
    assert all(iou(a, b) <= 0.5 for a in separate for b in separate if a is not b)


def test_the_order_of_detections_does_not_matter() -> None:
    """The same boxes come out, whatever the detector names first."""
    rows = [*row_of(3), found((0.05, 0.2, 0.12, 0.6), score=0.6), found((0.6, 0.2, 0.9, 0.9))]
    kept = {p.box for p in choose(*rows).kept}
    assert {p.box for p in choose(*reversed(rows)).kept} == kept


def test_the_shipped_rules_are_the_papers() -> None:
    """Fewer than five, the 49 removed classes, and interactions of classes that exist."""
    rules = load_rules()
    assert rules.instances_fewer_than == 5
    assert rules.removed == frozenset(removed_classes())
    assert rules.interactions
    assert set(rules.interactions) <= set(vggsound_classes())
    assert not set(rules.interactions) & rules.removed


def test_rules_of_ones_own_change_what_they_name(tmp_path: Path) -> None:
    """What a file leaves out is as shipped; its table may lie beside it."""
    file = tmp_path / "mine.yaml"
    (tmp_path / "gone.csv").write_text("class\ndog barking\n")
    file.write_text(
        "schema: vggss-box-rules/1\nscore: 0.7\ninstances: {fewer_than: 3}\n"
        "removed_classes: gone.csv\n"
    )
    rules = load_rules(file)
    assert (rules.score, rules.instances_fewer_than) == (0.7, 3)
    assert rules.removed == {"dog barking"}
    assert rules.interactions == load_rules().interactions
    file.write_text("schema: vggss-box-rules/1\nremoved_classes: null\n")
    assert not load_rules(file).removed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a file of box rules"),
        ("a: [", "not valid YAML"),
        ("schema: other/1", "not a file of box rules"),
        ("schema: vggss-box-rules/1\nscores: 0.5", "no rule 'scores'"),
        ("schema: vggss-box-rules/1\nscore: .nan", "score is a number from 0 to 1"),
        ("schema: vggss-box-rules/1\nscore: true", "score is a number from 0 to 1"),
        ("schema: vggss-box-rules/1\nnms: 0.5", "nms is a table of iou, inside"),
        ("schema: vggss-box-rules/1\nnms: {io: 0.5}", "no rule 'nms.io'"),
        ("schema: vggss-box-rules/1\nnms: {iou: 7}", r"nms\.iou is a number"),
        ("schema: vggss-box-rules/1\ninstances: {fewer_than: 0}", "a number from 1"),
        ("schema: vggss-box-rules/1\ninstances: {region_over: none}", "overlapping or all"),
        ("schema: vggss-box-rules/1\nremoved_classes: nowhere.csv", "no table 'nowhere.csv'"),
        ("schema: vggss-box-rules/1\nremoved_classes: vggss_subsets.csv", "no column 'class'"),
        ("schema: vggss-box-rules/1\ninteractions: {classes: [a]}", "maps sound classes"),
        (
            "schema: vggss-box-rules/1\ninteractions: {classes: {disc scratchin: [Human hand]}}",
            "interactions.classes: class 'disc scratchin': not one of .*'disc scratching'",
        ),
        ("schema: vggss-box-rules/1\ninteractions: {classes: {a: []}}", "maps sound classes"),
    ],
)
def test_wrong_rules_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    """The line names the file and the key."""
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=message) as caught:
        load_rules(file)
    assert "\n" not in caught.value.message


def test_missing_rules_are_one_line(tmp_path: Path) -> None:
    """The line says which file."""
    with pytest.raises(VggssError, match="no such file"):
        load_rules(tmp_path / "mine.yaml")
