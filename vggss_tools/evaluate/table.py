"""The benchmark's result as text: no score without what qualifies it."""

from __future__ import annotations

from collections.abc import Iterator

from vggss_tools.evaluate.baselines import DESCRIPTIONS
from vggss_tools.evaluate.results import BenchmarkJson, Result

INDENT = "  "
NAME_WIDTH = 14


def format_benchmark(benchmark: BenchmarkJson) -> str:
    """Return a table for a terminal; scores in percent."""
    lines: list[str] = []
    for result in benchmark["results"]:
        lines.extend(_result_lines(benchmark, result))
        lines.append("")
    if "proposals" in benchmark:
        found = benchmark["proposals"]
        lines.append(
            f"Proposed boxes at IoU {found['iou']:g}: precision {_percent(found['precision'])}, "
            f"recall {_percent(found['recall'])} "
            f"({found['n_proposals']:,} proposed, {found['n_truth']:,} annotated)"
        )
        lines.append("")
    return "\n".join(lines)


def _result_lines(benchmark: BenchmarkJson, result: Result) -> Iterator[str]:
    rules, annotations = result["rules"], result["annotations"]
    yield f"Protocol {result['protocol']}: {rules['threshold']}, success at {rules['success']}"
    stand_in = ", a stand-in: the sample world's own boxes" if annotations["stand_in"] else ""
    yield (
        f"{INDENT}{result['n_scored']:,} of {result['n_total']:,} clips scored against "
        f"{annotations['name']} ({annotations['sha256'][:12]}{stand_in})"
    )
    yield ""
    made_by = benchmark["predictions"]["name"]
    low, high = result["ci95"]["ciou"]
    yield f"{INDENT}{'':{NAME_WIDTH}}{'cIoU':>7}{'AUC':>8}"
    yield _row(
        "model",
        result["ciou"],
        result["auc"],
        f"{made_by}; 95% of resamples: {100 * low:.2f} to {100 * high:.2f}",
    )
    for name, score in result["baselines"].items():
        yield _row(name, score["ciou"], score["auc"], DESCRIPTIONS[name])
    ceiling = result["ceiling"]
    yield _row("ceiling", ceiling["ciou"], ceiling["auc"], DESCRIPTIONS["ceiling"])
    yield ""
    best = result["best_trivial"]
    if result["skill"] is None:
        yield f"{INDENT}skill: none, the ceiling is not above {best['name']}"
    else:
        yield (
            f"{INDENT}skill {result['skill']:.3f}: "
            f"from {best['name']} (0) towards the ceiling (1), in cIoU"
        )
    yield f"{INDENT}maximum in what sounds: {_percent(result['own_hit_rate'])} of clips"
    if result["swap_rate"] is not None:
        yield (
            f"{INDENT}with a silent object's sound ({result['swap_n']:,} pairs): maximum in that "
            f"object {_percent(result['swap_rate'])}, "
            f"still in the sounding one {_percent(result['swap_stay_rate'])}"
        )


def _row(name: str, ciou: float, auc: float, what: str) -> str:
    return f"{INDENT}{name:{NAME_WIDTH}}{100 * ciou:7.2f}{100 * auc:8.2f}   {what}"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.1f}%"
