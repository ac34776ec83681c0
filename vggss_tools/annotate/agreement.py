"""How far reviewers agree, on decisions and on boxes.

Conventions
-----------
- A *question* is one class in one clip. Each reviewer's own newest decision on it counts (``yes``,
  ``no`` or ``not_sure``; ``unseen`` and automatic events are none).
- **Cohen's kappa** of two reviewers is over the questions that both decided:
  ``(observed - expected) / (1 - expected)``, expected from each one's own shares of the three
  decisions.
- **Fleiss' kappa** of all reviewers is over the questions that at least two decided. Not everybody
  sees every clip, so the number of opinions differs; as Gwet generalises it (*Handbook of
  Inter-Rater Reliability*, 2014, section 2.4), ``observed`` is the mean over questions of the share
  of pairs of opinions that are equal, and a decision's share is the mean over questions of its
  share among that question's opinions. With the same number everywhere this is Fleiss' own.
- Where every opinion is the same decision, chance alone would agree as often: kappa is 0 / 0 and
  is given as None. Read the observed agreement there.
- **Boxes** are compared where two reviewers both said yes: their sounding boxes are joined as in
  :mod:`vggss_tools.annotate.consensus` (IoU of at least 0.5, one to one, the highest first).
  ``mean_iou`` is over the joined pairs, None where there are none; boxes without a partner are
  counted beside it.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal

from vggss_tools.annotate.consensus import SAME_BOX_IOU, opinions_of
from vggss_tools.annotate.events import Decision, Event
from vggss_tools.annotate.fold import ClassState, ClipState
from vggss_tools.boxes import match_boxes

SCHEMA = "vggss-agreement/1"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A question that two reviewers answered differently.

    Attributes
    ----------
    about : str
        ``decision``, or ``boxes`` where all who decided said yes and drew other boxes.
    decisions : mapping of reviewer to Decision
        By name.
    mean_iou : float or None
        Of the boxes that some two reviewers share; None where they share none.
    """

    clip_id: str
    label: str
    about: Literal["decision", "boxes"]
    decisions: Mapping[str, Decision]
    mean_iou: float | None


@dataclass(slots=True)
class BoxOverlap:
    """Boxes of two reviewers, compared over questions."""

    ious: list[float] = field(default_factory=list)
    n_unmatched: int = 0

    def add(self, one: Event, other: Event) -> bool:
        """Compare one question; whether every box has a partner."""
        a, b = one.sounding_boxes, other.sounding_boxes
        found = match_boxes(a, b, SAME_BOX_IOU)
        self.ious += [overlap for _, _, overlap in found]
        alone = len(a) + len(b) - 2 * len(found)
        self.n_unmatched += alone
        return alone == 0

    @property
    def mean(self) -> float | None:
        """Mean IoU of the boxes with a partner."""
        return math.fsum(self.ious) / len(self.ious) if self.ious else None

    def as_json(self) -> dict[str, Any]:
        """Return what stands in a result."""
        return {
            "matched": len(self.ious),
            "unmatched": self.n_unmatched,
            "mean_iou": self.mean,
        }


def cohens_kappa(pairs: Sequence[tuple[Decision, Decision]]) -> float | None:
    """Return Cohen's kappa of two reviewers; None without questions, or with one decision only.

    Parameters
    ----------
    pairs : sequence of (decision of the one, decision of the other), one a question
    """
    n = len(pairs)
    if n == 0:
        return None
    one, other = (Counter(pair[side] for pair in pairs) for side in (0, 1))
    # In whole numbers, so that only a chance of exactly 1 counts as one.
    by_chance = sum(one[decision] * other[decision] for decision in one)
    if by_chance == n * n:
        return None
    equal = sum(a == b for a, b in pairs)
    return (n * equal - by_chance) / (n * n - by_chance)


def fleiss_kappa(questions: Iterable[Sequence[Decision]]) -> float | None:
    """Return Fleiss' kappa; None without questions, or with one decision only.

    Parameters
    ----------
    questions : the opinions on each question; those with fewer than two are left out
    """
    counts = [Counter(opinions) for opinions in questions if len(opinions) >= 2]
    if len({decision for count in counts for decision in count}) < 2:
        return None
    shares: dict[Decision, list[float]] = defaultdict(list)
    equal = []
    for count in counts:
        n = count.total()
        equal.append(sum(k * (k - 1) for k in count.values()) / (n * (n - 1)))
        for decision, k in count.items():
            shares[decision].append(k / n)
    observed = math.fsum(equal) / len(counts)
    expected = math.fsum((math.fsum(share) / len(counts)) ** 2 for share in shares.values())
    return (observed - expected) / (1 - expected)


def disagreements(states: Mapping[str, ClipState]) -> list[Disagreement]:
    """Return the questions on which reviewers disagree, by clip and class."""
    return [
        found
        for clip_id, about in _questions(states)
        if (found := _disagreement(clip_id, about)) is not None
    ]


def agreement(states: Mapping[str, ClipState], split: str | None = None) -> dict[str, Any]:
    """Describe the agreement of all reviewers (``vggss-agreement/1``).

    Parameters
    ----------
    states : mapping of clip id to ClipState
        The clips to look at.
    split : str, optional
        Their split, to stand in the result.
    """
    opinions = [opinions_of(about) for _, about in _questions(states)]
    shared = [by_name for by_name in opinions if len(by_name) >= 2]
    decided = Counter(reviewer for by_name in opinions for reviewer in by_name)
    by_pair: dict[tuple[str, str], list[tuple[Event, Event]]] = defaultdict(list)
    for by_name in shared:
        for one, other in combinations(sorted(by_name), 2):
            by_pair[one, other].append((by_name[one], by_name[other]))
    pairs = [_pair(names, both) for names, both in sorted(by_pair.items())]
    overlap = BoxOverlap()
    for both in by_pair.values():
        _compare(both, overlap)
    alike = sum(len({event.decision for event in by_name.values()}) == 1 for by_name in shared)
    return {
        "schema": SCHEMA,
        "split": split,
        "reviewers": dict(sorted(decided.items())),
        "overall": {
            "questions": len(opinions),
            "reviewed_twice": len(shared),
            "all_agree": alike,
            "fleiss_kappa": fleiss_kappa(
                [event.decision for event in by_name.values()] for by_name in shared
            ),
            "boxes": overlap.as_json(),
        },
        "pairs": pairs,
        "disagreements": [
            {
                "clip_id": found.clip_id,
                "class": found.label,
                "about": found.about,
                "decisions": {name: str(said) for name, said in found.decisions.items()},
                "mean_iou": found.mean_iou,
            }
            for found in disagreements(states)
        ],
    }


def _questions(states: Mapping[str, ClipState]) -> list[tuple[str, ClassState]]:
    return [
        (clip_id, about)
        for clip_id, state in sorted(states.items())
        for _, about in sorted(state.classes.items())
        if opinions_of(about)
    ]


def _pair(names: tuple[str, str], both: list[tuple[Event, Event]]) -> dict[str, Any]:
    decisions = [(one.decision, other.decision) for one, other in both]
    return {
        "reviewers": list(names),
        "questions": len(both),
        "agree": sum(a == b for a, b in decisions),
        "cohens_kappa": cohens_kappa(decisions),
        "boxes": _compare(both, BoxOverlap()).as_json(),
    }


def _compare(both: Iterable[tuple[Event, Event]], overlap: BoxOverlap) -> BoxOverlap:
    for one, other in both:
        if one.decision is other.decision is Decision.YES:
            overlap.add(one, other)
    return overlap


def _disagreement(clip_id: str, about: ClassState) -> Disagreement | None:
    opinions = opinions_of(about)
    decisions = {reviewer: event.decision for reviewer, event in opinions.items()}
    overlap = BoxOverlap()
    alike = True
    for one, other in combinations(opinions.values(), 2):
        if one.decision is other.decision is Decision.YES:
            alike = overlap.add(one, other) and alike
    if len(set(decisions.values())) > 1:
        return Disagreement(clip_id, about.label, "decision", decisions, overlap.mean)
    if not alike:
        return Disagreement(clip_id, about.label, "boxes", decisions, overlap.mean)
    return None
