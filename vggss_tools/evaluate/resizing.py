"""Bringing a raw map to 224 x 224, in each of the ways of the field's evaluators.

OpenCV's own interpolation where a repository calls it. Where it calls torch's, the same
interpolation as a product of matrices, ``rows @ map @ columns``, each row of which holds the
weights of one pixel; so scoring needs no torch. Single values then differ by the order of the
additions, which moves a clip's cIoU by up to 3e-4 (docs/parity.md).
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vggss_tools.evaluate.masks import GRID

Map = NDArray[np.float32]


class Resize(StrEnum):
    """How a raw map is brought to 224 x 224. A map of that size stays as it is."""

    # cv2.resize(..., INTER_LINEAR) and INTER_CUBIC: half-pixel centres, edges repeated.
    OPENCV_LINEAR = "opencv-linear"
    OPENCV_CUBIC = "opencv-cubic"
    # torch's F.interpolate: corner pixels on corner pixels, or half-pixel centres.
    TORCH_BILINEAR_CORNERS = "torch-bilinear-align-corners"
    TORCH_BICUBIC_CORNERS = "torch-bicubic-align-corners"
    TORCH_BICUBIC = "torch-bicubic"


_OPENCV = {
    Resize.OPENCV_LINEAR: cv2.INTER_LINEAR,
    Resize.OPENCV_CUBIC: cv2.INTER_CUBIC,
}


def resize_map(
    raw: NDArray[Any], rule: Resize = Resize.OPENCV_LINEAR, out: Map | None = None
) -> Map:
    """Bring a raw map (h, w) to float32 of 224 x 224, in ``out`` if that is given.

    A constant map stays the constant, whatever the rounding of the weights.
    """
    single = np.ascontiguousarray(raw, dtype=np.float32)
    resized: Map = np.empty((GRID, GRID), dtype=np.float32) if out is None else out
    if single.shape == (GRID, GRID):
        resized[:] = single
        return resized
    if rule in _OPENCV:
        cv2.resize(single, (GRID, GRID), dst=resized, interpolation=_OPENCV[rule])
        return resized
    if single.min() == single.max():
        resized[:] = single.flat[0]
        return resized
    rows, columns = _weights(rule, single.shape[0]), _weights(rule, single.shape[1])
    return np.matmul(rows @ single, columns.T, out=resized)


@lru_cache(maxsize=64)
def _weights(rule: Resize, size: int) -> Map:
    """Return the weights (224, size) of the source's pixels for each pixel of the grid."""
    pixels = np.arange(GRID)
    if rule is Resize.TORCH_BICUBIC:
        place = (pixels + 0.5) * (size / GRID) - 0.5
    else:
        place = pixels * ((size - 1) / (GRID - 1))
    weights = np.zeros((GRID, size))
    left = np.floor(place).astype(int)
    taps = range(-1, 3) if rule is not Resize.TORCH_BILINEAR_CORNERS else range(2)
    for tap in taps:
        distance = np.abs(place - (left + tap))
        share = 1 - distance if len(taps) == 2 else _keys(distance)
        np.add.at(weights, (pixels, np.clip(left + tap, 0, size - 1)), share)
    weights.flags.writeable = False
    return weights.astype(np.float32)


def _keys(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Keys' cubic kernel with a = -0.75, as torch and OpenCV have it."""
    a = -0.75
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
