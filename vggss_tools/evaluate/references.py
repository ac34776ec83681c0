"""Baselines and ceiling on the scored samples, under each protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vggss_tools.evaluate import baselines, metrics
from vggss_tools.evaluate.masks import Mask
from vggss_tools.evaluate.protocols import Protocol, RankedMap
from vggss_tools.evaluate.ranking import average_precision
from vggss_tools.evaluate.results import CurvePoint, Score
from vggss_tools.evaluate.scoring import best_threshold
from vggss_tools.evaluate.test_sets import TestSet
from vggss_tools.evaluate.truths import Truth, TruthTable
from vggss_tools.progress import track
from vggss_tools.propose.proposals import Proposal

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class References:
    """What baselines and ceiling score.

    Attributes
    ----------
    indices : int64 array (n,)
        The samples, in rising order.
    cious : per protocol name, per baseline (and ``ceiling``), float64 array (n, T)
        T is the number of thresholds of a sweep, else 1.
    ap : per baseline, float64 array (n,)
        Average precision; empty unless a protocol ranks pixels.
    """

    indices: Indices
    cious: dict[str, dict[str, Floats]]
    ap: dict[str, Floats] = field(default_factory=dict)

    def summary(
        self, protocol: Protocol, rows: Indices
    ) -> tuple[dict[str, Score], dict[str, list[CurvePoint]]]:
        """Return scores and success curves by baseline, over the samples at ``rows``."""
        scores: dict[str, Score] = {}
        curves: dict[str, list[CurvePoint]] = {}
        for name, values in self.cious[protocol.name].items():
            levels = values[rows]
            found = [
                metrics.success_curve(levels[:, k], protocol.strict) for k in range(levels.shape[1])
            ]
            best = best_threshold(levels, protocol.strict)
            scores[name] = Score(
                ciou=metrics.success_rate(levels[:, best], strict=protocol.strict),
                auc=max(metrics.area_under_curve(curve) for curve in found),
            )
            curves[name] = [
                {"t": round(float(t), 2), "share": float(share)}
                for t, share in zip(metrics.CURVE_THRESHOLDS, found[best], strict=True)
            ]
        return scores, curves


def score_references(
    test_set: TestSet,
    indices: Indices,
    protocols: Sequence[Protocol],
    mean_box: baselines.Map | None = None,
    proposals: Mapping[str, Sequence[Proposal]] | None = None,
) -> References:
    """Score the baselines and the ceiling on the samples at ``indices``."""
    truths = TruthTable(test_set, indices.tolist())
    maps = baselines.static_maps(mean_box)
    cious: dict[str, dict[str, Floats]] = {}
    # What does not look at the names and the resizing is shared.
    shared: dict[tuple[object, ...], Floats] = {}
    for p in protocols:
        cious[p.name] = {}
        for name, values in maps.items():
            key = (name,) if name == "ones" else (name, p.threshold, p.normalise)
            if key not in shared:
                shared[key] = baselines.static_cious(p, name, values, truths)
            cious[p.name][name] = shared[key]
    rank_pixels = any(p.rank_pixels for p in protocols)
    ap: dict[str, Floats] = {}
    if rank_pixels:
        ap = {
            name: np.array([average_precision(values, truth.mask) for truth in truths])
            for name, values in maps.items()
        }
    if proposals is not None:
        _score_blind(test_set, indices, protocols, proposals, cious, ap if rank_pixels else None)
    for p in protocols:
        cious[p.name]["ceiling"] = baselines.ceiling_cious(p, truths)[:, None]
    return References(indices, cious, ap)


def _score_blind(
    test_set: TestSet,
    indices: Indices,
    protocols: Sequence[Protocol],
    proposals: Mapping[str, Sequence[Proposal]],
    cious: dict[str, dict[str, Floats]],
    ap: dict[str, Floats] | None,
) -> None:
    """Add what all proposed boxes, and the largest one, score whatever sounds."""
    for name in baselines.SOUND_BLIND:
        for p in protocols:
            cious[p.name][name] = np.zeros((len(indices), 1))
        if ap is not None:
            ap[name] = np.zeros(len(indices))
    for k, index in enumerate(track(indices.tolist(), "scoring the baselines")):
        truth = Truth(test_set, index)
        # A region over several boxes was drawn knowing the label.
        found = [
            one for one in proposals.get(test_set.samples[index].image_id, ()) if not one.is_region
        ]
        for name, region in baselines.blind_regions([one.box.as_list() for one in found]).items():
            ranked: RankedMap | None = None
            if region.any() and not region.all():
                ranked = RankedMap(baselines.signed_distance(region))
            if ap is not None:
                values = region.astype(np.float32) if ranked is None else ranked.values
                ap[name][k] = average_precision(values, truth.mask)
            for p in protocols:
                mask = _predict(p, region, ranked, truth.area)
                hit, false = truth.count(mask)
                cious[p.name][name][k, 0] = metrics.ciou_of_counts(hit, truth.total, false)


def _predict(protocol: Protocol, region: Mask, ranked: RankedMap | None, area: int) -> Mask:
    """See :func:`~vggss_tools.evaluate.baselines.predict_region`; the ranks are shared here."""
    if ranked is None or not protocol.ranks:
        return region
    return protocol.threshold.predict(ranked, area)
