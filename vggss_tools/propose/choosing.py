"""Which of a frame's detections are proposed: the paper's annotation rules, as far as they go.

Each detection ends kept or with the reason why not, and each frame in one of three outcomes:

``auto``
    boxes were chosen;
``needs-manual``
    something fits the sound class, and the rules leave it to a person;
``no-candidate``
    nothing was found that fits, or the class is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from vggss_tools.boxes import Box, iou_matrix
from vggss_tools.propose.matching import Match
from vggss_tools.propose.proposals import KEPT, REGION, Proposal
from vggss_tools.propose.rules import BoxRules

NO_MATCH = "no match"
REMOVED = "class removed"
WEAK = "below score"
OVERLAPS = "overlaps a better box"
MERGED = "merged into a region"


class FrameOutcome(StrEnum):
    """How a frame ends."""

    AUTO = "auto"
    NEEDS_MANUAL = "needs-manual"
    NO_CANDIDATE = "no-candidate"


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen in one frame.

    Attributes
    ----------
    why : str
        Reason for the outcome, for people.
    proposals : tuple of Proposal
        All detections in their order, each kept or not, and after them the regions that were
        drawn over several.
    """

    outcome: FrameOutcome
    why: str
    proposals: tuple[Proposal, ...]

    @property
    def kept(self) -> list[Proposal]:
        """The boxes that were chosen."""
        return [one for one in self.proposals if one.kept]


def choose_boxes(
    label: str,
    proposals: Sequence[Proposal],
    matches: Mapping[str, Match],
    rules: BoxRules,
) -> Choice:
    """Choose the boxes of one frame.

    Parameters
    ----------
    proposals : all detections of the frame; those of a matched class have a ``sound_class``
    matches : detector class → its match with ``label``; only to say why there is no candidate
    """
    if label in rules.removed:
        marked = tuple(_left(p, REMOVED if p.is_candidate else NO_MATCH) for p in proposals)
        return Choice(FrameOutcome.NO_CANDIDATE, REMOVED, marked)
    frame = _Frame(list(proposals), rules)
    if not frame.open:
        why = "no matching object found" if matches else "no detector class matches"
        return Choice(FrameOutcome.NO_CANDIDATE, why, frame.result())
    frame.drop_weak_and_small()
    frame.drop_worse_matches()
    frame.suppress()
    if not frame.open:
        why = "; ".join(sorted({r for r in frame.reasons if r and r != NO_MATCH}))
        return Choice(FrameOutcome.NEEDS_MANUAL, why, frame.result())
    if partners := rules.partners(label):
        why = frame.interact(partners)
        return Choice(FrameOutcome.NEEDS_MANUAL, why, frame.result())
    sure, faint = len(frame.open), frame.faint_others()
    frame.merge()
    result = frame.result()
    kept = sum(p.kept for p in result)
    why = f"{kept} box{'es' if kept > 1 else ''} kept"
    if sure < rules.instances_fewer_than <= sure + faint:
        return Choice(FrameOutcome.NEEDS_MANUAL, f"{why}, {faint} faint ones more", result)
    return Choice(FrameOutcome.AUTO, why, result)


def _left(proposal: Proposal, reason: str) -> Proposal:
    return replace(proposal, kept=False, reason=reason)


class _Frame:
    """The detections of a frame while they are chosen among.

    Attributes
    ----------
    open : list of int
        Candidates that are not dropped, best first by score x similarity.
    reasons : list
        Why each detection was dropped, or None.
    """

    def __init__(self, proposals: list[Proposal], rules: BoxRules) -> None:
        self.proposals = proposals
        self.rules = rules
        self.reasons: list[str | None] = [None if p.is_candidate else NO_MATCH for p in proposals]
        self.regions: list[Proposal] = []
        candidates = [i for i, p in enumerate(proposals) if p.is_candidate]
        self.open = sorted(candidates, key=lambda i: (-self.value(i), -proposals[i].score, i))

    def value(self, i: int) -> float:
        """What a candidate is worth: its score times the similarity of its class."""
        similarity = self.proposals[i].similarity
        return self.proposals[i].score * (1.0 if similarity is None else similarity)

    def drop(self, i: int, reason: str) -> None:
        self.reasons[i] = reason
        self.open.remove(i)

    def drop_weak_and_small(self) -> None:
        rules = self.rules
        for i in list(self.open):
            proposal = self.proposals[i]
            if proposal.score < rules.score:
                self.drop(i, f"{WEAK} {rules.score:g}")
            elif proposal.box.area < rules.min_area:
                self.drop(i, f"below {rules.min_area:.1%} of the frame")

    def drop_worse_matches(self) -> None:
        """Drop what matches less well than something else that is there."""
        similarity = {i: self.proposals[i].similarity or 0.0 for i in self.open}
        if not similarity:
            return
        best = max(similarity, key=lambda i: similarity[i])
        for i, value in similarity.items():
            if value < similarity[best] - self.rules.similarity_margin:
                self.drop(i, f"a better match was found: {self.proposals[best].detector_class}")

    def suppress(self) -> None:
        """Drop a box that overlaps a better one: NMS over all matching classes together."""
        if len(self.open) < 2:
            return
        iou, inside = _overlaps([self.proposals[i].box for i in self.open])
        classes = np.array([self.proposals[i].detector_class for i in self.open])
        same = classes[:, None] == classes[None, :]
        clash = (iou > self.rules.nms_iou) | (~same & (inside > self.rules.nms_inside))
        order = list(self.open)
        gone = np.zeros(len(order), dtype=bool)
        for place in range(len(order)):
            if not gone[place]:
                worse = clash[place] & ~gone
                worse[: place + 1] = False
                gone |= worse
        for i, is_gone in zip(order, gone, strict=True):
            if is_gone:
                self.drop(i, OVERLAPS)

    def faint_others(self) -> int:
        """Count the candidates of too low a score that are not one of the chosen ones again."""
        faint = [i for i, reason in enumerate(self.reasons) if (reason or "").startswith(WEAK)]
        iou, inside = _overlaps([self.proposals[i].box for i in [*self.open, *faint]])
        chosen = len(self.open)
        again = (iou > self.rules.nms_iou) | (inside > self.rules.nms_inside)
        return int((~again[chosen:, :chosen].any(axis=1)).sum())

    def merge(self) -> None:
        """Put one box over instances that are too many or cannot be separated."""
        rules, order = self.rules, list(self.open)
        if len(order) >= rules.instances_fewer_than:
            self.regions.append(self.region(order, f"{REGION} {len(order)} instances"))
        elif len(order) > 1:
            _, inside = _overlaps([self.proposals[i].box for i in order])
            groups = _connected(inside > rules.shared)
            if rules.region_over == "all" and len(groups) < len(order):
                groups = [list(range(len(order)))]
            for group in groups:
                if len(group) > 1:
                    members = [order[place] for place in group]
                    self.regions.append(
                        self.region(members, f"{REGION} {len(members)} that overlap")
                    )

    def region(self, members: Sequence[int], reason: str) -> Proposal:
        """Return one proposal over several, which are dropped; the best one names it."""
        boxes = [self.proposals[i].box for i in members]
        for i in members:
            self.drop(i, MERGED)
        box = Box(
            min(b.xmin for b in boxes),
            min(b.ymin for b in boxes),
            max(b.xmax for b in boxes),
            max(b.ymax for b in boxes),
        )
        return replace(self.proposals[members[0]], box=box, kept=True, reason=reason)

    def interact(self, partners: Sequence[str]) -> str:
        """Replace candidates by the regions where they meet what they sound with; say which."""
        others = [
            i
            for i, p in enumerate(self.proposals)
            if p.detector_class.casefold() in partners and p.score >= self.rules.score
        ]
        met = 0
        for i in list(self.open):
            one = self.proposals[i]
            meetings = [
                (self.proposals[j].score, -j, j, where)
                for j in others
                if j != i and (where := meet(one.box, self.proposals[j].box, self.rules))
            ]
            if not meetings:
                continue
            met += 1
            *_, j, where = max(meetings, key=lambda meeting: meeting[:2])
            other = self.proposals[j]
            reason = f"{REGION} where {one.detector_class} meets {other.detector_class}"
            self.drop(i, MERGED)
            self.regions.append(
                replace(one, box=where, score=min(one.score, other.score), kept=True, reason=reason)
            )
        return "an interaction" if met else f"an interaction; no {' or '.join(partners)} found"

    def result(self) -> tuple[Proposal, ...]:
        kept = set(self.open)
        return (
            *(
                replace(p, kept=i in kept, reason=self.reasons[i] or KEPT)
                for i, p in enumerate(self.proposals)
            ),
            *self.regions,
        )


def meet(a: Box, b: Box, rules: BoxRules) -> Box | None:
    """Return where two boxes meet once each is grown by the margin; None if they are apart.

    The region stays inside the smallest box round both.
    """
    margin = rules.interaction_margin
    xmin = max(max(a.xmin, b.xmin) - margin, min(a.xmin, b.xmin))
    ymin = max(max(a.ymin, b.ymin) - margin, min(a.ymin, b.ymin))
    xmax = min(min(a.xmax, b.xmax) + margin, max(a.xmax, b.xmax))
    ymax = min(min(a.ymax, b.ymax) + margin, max(a.ymax, b.ymax))
    if xmin >= xmax or ymin >= ymax:
        return None
    return Box(xmin, ymin, xmax, ymax)


def _overlaps(boxes: Sequence[Box]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the IoU of all pairs, and the intersection as a share of the smaller box."""
    array = np.array([box.as_list() for box in boxes])
    iou = iou_matrix(array, array)
    area = (array[:, 2:] - array[:, :2]).prod(axis=1)
    total = area[:, None] + area[None, :]
    shared = iou * total / (1 + iou)  # from iou = shared / (total - shared)
    smaller = np.minimum(area[:, None], area[None, :])
    return iou, np.divide(shared, smaller, out=np.zeros_like(shared), where=smaller > 0)


def _connected(linked: NDArray[np.bool_]) -> list[list[int]]:
    """Return the connected groups of a symmetric relation, each in order."""
    left = set(range(len(linked)))
    groups = []
    while left:
        group, edge = set(), {min(left)}
        while edge:
            group |= edge
            edge = {int(j) for i in edge for j in np.flatnonzero(linked[i])} - group
        left -= group
        groups.append(sorted(group))
    return groups
