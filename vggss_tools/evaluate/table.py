"""The benchmark's result as text: no score without what qualifies it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vggss_tools.evaluate.baselines import DESCRIPTIONS
from vggss_tools.evaluate.dependence import SOUNDS
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
    if "dependence" in benchmark:
        lines.extend([*_dependence_lines(benchmark["dependence"]), ""])
    if "comparisons" in benchmark:
        lines.extend([*_comparison_lines(benchmark["comparisons"]), ""])
    return "\n".join(lines)


def _result_lines(benchmark: BenchmarkJson, result: Result) -> Iterator[str]:
    rules, annotations = result["rules"], result["annotations"]
    guided = f", object-guided with {result['ogl']:g}" if result["ogl"] is not None else ""
    yield (
        f"Protocol {result['protocol']} (family: {result['family']}): {rules['threshold']}"
        f"{guided}, success at {rules['success']}"
    )
    stand_in = ", a stand-in: the sample world's own boxes" if annotations["stand_in"] else ""
    yield (
        f"{INDENT}{result['n_scored']:,} of {result['n_total']:,} clips scored against "
        f"{annotations['name']} ({annotations['sha256'][:12]}{stand_in}), errata "
        f"{annotations['errata']}"
    )
    if annotations["subset"]:
        yield f"{INDENT}subset: {', '.join(annotations['subset'])}"
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
    n_missing = result["n_total"] - result["n_scored"]  # `missing` has negatives too
    if n_missing:
        bounds = result["bounds"]
        what = f"if the {n_missing:,} missing clips were all wrong; all right: "
        what += f"{_score(bounds['ciou'][1])} and {_score(bounds['auc'][1])}"
        yield _row("at least", bounds["ciou"][0], bounds["auc"][0], what)
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
    yield from _extra_lines(result)
    found = result["leakage"]
    if found is not None:
        yield (
            f"{INDENT}training list {found['list']}: {found['n_leaked']:,} of "
            f"{found['n_test']:,} test clips are in it, {found['n_same_video']:,} more of its "
            "clips are of their videos"
        )


def _extra_lines(result: Result) -> Iterator[str]:
    """Say what only this protocol or this test set has."""
    extra = result["extra"]
    if "sweep" in extra:
        yield (
            f"{INDENT}CHOSEN ON THE TEST SET: threshold {extra['threshold_ciou']:g} for cIoU, "
            f"{extra['threshold_auc']:g} for AUC"
        )
    if "pixel_ap" in extra:
        references = ", ".join(
            f"{name} {_score(value)}" for name, value in extra["pixel_ap_baselines"].items()
        )
        yield (
            f"{INDENT}ranking of the pixels: AP {_score(extra['pixel_ap'])}, mean of the area "
            f"buckets ({references})"
        )
        blind = extra["skill_over_blind"]
        of_blind = "unknown, give --proposals" if blind is None else f"{blind:.3f}"
        yield (
            f"{INDENT}skill in AP over the best trivial map {extra['skill_over_trivial']:.3f}, "
            f"over the best sound-blind one {of_blind}"
        )
    if extra.get("iiou") is not None:
        yield (
            f"{INDENT}IIoU {_score(extra['iiou'])}, IAUC {_score(extra['iauc'])}: every sound of "
            f"a scene found ({extra['n_groups']:,} scenes, {extra['n_incomplete']:,} incomplete)"
        )
    if "max_f1" in extra:
        yield _detection("all negatives", extra)
        if extra["clean"] is not None:
            yield _detection(
                f"without {extra['n_same_class']:,} negatives of the picture's own class",
                extra["clean"],
            )


def _detection(of: str, scores: Mapping[str, Any]) -> str:
    ap, f1, located = (
        "none" if scores[key] is None else _score(scores[key])
        for key in ("ap", "max_f1", "loc_acc")
    )
    return (
        f"{INDENT}extended, {of}: AP {ap}, max-F1 {f1}, LocAcc {located} "
        f"({scores['n_positive']:,} + {scores['n_negative']:,} samples)"
    )


def _dependence_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Say how far the maps follow the sound."""
    yield "Other sounds with the same pictures:"
    for sound in SOUNDS:
        moved = found[sound]
        if moved is not None:
            yield (
                f"{INDENT}{sound:{NAME_WIDTH}} {moved['n']:,} pairs: the upper half moves by "
                f"{_percent(moved['moved_mask'])} (1 - IoU), {_percent(moved['equal'])} of the "
                "maps stay as they are"
            )
    if found["deaf"]:
        yield f"{INDENT}DEAF: no map changes with the sound"


def _comparison_lines(comparisons: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Say which differences hold."""
    for one in comparisons:
        parts = []
        for key, name in (("ciou", "cIoU"), ("auc", "AUC")):
            pair = one[key]
            low, high = pair["ci95"]
            verdict = "holds" if pair["holds"] else "does not hold"
            parts.append(
                f"{name} {100 * pair['difference']:+.2f} ({100 * low:+.2f} to {100 * high:+.2f}: "
                f"{verdict})"
            )
        yield (
            f"Against {one['other']} under {one['protocol']}, {one['n_common']:,} common clips: "
            + ", ".join(parts)
        )


def _row(name: str, ciou: float, auc: float, what: str) -> str:
    return f"{INDENT}{name:{NAME_WIDTH}}{100 * ciou:7.2f}{100 * auc:8.2f}   {what}"


def _score(share: float) -> str:
    return f"{100 * share:.2f}"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.1f}%"
