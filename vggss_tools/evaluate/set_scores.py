"""What only some protocols and some test sets have: the keys of a result's ``extra``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.baselines import SOUND_BLIND, TRIVIAL, skill
from vggss_tools.evaluate.breakdown import AREA_BUCKETS, area_bucket
from vggss_tools.evaluate.extended import extended_scores
from vggss_tools.evaluate.groups import group_scores
from vggss_tools.evaluate.protocols import Protocol, SweepThreshold
from vggss_tools.evaluate.references import References
from vggss_tools.evaluate.scoring import MapScores
from vggss_tools.evaluate.test_sets import TestSet

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

# Of an extended set's scores: those that say nothing without negatives.
_OVER_NEGATIVES = ("ap", "max_f1", "ap_exact", "ap_found", "precision_all")


def sweep_extra(protocol: Protocol, levels: Floats, best: int) -> dict[str, Any]:
    """Return the scores at every threshold of a sweep, ``sweep``, and the one that was chosen.

    Parameters
    ----------
    levels : float64 array (N, T), the samples' cIoU at each threshold
    """
    if not isinstance(protocol.threshold, SweepThreshold):
        return {}
    found = [
        {
            "t": level,
            "ciou": metrics.success_rate(levels[:, k], strict=protocol.strict),
            "auc": metrics.area_under_curve(metrics.success_curve(levels[:, k], protocol.strict)),
        }
        for k, level in enumerate(protocol.threshold.thresholds)
    ]
    highest = max(range(len(found)), key=lambda k: found[k]["auc"])
    return {
        "sweep": found,
        "threshold_ciou": found[best]["t"],
        "threshold_auc": found[highest]["t"],
    }


def groups_extra(test_set: TestSet, where: Indices, cious: Floats) -> dict[str, Any]:
    """Return IIoU and IAUC where samples share a scene: ``iiou``, ``iauc``, ``n_groups``."""
    groups = [test_set.samples[i].group for i in where]
    if not any(groups):
        return {}
    sizes: dict[str, int] = {}
    for sample in test_set.samples:
        if not sample.negative:
            sizes[sample.group] = sizes.get(sample.group, 0) + 1
    try:
        return dict(group_scores(cious, groups, sizes))
    except ValueError:  # not one group is complete: there is no such score
        return {"iiou": None, "iauc": None, "n_groups": 0, "n_incomplete": len(set(groups))}


def extended_extra(
    test_set: TestSet, scores: MapScores, protocol: str, best: int
) -> dict[str, Any]:
    """Return what negatives add: ``ap``, ``max_f1``, ``loc_acc``, and the same without doubt.

    Over all scored samples, the errata's too; ``n_negative_missing`` have no map. Without a scored
    negative there is nothing to detect: what is over both is None.
    """
    if scores.confidence is None:
        return {}
    negative = np.array([sample.negative for sample in test_set.samples])
    doubtful = np.array([sample.same_class for sample in test_set.samples])
    seen = scores.scored
    found: dict[str, Any] = dict(
        extended_scores(
            scores.cious[protocol][seen, best],
            negative[seen],
            scores.confidence[seen],
            doubtful[seen],
        )
    )
    if not found["n_negative"]:
        found |= dict.fromkeys(_OVER_NEGATIVES)
    if found["clean"] is not None and not found["clean"]["n_negative"]:
        found["clean"] = {**found["clean"], **dict.fromkeys(_OVER_NEGATIVES)}
    return {**found, "n_negative_missing": int((negative & ~seen).sum())}


def ranking_extra(
    test_set: TestSet,
    scores: MapScores,
    where: Indices,
    references: References,
    rows: Indices,
) -> dict[str, Any]:
    """Return the ranking of the pixels: ``pixel_ap`` and what it is worth.

    Large boxes are easy to rank, and most of VGG-SS is large: the mean over clips is dominated by
    them. ``pixel_ap`` is therefore the mean of the area buckets' means; ``pixel_ap_mean`` is the
    plain one.
    """
    buckets = np.array([area_bucket(area) for area in scores.areas[where].tolist()])
    ours = scores.ranked["ap"][where]
    by_area = _by_bucket(ours, buckets)
    level = _stratified(by_area)
    baselines = {
        name: _stratified(_by_bucket(values[rows], buckets))
        for name, values in references.ap.items()
    }
    trivial = max(baselines[name] for name in TRIVIAL if name in baselines)
    fixed = scores.ranked["iou_at_half"][where]
    blind = [baselines[name] for name in SOUND_BLIND if name in baselines]
    return {
        "pixel_ap": level,
        "pixel_ap_mean": float(ours.mean()),
        "pixel_ap_by_area": by_area,
        "pixel_ap_baselines": baselines,
        "skill_over_trivial": skill(level, trivial, 1.0),
        "skill_over_blind": skill(level, max(blind), 1.0) if blind else None,
        "success_at_half": {
            "ciou": metrics.success_rate(fixed, strict=False),
            "auc": metrics.area_under_curve(metrics.success_curve(fixed, strict=False)),
        },
        "best_iou_mean": float(scores.ranked["best_iou"][where].mean()),
    }


def _by_bucket(values: Floats, buckets: NDArray[np.str_]) -> dict[str, float]:
    return {
        name: float(values[buckets == name].mean())
        for name in AREA_BUCKETS
        if (buckets == name).any()
    }


def _stratified(by_area: dict[str, float]) -> float:
    return float(np.mean(list(by_area.values())))
