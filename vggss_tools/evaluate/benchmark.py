"""The benchmark: predictions and annotations in, scores with all that qualifies them out."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vggss_tools import __version__
from vggss_tools.annotate.vggss_json import Annotations, Entry
from vggss_tools.atomic import atomic_path
from vggss_tools.errors import InvalidInput
from vggss_tools.evaluate import baselines, metrics
from vggss_tools.evaluate.bootstrap import bootstrap_interval
from vggss_tools.evaluate.masks import GRID, Mask, mask_of_edges, pixel_edges
from vggss_tools.evaluate.predictions import Predictions
from vggss_tools.evaluate.proposal_scores import score_proposals
from vggss_tools.evaluate.protocols import PIXELS, Protocol, Resize, resize_map
from vggss_tools.evaluate.results import (
    SCHEMA,
    AnnotationsUsed,
    BenchmarkJson,
    ClassScore,
    CurvePoint,
    ModelUsed,
    PredictionsUsed,
    Result,
    Score,
    TruthArea,
)
from vggss_tools.evaluate.sound_swap import SwapScores, score_swaps
from vggss_tools.progress import track
from vggss_tools.propose.proposals import Proposal

Floats = NDArray[np.float64]


@dataclass
class MapScores:
    """What one pass over the maps gives, in the order of the annotations.

    Attributes
    ----------
    scored : bool array (N,)
        Which clips have a map. What the other arrays say about the others means nothing.
    cious : per protocol name, float64 array (N,)
    hits : per resize rule, bool array (N,)
        Whether the map's maximum lies in the truth.
    tied : per resize rule, bool array (N,)
        Whether more than half of the pixels share the minimum.
    constant : bool array (N,)
    unknown : int
        Rows of clips that the annotations do not have.
    other_sound : int
        Rows that were left out, because they do not hear their clip's own sound.
    """

    scored: NDArray[np.bool_]
    cious: dict[str, Floats]
    hits: dict[Resize, NDArray[np.bool_]]
    tied: dict[Resize, NDArray[np.bool_]]
    constant: NDArray[np.bool_]
    unknown: int = 0
    other_sound: int = 0


@dataclass(frozen=True)
class Benchmark:
    """A scored predictions file.

    Attributes
    ----------
    json : BenchmarkJson
        The result as it is written.
    clip_ids : list of str
        The scored clips, sorted.
    cious : per protocol name, float64 array
        Their cIoU, in that order.
    """

    json: BenchmarkJson
    clip_ids: list[str]
    cious: dict[str, Floats]

    @property
    def missing(self) -> list[str]:
        """Annotated clips without a map, sorted."""
        return self.json["results"][0]["missing"]


def run_benchmark(
    predictions: Predictions,
    annotations: Annotations,
    protocols: Sequence[Protocol],
    *,
    training: Annotations | None = None,
    proposals: Mapping[str, Sequence[Proposal]] | None = None,
    swapped: Predictions | None = None,
    silent: Iterable[Entry] = (),
    labels: Mapping[str, str] | None = None,
    stand_in: bool = False,
    model: ModelUsed | None = None,
    warnings: Sequence[str] = (),
) -> Benchmark:
    """Score predictions under each protocol, with baselines and ceiling on the same clips.

    Parameters
    ----------
    predictions : read in one pass
    annotations : all of its clips are asked for; those without a map are reported as missing
    protocols : at least one
    training : annotations of other clips, for the baseline ``mean_box``
    proposals : detections by clip, for the sound-blind baselines and the proposals' own scores
    swapped : predictions with other clips' sounds, for the swap rate
    silent : what is visible and silent (a release's ``silent.json``), for the swap rate
    labels : classes of clips outside of the annotations, for the swap rate
    stand_in : whether the annotations are a sample world's own truth
    model : the checkpoint that made the predictions, where it is known
    warnings : what else a reader of each score has to know

    Raises
    ------
    InvalidInput
        If a map holds NaN or an infinity, or no clip can be scored.
    """
    if not annotations.entries:
        raise InvalidInput(f"{annotations.name}: no annotated clips; give a file that has some")
    # Refused inputs are refused before the work.
    mean_box = baselines.mean_box_map(training, annotations) if training is not None else None
    truth = [pixel_edges(entry.boxes) for entry in annotations.entries]
    scores = score_maps(predictions, annotations, truth, protocols)
    scored = np.flatnonzero(scores.scored)
    if not len(scored):
        raise InvalidInput(_nothing_scored(predictions, annotations, scores))
    areas = np.array([np.count_nonzero(mask_of_edges(truth[i])) for i in scored])
    references = score_references(annotations, truth, scored, protocols, mean_box, proposals)
    swaps: dict[Resize, SwapScores] = {}
    if swapped is not None:
        resizes = dict.fromkeys(protocol.resize for protocol in protocols)
        swaps = score_swaps(swapped, annotations, silent, resizes, labels)

    used = AnnotationsUsed(name=annotations.name, sha256=annotations.sha256, stand_in=stand_in)
    results = [
        _result(p, scores, references[p.name], annotations, used, areas, swaps.get(p.resize))
        for p in protocols
    ]
    value: BenchmarkJson = {
        "schema": SCHEMA,
        "tool": {"name": "vggss-tools", "version": __version__},
        "environment": _environment(),
        "predictions": _used(predictions),
        "notes": _notes(predictions, swapped, scores, swaps),
        "results": results,
    }
    for result in results:
        result["warnings"] = [*warnings, *result["warnings"]]
    if model is not None:
        value["model"] = model
    if swapped is not None:
        value["swap_predictions"] = _used(swapped)
    if proposals is not None:
        value["proposals"] = score_proposals(proposals, annotations)
    ids = np.array([entry.file for entry in annotations.entries])
    order = scored[np.argsort(ids[scored])]
    return Benchmark(
        json=value,
        clip_ids=ids[order].tolist(),
        cious={p.name: scores.cious[p.name][order] for p in protocols},
    )


def score_maps(
    predictions: Predictions,
    annotations: Annotations,
    truth: Sequence[NDArray[np.int64]],
    protocols: Sequence[Protocol],
) -> MapScores:
    """Go through the maps once and score each under all protocols.

    Parameters
    ----------
    truth : pixel edges of the boxes, in the annotations' order
    """
    position = {entry.file: i for i, entry in enumerate(annotations.entries)}
    by_resize: dict[Resize, list[Protocol]] = {}
    for protocol in protocols:
        by_resize.setdefault(protocol.resize, []).append(protocol)
    n = len(annotations.entries)
    scores = MapScores(
        scored=np.zeros(n, dtype=np.bool_),
        cious={protocol.name: np.zeros(n) for protocol in protocols},
        hits={resize: np.zeros(n, dtype=np.bool_) for resize in by_resize},
        tied={resize: np.zeros(n, dtype=np.bool_) for resize in by_resize},
        constant=np.zeros(n, dtype=np.bool_),
    )
    # Used again for each map: fresh pages would cost more than the resizing.
    grid = np.empty((GRID, GRID), dtype=np.float32)
    n_hit = {protocol.name: np.zeros(n) for protocol in protocols}
    n_false = {protocol.name: np.zeros(n) for protocol in protocols}
    areas = np.zeros(n)
    maps = track(predictions.maps(), "scoring", total=len(predictions), unit="map")
    for row, raw in enumerate(maps):
        if not predictions.own_sound(row):
            scores.other_sound += 1
            continue
        i = position.get(predictions.clip_id[row])
        if i is None:
            scores.unknown += 1
            continue
        mask = mask_of_edges(truth[i])
        areas[i] = np.count_nonzero(mask)
        scores.scored[i] = True
        scores.constant[i] = raw.min() == raw.max()
        for resize, group in by_resize.items():
            resized = resize_map(raw, resize, out=grid)
            scores.hits[resize][i] = metrics.peak_inside(resized, mask)
            scores.tied[resize][i] = metrics.tied_at_minimum(resized)
            for protocol in group:
                predicted = protocol.predict_resized(resized)
                hit = np.count_nonzero(predicted & mask)
                n_hit[protocol.name][i] = hit
                n_false[protocol.name][i] = np.count_nonzero(predicted) - hit
    for name, values in scores.cious.items():
        values[:] = metrics.ciou_of_counts(n_hit[name], areas, n_false[name])
    return scores


def score_references(
    annotations: Annotations,
    truth: Sequence[NDArray[np.int64]],
    scored: NDArray[np.int64],
    protocols: Sequence[Protocol],
    mean_box: NDArray[np.float32] | None = None,
    proposals: Mapping[str, Sequence[Proposal]] | None = None,
) -> dict[str, dict[str, Floats]]:
    """Score baselines and ceiling on the scored clips.

    Returns
    -------
    per protocol name, per baseline (and ``ceiling``), the clips' cIoU
    """
    static = {p.name: baselines.static_masks(p, mean_box) for p in protocols}
    blind = baselines.SOUND_BLIND if proposals is not None else ()
    cious = {
        p.name: {name: np.zeros(len(scored)) for name in (*static[p.name], *blind, "ceiling")}
        for p in protocols
    }
    for k, i in enumerate(track(scored.tolist(), "scoring the baselines")):
        mask = mask_of_edges(truth[i])
        regions: dict[str, Mask] = {}
        if proposals is not None:
            found = proposals.get(annotations.entries[i].file, ())
            regions = baselines.blind_regions([one.box.as_list() for one in found])
        for p in protocols:
            values = cious[p.name]
            for name, predicted in static[p.name].items():
                values[name][k] = metrics.ciou(mask, predicted)
            for name, region in regions.items():
                values[name][k] = metrics.ciou(mask, baselines.predict_region(p, region))
            values["ceiling"][k] = p.threshold.ceiling(int(np.count_nonzero(mask)))
    return cious


def write_per_clip(path: Path | str, benchmark: Benchmark) -> None:
    """Write the clips' cIoU as Parquet: ``protocol, clip_id, ciou``, clips sorted."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(benchmark.cious)
    table = pa.table(
        {
            "protocol": pa.array(np.repeat(names, len(benchmark.clip_ids)).tolist(), pa.string()),
            "clip_id": pa.array(benchmark.clip_ids * len(names), pa.string()),
            "ciou": pa.array(np.concatenate([benchmark.cious[name] for name in names])),
        }
    )
    with atomic_path(path) as part:
        pq.write_table(table, part)


def is_stand_in(annotations_path: Path, annotations: Annotations) -> bool:
    """Whether a release's manifest beside the annotations says that they are a stand-in."""
    manifest = annotations_path.with_name("release.json")
    if not manifest.is_file():
        return False
    try:
        value = json.loads(manifest.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(
            f"{manifest}: not JSON ({error}); make the release of {annotations.name} again"
        ) from None
    return bool(isinstance(value, dict) and value.get("stand_in"))


# ------------------------------------------------------------------------------------- results


def _result(
    protocol: Protocol,
    scores: MapScores,
    references: dict[str, Floats],
    annotations: Annotations,
    used: AnnotationsUsed,
    areas: NDArray[np.int64],
    swap: SwapScores | None,
) -> Result:
    """Put together everything about one protocol."""
    scored = scores.scored
    cious = scores.cious[protocol.name][scored]
    curves = {
        name: metrics.success_curve(values, protocol.strict) for name, values in references.items()
    }
    reference_scores = {
        name: Score(
            ciou=metrics.success_rate(values, strict=protocol.strict),
            auc=metrics.area_under_curve(curves[name]),
        )
        for name, values in references.items()
    }
    ceiling = reference_scores.pop("ceiling")
    trivial = baselines.best_trivial({name: one["ciou"] for name, one in reference_scores.items()})
    assert trivial is not None  # `ones` is always there
    curve = metrics.success_curve(cious, protocol.strict)
    ciou = metrics.success_rate(cious, strict=protocol.strict)
    success = cious > 0.5 if protocol.strict else cious >= 0.5
    low, high = bootstrap_interval(
        np.column_stack([success, metrics.curve_areas(cious, protocol.strict)])
    ).tolist()
    return {
        "protocol": protocol.name,
        "rules": {
            "resize": f"{protocol.resize} to 224 x 224",
            "normalise": str(protocol.normalise),
            "threshold": str(protocol.threshold),
            "success": "cIoU > t" if protocol.strict else "cIoU >= t",
            "source": protocol.source,
        },
        "annotations": used,
        "n_scored": len(cious),
        "n_total": len(scored),
        "missing": sorted(
            e.file for e, has in zip(annotations.entries, scored, strict=True) if not has
        ),
        "unknown": scores.unknown,
        "ciou": ciou,
        "auc": metrics.area_under_curve(curve),
        "mean_ciou": float(cious.mean()),
        "ci95": {"ciou": [low[0], high[0]], "auc": [low[1], high[1]]},
        "baselines": reference_scores,
        "ceiling": ceiling,
        "best_trivial": {"name": trivial[0], "ciou": trivial[1]},
        "skill": baselines.skill(ciou, trivial[1], ceiling["ciou"]),
        "own_hit_rate": float(scores.hits[protocol.resize][scored].mean()),
        "swap_rate": swap.rate if swap else None,
        "swap_stay_rate": swap.stay_rate if swap else None,
        "swap_n": swap.n if swap else 0,
        "ties": float(scores.tied[protocol.resize][scored].mean()),
        "n_constant": int(scores.constant[scored].sum()),
        "truth_area": _truth_area(areas),
        "success": _points(curve),
        "curves": {name: _points(values) for name, values in curves.items()},
        "by_class": _by_class(annotations, scored, cious, success),
        "warnings": _warnings(protocol, scores, areas),
    }


def _points(curve: Floats) -> list[CurvePoint]:
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


def _by_class(
    annotations: Annotations,
    scored: NDArray[np.bool_],
    cious: Floats,
    success: NDArray[np.bool_],
) -> dict[str, ClassScore]:
    labels = np.array([entry.label for entry in annotations.entries])[scored]
    groups = {label: np.flatnonzero(labels == label) for label in sorted(set(labels.tolist()))}
    return {
        label: {
            "n": len(rows),
            "ciou": float(success[rows].mean()),
            "mean_ciou": float(cious[rows].mean()),
        }
        for label, rows in groups.items()
    }


def _warnings(protocol: Protocol, scores: MapScores, areas: NDArray[np.int64]) -> list[str]:
    """Say what a reader of the score has to know."""
    scored = scores.scored
    warnings = []
    n_missing = len(scored) - int(scored.sum())
    if n_missing:
        warnings.append(
            f"{n_missing} of {len(scored)} annotated clips have no map; the score is over the rest"
        )
    n_empty = int(np.sum(areas == 0))
    if n_empty:
        warnings.append(f"{n_empty} clip(s) have no truth pixel; their cIoU is 0 by rule")
    n_constant = int(scores.constant[scored].sum())
    if n_constant:
        said = (
            "at or above 0 predicts the whole frame, below 0 nothing"
            if protocol.ranks
            else "predicts nothing"
        )
        warnings.append(f"{n_constant} map(s) are constant; under {protocol.name} one {said}")
    n_tied = int(scores.tied[protocol.resize][scored].sum())
    if n_tied and protocol.ranks:
        warnings.append(
            f"{n_tied} map(s) have more than half of their pixels tied at the minimum and so "
            "predict less than half of the frame; the ceiling does not hold for them"
        )
    return warnings


def _notes(
    predictions: Predictions,
    swapped: Predictions | None,
    scores: MapScores,
    swaps: dict[Resize, SwapScores],
) -> list[str]:
    notes = list(predictions.notes)
    if scores.unknown:
        notes.append(
            f"{predictions.name}: {scores.unknown} map(s) of clips without annotation were left out"
        )
    if scores.other_sound:
        notes.append(
            f"{predictions.name}: {scores.other_sound} row(s) with another sound were left out"
        )
    if swapped is not None:
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


def _nothing_scored(predictions: Predictions, annotations: Annotations, scores: MapScores) -> str:
    """Say why not one clip can be scored, with a guess at the cause."""
    if scores.other_sound and not scores.unknown:
        return (
            f"{predictions.name}: no row has its clip's own sound; "
            "give swapped sounds with --swap-predictions, beside the own ones"
        )
    if not len(predictions):
        return f"{predictions.name}: no rows; write it again with at least one map"
    return (
        f"{predictions.name}: none of its {len(predictions)} clips is in {annotations.name}; "
        f"ids there look like {annotations.entries[0].file!r}, "
        f"in the predictions like {predictions.clip_id[0]!r}"
    )
