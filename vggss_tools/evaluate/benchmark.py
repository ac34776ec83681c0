"""The benchmark: predictions and a test set in, scores with all that qualifies them out."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vggss_tools import __version__
from vggss_tools.annotate.errata import errata_of
from vggss_tools.annotate.vggss_json import Annotations, Entry
from vggss_tools.atomic import atomic_path
from vggss_tools.clip_lists import ClipList
from vggss_tools.errors import InvalidInput
from vggss_tools.evaluate import baselines, metrics
from vggss_tools.evaluate.bootstrap import SEED, bootstrap_means, interval
from vggss_tools.evaluate.breakdown import AREA_BUCKETS, area_bucket, break_down, in_order
from vggss_tools.evaluate.leakage import leakage
from vggss_tools.evaluate.masks import GRID
from vggss_tools.evaluate.predictions import Predictions
from vggss_tools.evaluate.proposal_scores import score_proposals
from vggss_tools.evaluate.protocols import PIXELS, Protocol, Resize, SweepThreshold
from vggss_tools.evaluate.references import References, score_references
from vggss_tools.evaluate.results import (
    SCHEMA,
    BenchmarkJson,
    Bounds,
    CurvePoint,
    ModelUsed,
    PredictionsUsed,
    Result,
    TruthArea,
)
from vggss_tools.evaluate.scoring import MapScores, best_threshold, score_maps
from vggss_tools.evaluate.set_scores import extended_extra, groups_extra, ranking_extra, sweep_extra
from vggss_tools.evaluate.sound_swap import SwapScores, score_swaps
from vggss_tools.evaluate.test_sets import TestSet, test_set_of
from vggss_tools.propose.proposals import Proposal

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Errata = Literal["apply", "keep"]


@dataclass(frozen=True)
class Benchmark:
    """A scored predictions file.

    Attributes
    ----------
    json : BenchmarkJson
        The result as it is written.
    """

    json: BenchmarkJson

    @property
    def missing(self) -> list[str]:
        """Samples without a map under any of the protocols, sorted."""
        return sorted({name for result in self.json["results"] for name in result["missing"]})

    @property
    def clip_ids(self) -> list[str]:
        """The scored samples, sorted; those of the first protocol."""
        return list(self.json["results"][0]["per_clip"])

    @property
    def cious(self) -> dict[str, Floats]:
        """Per protocol name, the scored samples' cIoU, sorted by their names."""
        return {
            result["protocol"]: np.array(list(result["per_clip"].values()))
            for result in self.json["results"]
        }


@dataclass(frozen=True)
class Asked:
    """What is asked for beside predictions, test set and protocols; see :func:`run_benchmark`."""

    ogl: float | None = None
    errata: Errata | None = None
    subset: Sequence[str] = ()
    train_list: ClipList | None = None
    seed: int = SEED
    stand_in: bool = False
    warnings: Sequence[str] = ()


def run_benchmark(
    predictions: Predictions,
    test_set: TestSet | Annotations,
    protocols: Sequence[Protocol],
    *,
    annotations: Annotations | None = None,
    training: Annotations | None = None,
    proposals: Mapping[str, Sequence[Proposal]] | None = None,
    swapped: Predictions | None = None,
    silent: Iterable[Entry] = (),
    labels: Mapping[str, str] | None = None,
    model: ModelUsed | None = None,
    ogl: float | None = None,
    errata: Errata | None = None,
    subset: Sequence[str] = (),
    whole: TestSet | None = None,
    train_list: ClipList | None = None,
    seed: int = SEED,
    stand_in: bool = False,
    warnings: Sequence[str] = (),
) -> Benchmark:
    """Score predictions under each protocol, with baselines and ceiling on the same samples.

    Parameters
    ----------
    predictions : read in one pass, in two if there are rows of other sounds
    test_set : all of its samples are asked for; those without a map are reported as missing
    protocols : at least one
    annotations : the clips' boxes in fractions of the frame, for proposals and swapped sounds;
        known already where ``test_set`` is given as annotations
    training : annotations of other clips, for the baseline ``mean_box``
    proposals : detections by clip, for the sound-blind baselines and the proposals' own scores
    swapped : predictions with other clips' sounds, for the swap rate
    silent : what is visible and silent (a release's ``silent.json``), for the swap rate, and to
        know which pictures are no negatives of a sound
    labels : classes of clips outside of the annotations that lend their sound
    model : the checkpoint that made the predictions, where it is known
    ogl : weight of the map against the object prior, 0..1; None leaves the prior alone
    errata : whether samples that the documented errata name are left out; None: as each protocol
        has it
    subset : what ``test_set`` is of the ``whole`` test set, as it was asked for; it is only
        written down
    whole : maps of its other samples are expected and passed over
    train_list : the clips that the model was trained on
    seed : of the bootstrap
    stand_in : whether the annotations are a sample world's own truth
    warnings : what else a reader of each score has to know

    Raises
    ------
    InvalidInput
        If a map holds NaN or an infinity, or no sample can be scored.
    """
    if isinstance(test_set, Annotations):
        annotations, test_set = test_set, test_set_of(test_set)
    if not test_set.samples:
        raise InvalidInput(f"{test_set.name}: no annotated clips; give a file that has some")
    # Refused inputs are refused before the work.
    mean_box = baselines.mean_box_map(training, test_set) if training is not None else None
    silent = tuple(silent)
    visible = {(entry.file, entry.label) for entry in silent}
    scores = score_maps(predictions, test_set, protocols, ogl, labels, visible, whole)
    positive = np.array([not sample.negative for sample in test_set.samples])
    if not (scores.scored & positive).any():
        raise InvalidInput(_nothing_scored(predictions, test_set, scores))
    references = score_references(
        test_set, np.flatnonzero(scores.scored & positive), protocols, mean_box, proposals
    )
    swaps: dict[Resize, SwapScores] = {}
    if swapped is not None and annotations is not None:
        resizes = dict.fromkeys(protocol.resize for protocol in protocols)
        swaps = score_swaps(swapped, annotations, silent, resizes, labels)
    asked = Asked(ogl, errata, subset, train_list, seed, stand_in, warnings)
    results = [
        _result(p.for_set(test_set.published), scores, references, test_set, swaps, asked)
        for p in protocols
    ]
    _add_intervals(results, scores, test_set, {p.name: p.strict for p in protocols}, seed)
    value: BenchmarkJson = {
        "schema": SCHEMA,
        "tool": {"name": "vggss-tools", "version": __version__},
        "environment": _environment(),
        "predictions": _used(predictions),
        "notes": _notes(predictions, test_set, swapped, scores, swaps),
        "seed": seed,
        "results": results,
    }
    if scores.dependence is not None:
        value["dependence"] = dict(scores.dependence.result())
    if model is not None:
        value["model"] = model
    if swapped is not None:
        value["swap_predictions"] = _used(swapped)
    if proposals is not None and annotations is not None:
        value["proposals"] = score_proposals(proposals, annotations)
    return Benchmark(value)


def write_per_clip(path: Path | str, benchmark: Benchmark) -> None:
    """Write the samples' cIoU as Parquet: ``protocol, clip_id, ciou``, clips sorted."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        (result["protocol"], name, ciou)
        for result in benchmark.json["results"]
        for name, ciou in result["per_clip"].items()
    ]
    table = pa.table(
        {
            "protocol": pa.array([row[0] for row in rows], pa.string()),
            "clip_id": pa.array([row[1] for row in rows], pa.string()),
            "ciou": pa.array([row[2] for row in rows], pa.float64()),
        }
    )
    with atomic_path(path) as part:
        pq.write_table(table, part)


def is_stand_in(annotations_path: Path, name: str) -> bool:
    """Whether a release's manifest beside the annotations says that they are a stand-in."""
    manifest = annotations_path.with_name("release.json")
    if not manifest.is_file():
        return False
    try:
        value = json.loads(manifest.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(
            f"{manifest}: not JSON ({error}); make the release of {name} again"
        ) from None
    return bool(isinstance(value, dict) and value.get("stand_in"))


# ------------------------------------------------------------------------------------- results


def _result(
    protocol: Protocol,
    scores: MapScores,
    references: References,
    test_set: TestSet,
    swaps: Mapping[Resize, SwapScores],
    asked: Asked,
) -> Result:
    """Put together everything about one protocol; intervals are added for all at once."""
    samples = test_set.samples
    errata = asked.errata == "apply" or (asked.errata is None and protocol.errata)
    dropped = errata_of(test_set).dropped_clips if errata else frozenset()
    wanted = np.array([not s.negative and s.name not in dropped for s in samples])
    # A file may hold nothing but what the errata leave out.
    where = np.flatnonzero(wanted & scores.scored)
    if not len(where):
        raise InvalidInput(
            f"{test_set.name}: every scored clip is left out by the errata; give --errata keep"
        )
    absent = np.flatnonzero(wanted & ~scores.scored)
    negatives = np.array([sample.negative for sample in samples])
    silent = np.flatnonzero(negatives & ~scores.scored)
    levels = scores.cious[protocol.name][where]
    best = best_threshold(levels, protocol.strict)
    cious = levels[:, best]
    areas = scores.areas[where]
    success = cious > 0.5 if protocol.strict else cious >= 0.5
    curve = metrics.success_curve(cious, protocol.strict)
    rows = np.searchsorted(references.indices, where)
    reference_scores, curves = references.summary(protocol, rows)
    ceiling = reference_scores.pop("ceiling")
    trivial = baselines.best_trivial({name: one["ciou"] for name, one in reference_scores.items()})
    assert trivial is not None  # `ones` is always there
    auc = max(
        metrics.area_under_curve(metrics.success_curve(levels[:, k], protocol.strict))
        for k in range(levels.shape[1])
    )
    names = [samples[i].name for i in where]
    order = sorted(range(len(names)), key=names.__getitem__)
    swap = swaps.get(protocol.resize)
    result: Result = {
        "protocol": protocol.name,
        "family": str(protocol.family),
        "rules": {
            "resize": f"{protocol.resize} to 224 x 224",
            "normalise": str(protocol.normalise),
            "threshold": str(protocol.threshold),
            "success": "cIoU > t" if protocol.strict else "cIoU >= t",
            "source": protocol.source,
        },
        "ogl": asked.ogl,
        "annotations": {
            "name": test_set.name,
            "sha256": test_set.sha256,
            "stand_in": asked.stand_in,
            "errata": "applied" if errata else "kept",
            "subset": list(asked.subset),
        },
        "n_scored": len(where),
        "n_total": int(wanted.sum()),
        "missing": sorted(samples[i].name for i in (*absent, *silent)),
        "unknown": scores.unknown,
        "ciou": float(success.mean()),
        "auc": auc,
        "mean_ciou": float(cious.mean()),
        "ci95": {"ciou": [], "auc": []},
        "bounds": _bounds(success, auc, len(absent), protocol.strict),
        "baselines": reference_scores,
        "ceiling": ceiling,
        "best_trivial": {"name": trivial[0], "ciou": trivial[1]},
        "skill": baselines.skill(float(success.mean()), trivial[1], ceiling["ciou"]),
        "own_hit_rate": float(scores.hits[where].mean()),
        "swap_rate": swap.rate if swap else None,
        "swap_stay_rate": swap.stay_rate if swap else None,
        "swap_n": swap.n if swap else 0,
        "ties": float(scores.tied[protocol.resize][where].mean()),
        "n_constant": int(scores.constant[where].sum()),
        "truth_area": _truth_area(areas),
        "success": points(curve),
        "curves": curves,
        "by_class": break_down([samples[i].label for i in where], cious, success),
        "by_area": in_order(
            break_down([area_bucket(area) for area in areas.tolist()], cious, success),
            list(AREA_BUCKETS),
        ),
        "by_boxes": _by_number(
            break_down([str(len(samples[i].edges)) for i in where], cious, success)
        ),
        "leakage": None,
        "extra": {},
        "per_clip": {names[k]: float(cious[k]) for k in order},
        "warnings": [
            *asked.warnings,
            *_warnings(protocol, scores, where, len(absent), areas),
            *_warnings_of_negatives(int(negatives.sum()), len(silent)),
        ],
    }
    if asked.train_list is not None:
        tested = [sample.image_id for sample in samples]
        result["leakage"] = dict(leakage(asked.train_list, tested, test_set.name))
        _warn_of_leaks(result)
    extra = result["extra"]
    extra |= sweep_extra(protocol, levels, best)
    extra |= groups_extra(test_set, where, cious)
    extra |= extended_extra(test_set, scores, protocol.name, best)
    if protocol.rank_pixels:
        extra |= ranking_extra(test_set, scores, where, references, rows)
    return result


def _by_number(groups: dict[str, Any]) -> dict[str, Any]:
    return in_order(groups, sorted(groups, key=int))


def _add_intervals(
    results: Sequence[Result],
    scores: MapScores,
    test_set: TestSet,
    strict: Mapping[str, bool],
    seed: int,
) -> None:
    """Add the bootstrap intervals; results over the same samples are drawn together."""
    positions = {sample.name: i for i, sample in enumerate(test_set.samples)}
    groups: dict[tuple[str, ...], list[tuple[Result, NDArray[Any]]]] = {}
    for result in results:
        names = tuple(result["per_clip"])
        levels = scores.cious[result["protocol"]][[positions[name] for name in names]]
        is_strict = strict[result["protocol"]]
        cious = levels[:, best_threshold(levels, is_strict)]
        # Of a sweep the best threshold for the area, which may be another.
        areas = [metrics.curve_areas(level, is_strict) for level in levels.T]
        best = max(areas, key=np.mean)
        columns = np.column_stack([cious > 0.5 if is_strict else cious >= 0.5, best])
        groups.setdefault(names, []).append((result, columns))
    for group in groups.values():
        columns = np.column_stack([columns for _, columns in group])
        ends = interval(bootstrap_means(columns, seed=seed))
        for k, (result, _) in enumerate(group):
            result["ci95"] = {
                "ciou": ends[:, 2 * k].tolist(),
                "auc": ends[:, 2 * k + 1].tolist(),
            }


def _bounds(success: Bools, auc: float, n_missing: int, strict: bool) -> Bounds:
    """Return the score if every missing sample were wrong, and if every one were right."""
    n = len(success)
    total = n + n_missing
    wrong, right = metrics.curve_areas([0.0, 1.0], strict).tolist()
    hits = float(success.sum())
    return {
        "ciou": [hits / total, (hits + n_missing) / total],
        "auc": [(auc * n + wrong * n_missing) / total, (auc * n + right * n_missing) / total],
    }


def points(curve: Floats) -> list[CurvePoint]:
    """Return a success curve as it is written."""
    return [
        {"t": round(float(t), 2), "share": float(share)}
        for t, share in zip(metrics.CURVE_THRESHOLDS, curve, strict=True)
    ]


def _truth_area(areas: NDArray[np.int64]) -> TruthArea:
    return {
        "median": float(np.median(areas)) / PIXELS,
        "under_quarter": float(np.mean(areas < PIXELS / 4)),
        "n_empty": int(np.sum(areas == 0)),
    }


def _warnings(
    protocol: Protocol,
    scores: MapScores,
    where: NDArray[np.int64],
    n_missing: int,
    areas: NDArray[np.int64],
) -> list[str]:
    """Say what a reader of the score has to know."""
    warnings = []
    if n_missing:
        warnings.append(
            f"{n_missing} of {len(where) + n_missing} annotated clips have no map; the score is "
            "over the rest"
        )
    n_empty = int(np.sum(areas == 0))
    if n_empty:
        warnings.append(f"{n_empty} clip(s) have no truth pixel; their cIoU is 0 by rule")
    n_constant = int(scores.constant[where].sum())
    if n_constant:
        warnings.append(
            f"{n_constant} map(s) are constant; under {protocol.name} one "
            f"{_fate_of_constants(protocol)}"
        )
    tied = scores.tied[protocol.resize] & ~scores.constant
    n_tied = int(tied[where].sum())
    if n_tied and protocol.ranks:
        warnings.append(
            f"{n_tied} map(s) have more than half of their pixels tied at the minimum and so "
            f"{_fate_of_ties(protocol)}; the ceiling does not hold for them"
        )
    n_outside = scores.outside.get(protocol.name, 0)
    if n_outside:
        warnings.append(
            f"{n_outside} map(s) have values outside of {protocol.low:.4g}..{protocol.high:.4g}, "
            f"and values are taken for what they are: {protocol.scale}"
        )
    elif protocol.scale:
        warnings.append(f"values are taken for what they are: {protocol.scale}")
    if isinstance(protocol.threshold, SweepThreshold):
        warnings.append("the threshold was chosen on the test set, for the best score")
    return warnings


def _warnings_of_negatives(n: int, n_missing: int) -> list[str]:
    """Say that negatives have no map."""
    if not n_missing:
        return []
    rest = "are over the rest" if n_missing < n else "are null"
    return [f"{n_missing} of {n} negatives have no map; AP and max-F1 {rest}"]


def _fate_of_constants(protocol: Protocol) -> str:
    """Say what the protocol makes of constant maps, by asking it."""
    frames = [np.full((GRID, GRID), c, dtype=np.float32) for c in (-0.5, 0.0, 0.5, 1.5)]
    whole = [bool(protocol.predict(frame).all()) for frame in frames]
    # torch's weights do not keep every constant: what is left is noise, and is scored as such.
    rounded = ", but for the rounding of the resizing" if "torch" in protocol.resize else ""
    if all(whole):
        return f"predicts the whole frame{rounded}"
    if whole == [False, True, True, True]:
        return f"at or above 0 predicts the whole frame, below 0 nothing{rounded}"
    if whole == [False, False, False, True]:
        return f"at or above 1 predicts the whole frame, below 1 nothing{rounded}"
    return f"predicts nothing{rounded}"


def _fate_of_ties(protocol: Protocol) -> str:
    """Say what the protocol makes of a map that is tied over three quarters, by asking it."""
    tied = np.zeros((4, 4), dtype=np.float32)
    tied[0] = [1.0, 0.9, 0.8, 0.7]
    share = protocol.predict(np.kron(tied, np.ones((56, 56), dtype=np.float32))).mean()
    return "predict less than half of the frame" if share < 0.5 else "predict all of the frame"


def _warn_of_leaks(result: Result) -> None:
    found = result["leakage"]
    assert found is not None
    if found["n_leaked"] or found["n_same_video"]:
        result["warnings"].append(
            f"{found['n_leaked']} of {found['n_test']} test clips are in the training list "
            f"{found['list']}, and {found['n_same_video']} more clips of it are of their videos"
        )


def _notes(
    predictions: Predictions,
    test_set: TestSet,
    swapped: Predictions | None,
    scores: MapScores,
    swaps: Mapping[Resize, SwapScores],
) -> list[str]:
    notes = [*predictions.notes, *test_set.notes]
    if scores.unknown:
        notes.append(
            f"{predictions.name}: {scores.unknown} map(s) of clips without annotation were left out"
        )
    if scores.unasked:
        notes.append(
            f"{predictions.name}: {scores.unasked} map(s) of clips outside of the subset were left "
            "out"
        )
    if scores.other_sound:
        notes.append(
            f"{predictions.name}: {len(scores.other_sound)} row(s) with another sound were left "
            "out of the scores; how far the map moves with them is in 'dependence'"
        )
    if swapped is not None and swaps:
        notes.extend(swapped.notes)
        n_skipped = next(iter(swaps.values())).n_skipped
        if n_skipped:
            notes.append(
                f"{swapped.name}: {n_skipped} row(s) left out, whose sound is of no class that is "
                "silent in the picture"
            )
    return notes


def _environment() -> dict[str, str]:
    import cv2

    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


def _used(predictions: Predictions) -> PredictionsUsed:
    return {
        "name": predictions.name,
        "sha256": predictions.sha256,
        "n_rows": len(predictions),
        "map_shape": list(predictions.shape[1:]),
        "dtype": predictions.dtype,
    }


def _nothing_scored(predictions: Predictions, test_set: TestSet, scores: MapScores) -> str:
    """Say why not one sample can be scored, with a guess at the cause."""
    if not len(predictions):
        return f"{predictions.name}: no rows; write it again with at least one map"
    if scores.scored.any():
        return (
            f"{predictions.name}: only negatives of {test_set.name}; "
            "predict the clips with boxes too"
        )
    if not any(predictions.own_sound(row) for row in range(len(predictions))):
        return (
            f"{predictions.name}: no row has its clip's own sound; "
            "give swapped sounds with --swap-predictions, beside the own ones"
        )
    return (
        f"{predictions.name}: none of its {len(predictions)} clips is in {test_set.name}; "
        f"ids there look like {test_set.samples[0].name!r}, "
        f"in the predictions like {predictions.clip_id[0]!r}"
    )
