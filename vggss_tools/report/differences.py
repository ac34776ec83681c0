"""Which differences between runs hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from vggss_tools.errors import InvalidInput
from vggss_tools.evaluate.compare import compare_results
from vggss_tools.report.runs import Run


@dataclass(frozen=True, slots=True)
class Difference:
    """Two runs under one protocol; ``comparison`` as the benchmark's JSON has it."""

    ours: str
    theirs: str
    protocol: str
    comparison: Mapping[str, Any]


def run_differences(runs: Sequence[Run]) -> tuple[list[Difference], list[str]]:
    """Compare every two runs, and say what else each was compared with when it was scored.

    Returns
    -------
    The differences, protocol by protocol; and why two runs could not be compared, if any.
    """
    here = {run.file for run in runs}
    found = [
        Difference(run.name, str(comparison["other"]), str(comparison["protocol"]), comparison)
        for run in runs
        for comparison in run.benchmark.get("comparisons") or ()
        if comparison["other"] not in here
    ]
    reasons: list[str] = []
    for ours, theirs in combinations(runs, 2):
        for result in ours.results:
            other = theirs.result(result["protocol"])
            if other is None:
                continue
            mine, its = _with_clips(ours, result), _with_clips(theirs, other)
            if mine is None or its is None:
                reasons.append(
                    f"{ours.name} and {theirs.name}, {result['protocol']}: a result without the "
                    "clips' cIoU (per_clip) cannot be paired"
                )
                continue
            try:
                compared = compare_results(mine, its, theirs.name)
            except InvalidInput as error:
                reasons.append(error.message)
                continue
            found += [
                Difference(ours.name, theirs.name, str(c["protocol"]), dict(c)) for c in compared
            ]
    order = list(dict.fromkeys(result["protocol"] for run in runs for result in run.results))
    found.sort(key=lambda d: order.index(d.protocol) if d.protocol in order else len(order))
    return found, list(dict.fromkeys(reasons))


def _with_clips(run: Run, result: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return one result as a benchmark of its own, with the clips' cIoU; None without them."""
    clips = run.per_clip.get(result["protocol"])
    if not clips or "rules" not in result:
        return None
    return {"results": [{**result, "per_clip": clips}]}
