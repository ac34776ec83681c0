"""What a fetch will take, before anything is asked for: clips, bytes and hours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vggss_tools.clips import Clip
from vggss_tools.fetch.pacing import SECONDS_PER_HOUR
from vggss_tools.fetch.stage import FetchStage
from vggss_tools.ledger import Ledger, Outcome
from vggss_tools.stage_plan import Plan, Shard, make_plan, select_shard
from vggss_tools.stage_summary import StageSummary

# Where nothing was measured yet. Ten seconds and their margins at 360p to 720p have one to three
# megabytes.
ASSUMED_BYTES = 2_000_000
# A whole domestic line for one host, or a slow disk.
ASSUMED_BYTES_PER_S = {"youtube": 5e6, "mirror": 10e6, "dir": 100e6, "archive": 50e6}


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is left to do and what it will take.

    Attributes
    ----------
    clips, done, failed : int
        Clips to fetch; clips that are there; clips that failed for good and stay so.
    bytes_a_clip : int
    measured_on : int
        Clips that the mean was measured on; 0: it is an assumption.
    hours : float
        At the pace that is set, or at the assumed speed if that is slower.
    """

    clips: int
    done: int
    failed: int
    bytes_a_clip: int
    measured_on: int
    hours: float

    @property
    def bytes(self) -> int:
        """Bytes in all."""
        return self.clips * self.bytes_a_clip

    def as_json(self) -> dict[str, Any]:
        """Return everything by name."""
        return {
            "clips": self.clips,
            "done": self.done,
            "failed": self.failed,
            "bytes": self.bytes,
            "bytes_a_clip": self.bytes_a_clip,
            "bytes_measured_on": self.measured_on,
            "hours": round(self.hours, 3),
        }

    def lines(self) -> list[str]:
        """Return the same for people."""
        basis = f"measured on {self.measured_on:,} clip(s)" if self.measured_on else "an assumption"
        return [
            f"clips to fetch  {self.clips:,}",
            f"done before     {self.done:,}",
            f"failed for good {self.failed:,}",
            f"bytes           {_size(self.bytes)} ({_size(self.bytes_a_clip)} a clip, {basis})",
            f"hours           {self.hours:,.2f}",
        ]


def plan_of(
    stage: FetchStage, clips: Sequence[Clip], retry: str | None = None, shard: Shard | None = None
) -> Plan:
    """Return what a run would do; nothing is made by looking."""
    chosen = select_shard(clips, shard)
    if not stage.workspace.ledger_path.is_file():
        return Plan(todo=[] if retry else chosen)
    with Ledger(stage.workspace.ledger_path, for_reading=True) as ledger:
        return make_plan(stage, chosen, ledger, retry)


def estimate(stage: FetchStage, plan: Plan) -> Estimate:
    """Return what a plan will take."""
    name = stage.source.name
    mean, measured_on = _mean_bytes(stage, name)
    here = sum(stage.is_there(clip) for clip in plan.todo)
    clips = len(plan.todo) - here
    seconds = clips * mean / ASSUMED_BYTES_PER_S[name]
    if stage.rate is not None:
        seconds = max(seconds, clips / stage.rate * SECONDS_PER_HOUR)
    return Estimate(
        clips,
        plan.skipped + here,
        len(plan.failures),
        mean,
        measured_on,
        seconds / SECONDS_PER_HOUR,
    )


def _mean_bytes(stage: FetchStage, source: str) -> tuple[int, int]:
    """Return the mean bytes of the clips that came from a source, and of how many it is."""
    total = clips = 0
    if stage.workspace.ledger_path.is_file():
        with Ledger(stage.workspace.ledger_path, for_reading=True) as ledger:
            for row in ledger.rows("fetch"):
                if row.status != "done" or f'"{source}"' not in row.facts:
                    continue
                facts = json.loads(row.facts)  # the rest of the row is not needed
                if facts.get("source") == source and isinstance(facts.get("bytes"), int):
                    total += facts["bytes"]
                    clips += 1
    return (round(total / clips), clips) if clips else (ASSUMED_BYTES, 0)


def received_since(stage: FetchStage, moment: str) -> int:
    """Return the bytes of the clips that came since a moment (UTC, ISO 8601)."""
    total = 0
    with Ledger(stage.workspace.ledger_path, for_reading=True) as ledger:
        for row in ledger.rows("fetch"):
            if row.time >= moment and row.status == "done":
                total += int(ledger.outcome(row).facts.get("bytes") or 0)
    return total


def summary_of(
    stage: FetchStage, clips: Sequence[Clip], moment: str, shard: Shard | None = None
) -> StageSummary:
    """Return what the ledger says of a run that began at a moment and was broken off."""
    wanted = {clip.clip_id for clip in select_shard(clips, shard)}
    done = skipped = 0
    failures: list[Outcome] = []
    if stage.workspace.ledger_path.is_file():
        with Ledger(stage.workspace.ledger_path, for_reading=True) as ledger:
            for row in ledger.rows("fetch"):
                if row.clip_id not in wanted:
                    continue
                wanted.discard(row.clip_id)
                if row.status != "done":
                    failures.append(ledger.outcome(row))
                elif row.time >= moment:
                    done += 1
                else:
                    skipped += 1
    return StageSummary("fetch", done, skipped, tuple(failures), len(wanted))


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"
