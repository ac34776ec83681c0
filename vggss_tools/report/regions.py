"""The region that a map predicts under a protocol, as it was scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.protocols import Protocol, RankedMap, SweepThreshold
from vggss_tools.report.outlines import outline
from vggss_tools.report.result_shape import is_number

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Region:
    """A predicted region: its outline, its share of the frame, and its cIoU."""

    protocol: str
    path: str
    share: float
    ciou: float


def predicted_mask(
    protocol: Protocol,
    result: Mapping[str, Any],
    raw: Map,
    truth_area: int,
    prior: Map | None,
) -> Mask | None:
    """Return the mask (224, 224) that a raw map predicts under the protocol of a result.

    Parameters
    ----------
    protocol : as its source has it for the test set
    truth_area : pixels of the truth
    prior : object prior, where the result is object-guided (OGL)

    Returns
    -------
    None where that cannot be known: the prior is not there.
    """
    if result.get("ogl") is None:
        return _threshold(protocol, result, raw, truth_area)
    if prior is None:
        return None
    mixed = protocol.guided(raw, prior, float(result["ogl"]))
    return protocol.threshold.predict(RankedMap(mixed), truth_area)


def _threshold(protocol: Protocol, result: Mapping[str, Any], raw: Map, truth_area: int) -> Mask:
    best = best_threshold(result)
    if best is None or not isinstance(protocol.threshold, SweepThreshold):
        return protocol.predict(raw, truth_area)
    thresholds = np.array(protocol.threshold.thresholds)
    return protocol.predict_sweep(raw)[int(np.argmin(abs(thresholds - best)))]


def best_threshold(result: Mapping[str, Any]) -> float | None:
    """Return the threshold that a sweep chose, where the result says it."""
    chosen: Any = (result.get("extra") or {}).get("threshold_ciou")
    return float(chosen) if is_number(chosen) else None


def region(
    protocol: Protocol,
    result: Mapping[str, Any],
    raw: Map,
    truth: NDArray[Any],
    prior: Map | None,
    known: float | None = None,
) -> Region | None:
    """Return the predicted region of a map, with its outline.

    Parameters
    ----------
    truth : mask or weights (224, 224)
    known : the sample's cIoU, where the benchmark says it
    """
    mask = predicted_mask(protocol, result, raw, int(np.count_nonzero(truth)), prior)
    if mask is None:
        return None
    ciou = float(metrics.ciou(truth, mask)) if known is None else known
    return Region(protocol.name, outline(mask), float(mask.mean()), ciou)
