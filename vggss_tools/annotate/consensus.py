"""What several reviewers say together about one class in one clip.

The paper's ground truth counts opinions: its Appendix A takes a pixel in full where at least ``C``
of the annotators marked it, with C = 2. The same number decides here about boxes and decisions:

- An opinion is a reviewer's own newest decision, ``yes``, ``no`` or ``not_sure``, made by a person
  (:mod:`vggss_tools.annotate.fold`). Automatic events, ``unseen`` and the truth of a sample world,
  which nobody looked at, are no opinions.
- Where fewer than C reviewed, all of them have to agree: one reviewer alone is the consensus.
  Where none did, the state of the fold is taken as it is.
- **Decision**: the one that most reviewers gave, if at least C gave it and no other has as many;
  otherwise it is disputed, and the consensus is ``not_sure``.
- **Boxes**: those of the reviewers whose decision won, of all reviewers where it is disputed.
  Boxes of different reviewers that overlap by an IoU of at least 0.5 are one box; it is kept where
  at least C reviewers drew it, with the mean of their coordinates. A sounding and a silent box are
  never one.

Boxes are joined greedily, the highest overlap first. In a joined box each reviewer has at most one,
and every two of its boxes overlap enough, so that no chain of boxes drifts across the frame. Ties
go by coordinates, then by reviewer: neither the order of the log nor of the boxes matters.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vggss_tools.annotate.events import STAND_IN_REVIEWER, Decision, Event, EventBox
from vggss_tools.annotate.fold import ClassState, by_person
from vggss_tools.boxes import Box, iou

# Chen et al., Appendix A: "the minimum number of opinions to reach agreement. We choose C = 2".
OPINIONS = 2

# Boxes that overlap less are of different things.
SAME_BOX_IOU = 0.5


@dataclass(frozen=True, slots=True)
class Verdict:
    """What holds about one class in one clip, and whose word it is.

    Attributes
    ----------
    label : str
        The sound class.
    decision : Decision
    boxes : tuple of EventBox
    sources : tuple of Event
        The events that decision and boxes come from, by reviewer.
    disputed : bool
        Whether reviewers decided differently and no decision won.
    n_opinions : int
        Reviewers who decided.
    n_dropped : int
        Boxes that too few of the reviewers drew.
    """

    label: str
    decision: Decision
    boxes: tuple[EventBox, ...]
    sources: tuple[Event, ...]
    disputed: bool = False
    n_opinions: int = 1
    n_dropped: int = 0

    @property
    def sounding_boxes(self) -> tuple[Box, ...]:
        """Boxes of what makes the sound."""
        return tuple(item.box for item in self.boxes if item.sounding)

    @property
    def silent_boxes(self) -> tuple[Box, ...]:
        """Boxes of what is visible and does not make the sound."""
        return tuple(item.box for item in self.boxes if not item.sounding)


def opinions_of(about: ClassState) -> dict[str, Event]:
    """Return what each person decided, by reviewer; ``unseen`` is no decision."""
    return {
        reviewer: event
        for reviewer, event in about.opinions.items()
        if by_person(event)
        and event.decision is not Decision.UNSEEN
        and reviewer != STAND_IN_REVIEWER
    }


def newest(about: ClassState) -> Verdict:
    """Return the state of the fold: the newest event alone counts."""
    event = about.newest
    return Verdict(
        about.label, event.decision, event.boxes, (event,), n_opinions=len(opinions_of(about))
    )


def consensus(about: ClassState, needed: int = OPINIONS) -> Verdict:
    """Return what the reviewers agree on.

    Parameters
    ----------
    needed : int
        The paper's C, at least 1; where fewer reviewed, their number.
    """
    opinions = opinions_of(about)
    if not opinions:
        return newest(about)
    needed = min(needed, len(opinions))
    decision = _won(opinions, needed)
    sources = tuple(
        event for _, event in sorted(opinions.items()) if decision in (None, event.decision)
    )
    sounding, n_sounding = _agreed(sources, needed, sounding=True)
    silent, n_silent = _agreed(sources, needed, sounding=False)
    return Verdict(
        about.label,
        Decision.NOT_SURE if decision is None else decision,
        (*sounding, *silent),
        sources,
        disputed=decision is None,
        n_opinions=len(opinions),
        n_dropped=n_sounding + n_silent,
    )


def join_boxes(drawn: Mapping[str, Sequence[Box]]) -> list[dict[str, Box]]:
    """Join the boxes that reviewers drew round the same things.

    Parameters
    ----------
    drawn : mapping of reviewer to boxes

    Returns
    -------
    list of dict
        One a thing, by coordinates: each reviewer who drew it -> that box. Every box of ``drawn``
        is in exactly one.
    """
    boxes = sorted((box, reviewer) for reviewer, own in drawn.items() for box in own)
    overlap = {
        (i, j): iou(boxes[i][0], boxes[j][0])
        for i in range(len(boxes))
        for j in range(i + 1, len(boxes))
        if boxes[i][1] != boxes[j][1]
    }
    joined: list[list[int]] = [[index] for index in range(len(boxes))]
    for (i, j), shared in sorted(overlap.items(), key=lambda pair: (-pair[1], pair[0])):
        if shared < SAME_BOX_IOU:
            break
        one, other = joined[i], joined[j]
        if one is not other and all(
            overlap.get((min(a, b), max(a, b)), 0.0) >= SAME_BOX_IOU for a in one for b in other
        ):
            one.extend(other)
            for index in other:
                joined[index] = one
    groups = {id(group): group for group in joined}
    return [{boxes[index][1]: boxes[index][0] for index in group} for group in groups.values()]


def _won(opinions: Mapping[str, Event], needed: int) -> Decision | None:
    """Return the decision that most reviewers gave, None where none has enough or two as many."""
    votes = Counter(event.decision for event in opinions.values()).most_common(2)
    if votes[0][1] < needed or (len(votes) > 1 and votes[0][1] == votes[1][1]):
        return None
    return votes[0][0]


def _agreed(sources: Sequence[Event], needed: int, *, sounding: bool) -> tuple[list[EventBox], int]:
    """Return the boxes that enough reviewers drew, and how many they drew that are not."""
    if len(sources) == 1:  # in the reviewer's own order
        return [item for item in sources[0].boxes if item.sounding is sounding], 0
    joined = join_boxes(
        {
            event.reviewer: event.sounding_boxes if sounding else event.silent_boxes
            for event in sources
        }
    )
    kept = [
        EventBox(_mean([box for _, box in sorted(same.items())]), sounding)
        for same in joined
        if len(same) >= needed
    ]
    return kept, sum(len(same) for same in joined if len(same) < needed)


def _mean(boxes: Sequence[Box]) -> Box:
    """Return the box of the mean coordinates; of equal boxes exactly that box."""
    means = []
    for values in zip(*(box.as_list() for box in boxes), strict=True):
        mean = math.fsum(values) / len(values)
        means.append(min(max(mean, min(values)), max(values)))
    return Box(*means)
