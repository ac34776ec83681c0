"""Protocols: how a map becomes a predicted mask, and what counts as success.

A protocol is a value, not code: a resize rule, a normalisation, a threshold rule and a success
rule, each one of a few named kinds. It never chooses clips.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.masks import GRID

PIXELS = GRID * GRID  # 50,176

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]


class Resize(StrEnum):
    """How a raw map is brought to 224 x 224."""

    # cv2.resize(..., INTER_LINEAR): half-pixel centres, edges repeated. A map of 224 x 224 stays
    # as it is.
    OPENCV_LINEAR = "opencv-linear"


class Normalise(StrEnum):
    """How a resized map is scaled."""

    MIN_MAX = "min-max"
    MIN_MAX_RELEASED = "min-max-released"


@dataclass(frozen=True, slots=True)
class FixedThreshold:
    """Predicted where ``value > value of the rule``."""

    value: float

    def predict(self, normalised: Map) -> Mask:
        """Return the predicted mask of one normalised map."""
        return metrics.above(normalised, self.value)

    def ceiling(self, area: int) -> float:
        """Return the best cIoU for a truth of ``area`` pixels.

        The truth itself is a perfect map. Only where it fills the frame the best is one pixel
        less, because the minimum of a map is never predicted.
        """
        return min(area, PIXELS - 1) / area if area else 0.0

    def __str__(self) -> str:
        return f"value > {self.value:g}"


@dataclass(frozen=True, slots=True)
class RankThreshold:
    """Predicted where the value exceeds the map's own ``rank``-th smallest, 0-based.

    ``ones_too``: and wherever the value is at least 1. The released LVS code does so by the way
    it makes its map binary; it matters for constant maps and for maps tied at their maximum.
    """

    rank: int
    ones_too: bool = False

    def predict(self, normalised: Map) -> Mask:
        """Return the predicted mask of one normalised map."""
        threshold = metrics.order_statistic(normalised, self.rank)
        # Whatever is at least 1 is above a threshold below 1 as well.
        if self.ones_too and threshold >= 1:
            return normalised >= 1
        return normalised > threshold

    def ceiling(self, area: int) -> float:
        """Return the cIoU of a perfect ranking without ties for a truth of ``area`` pixels.

        The number of predicted pixels is then fixed: k = 25,087 of 50,176 for the median rule.
        A smaller truth lies inside of the prediction, a larger one around it.
        """
        predicted = PIXELS - 1 - self.rank
        return min(area, predicted) / max(area, predicted)

    def __str__(self) -> str:
        return f"value > the {self.rank}-th smallest" + (" or >= 1" if self.ones_too else "")


@dataclass(frozen=True, slots=True)
class Protocol:
    """One way of scoring.

    Attributes
    ----------
    name : str
    summary : str
        What it does, in a line.
    source : str
        Where the rule stands.
    resize, normalise, threshold
        How a raw map becomes a predicted mask of 224 x 224.
    strict : bool
        Whether a clip succeeds at ``cIoU > t`` (else ``cIoU >= t``), at 0.5 and along the curve.
    """

    name: str
    summary: str
    source: str
    resize: Resize
    normalise: Normalise
    threshold: FixedThreshold | RankThreshold
    strict: bool

    @property
    def ranks(self) -> bool:
        """Whether the threshold follows the map, so that only the order of its values counts."""
        return isinstance(self.threshold, RankThreshold)

    def predict(self, raw: NDArray[Any]) -> Mask:
        """Return the predicted mask (224, 224) of one raw map (h, w)."""
        return self.predict_resized(resize_map(raw, self.resize))

    def predict_resized(self, resized: Map) -> Mask:
        """Return the predicted mask of a map that is resized already."""
        return self.threshold.predict(NORMALISERS[self.normalise](resized))


NORMALISERS: dict[Normalise, Callable[[Map], Map]] = {
    Normalise.MIN_MAX: metrics.min_max,
    Normalise.MIN_MAX_RELEASED: metrics.min_max_released,
}


def resize_map(
    raw: NDArray[Any], rule: Resize = Resize.OPENCV_LINEAR, out: Map | None = None
) -> Map:
    """Bring a raw map (h, w) to float32 of 224 x 224, in ``out`` if that is given."""
    import cv2

    if rule is not Resize.OPENCV_LINEAR:
        raise NotImplementedError(rule)
    single = np.ascontiguousarray(raw, dtype=np.float32)
    resized: Map = cv2.resize(single, (GRID, GRID), dst=out, interpolation=cv2.INTER_LINEAR)
    return resized


PAPER = Protocol(
    name="paper",
    summary="min-max, predicted where > 0.5; success cIoU > t; so AUC is at most 97.5",
    source=(
        "Chen et al., CVPR 2021, Appendix A and Algorithm 1; resizing (OpenCV bilinear) and "
        "normalisation (min-max), on which the appendix is silent, are our reading"
    ),
    resize=Resize.OPENCV_LINEAR,
    normalise=Normalise.MIN_MAX,
    threshold=FixedThreshold(0.5),
    strict=True,
)

LVS = Protocol(
    name="lvs",
    summary="predicted above the map's own median, so half of the frame; success cIoU >= t",
    source="hche11/Localizing-Visual-Sounds-the-Hard-Way at 8fe8cbb, test.py and utils.py",
    resize=Resize.OPENCV_LINEAR,
    normalise=Normalise.MIN_MAX_RELEASED,
    threshold=RankThreshold(PIXELS // 2, ones_too=True),
    strict=False,
)

PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in (PAPER, LVS)}
DEFAULT_PROTOCOLS = (PAPER.name, LVS.name)
