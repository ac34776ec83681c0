"""What a run of a stage came to, and the exit code that follows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from vggss_tools.errors import Action, Incomplete, SomeFailed
from vggss_tools.ledger import Outcome

# A remote that has just refused is not asked again sooner.
SOONEST_S = 60


@dataclass(frozen=True, slots=True)
class StageSummary:
    """What a run of a stage came to.

    Attributes
    ----------
    done, skipped : int
        Clips done now, and done before.
    failures : tuple of Outcome
        The clips that have failed, now or before (and were not tried again).
    left : int
        Clips that still have to be done and were not tried, because only failures were asked for
        or because the run ended before.
    """

    stage: str
    done: int
    skipped: int
    failures: tuple[Outcome, ...] = field(default=())
    left: int = 0

    @property
    def failed(self) -> Counter[str]:
        """Failures by kind."""
        return Counter(str(outcome.kind) for outcome in self.failures)

    @property
    def retry_at(self) -> str | None:
        """When a remote that refused may be asked again (UTC, ISO 8601); None if none said so.

        Never in the past, and never at once: a long run may end after the moment that was named.
        """
        named = []
        for outcome in self.failures:
            back = outcome.facts.get("retry_at")
            if outcome.kind is None or outcome.kind.action is not Action.PAUSE or back is None:
                continue
            if isinstance(back, int | float):
                named.append(datetime.fromtimestamp(back, UTC))
            else:
                named.append(datetime.fromisoformat(back))
        if not named:
            return None
        soonest = datetime.now(UTC) + timedelta(seconds=SOONEST_S)
        return max(*named, soonest).replace(microsecond=0).isoformat()

    def as_json(self) -> dict[str, Any]:
        """Counts by outcome, and the failures."""
        return {
            "done": self.done,
            "skipped": self.skipped,
            "left": self.left,
            "failed": dict(sorted(self.failed.items())),
            "failures": [
                {"clip_id": o.clip_id, "kind": o.kind, "message": o.message} for o in self.failures
            ],
        }

    def raise_for_failures(self) -> None:
        """End the command with exit code 3 or 4 if clips have failed.

        Raises
        ------
        SomeFailed
            If none of the failures can be cured by running again.
        Incomplete
            If one can.
        """
        if not self.failures:
            return
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.failed.most_common())
        curable = [outcome for outcome in self.failures if not outcome.final]
        first = (curable or self.failures)[0]
        text = (
            f"{self.stage}: {len(self.failures)} clip(s) failed ({kinds}); first: {first.message}"
        )
        says_remedy = "; " in (first.message or "")  # as all messages of the house that have one
        if not curable:
            unfit = any(o.kind and o.kind.action is Action.REPLACE for o in self.failures)
            remedy = "replace these files" if unfit else "another source may have them"
            rest = [] if says_remedy else [remedy]
            rest += ["the other clips are done"] if self.done or self.skipped else []
            raise SomeFailed("; ".join([text, ", ".join(rest)] if rest else [text]))
        if says_remedy:
            raise Incomplete(text)
        raise Incomplete(f"{text}; run the same command again once the cause is removed")
