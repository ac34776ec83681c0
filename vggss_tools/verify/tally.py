"""Progress of one reviewer and agreement with the others, kept up to date clip by clip."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from vggss_tools.annotate.agreement import cohens_kappa
from vggss_tools.annotate.consensus import opinions_of
from vggss_tools.annotate.events import STAND_IN_REVIEWER, Decision
from vggss_tools.annotate.fold import ClassState
from vggss_tools.verify.log_follower import LogFollower


class Tally:
    """Counts over the clips of a session.

    Parameters
    ----------
    reviewer : str
    labels : mapping of clip id to class
    log : LogFollower
    """

    def __init__(self, reviewer: str, labels: Mapping[str, str], log: LogFollower) -> None:
        self.reviewer = reviewer
        self._labels = labels
        self._log = log
        self._decisions: dict[str, dict[str, Decision]] = {}
        self.update(labels)

    def update(self, clips: Iterable[str]) -> None:
        """Count some clips again."""
        for clip_id in clips:
            if clip_id in self._labels:
                answers = self._log.answers(clip_id, self._labels[clip_id])
                self._decisions[clip_id] = {name: event.decision for name, event in answers.items()}

    def as_json(self) -> dict[str, Any]:
        """Return the counts.

        Returns
        -------
        dict
            ``clips``, ``done`` (by this reviewer), ``decisions`` (of this reviewer) and
            ``others``: by name, on how many clips both decided, on how many alike, and Cohen's
            kappa (None where it is not defined).
        """
        own: Counter[str] = Counter()
        pairs: dict[str, list[tuple[Decision, Decision]]] = defaultdict(list)
        for decisions in self._decisions.values():
            mine = decisions.get(self.reviewer)
            if mine is None:
                continue
            own[str(mine)] += 1
            for name, theirs in decisions.items():
                if name != self.reviewer:
                    pairs[name].append((mine, theirs))
        return {
            "clips": len(self._labels),
            "done": sum(own.values()),
            "decisions": dict(sorted(own.items())),
            "others": {
                name: {
                    "both": len(both),
                    "same": sum(mine is theirs for mine, theirs in both),
                    "kappa": cohens_kappa(both),
                }
                for name, both in sorted(pairs.items())
            },
        }


def people_decisions(state: ClassState | None) -> dict[str, Decision]:
    """Return who decided what; a sample world's stand-in is nobody."""
    if state is None:
        return {}
    return {
        name: event.decision
        for name, event in opinions_of(state).items()
        if name != STAND_IN_REVIEWER
    }
