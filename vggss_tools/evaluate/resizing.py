"""Bringing a raw map to 224 x 224, in each of the ways of the field's evaluators.

OpenCV's own interpolation where a repository calls it. Where it calls torch's, the same arithmetic
in NumPy, to the last bit, so that scoring needs no torch: equal values of a map stay equal or come
apart exactly as they do there, and a threshold that falls among them falls on the same side
(docs/parity.md).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vggss_tools.evaluate.masks import GRID

Map = NDArray[np.float32]
Wide = NDArray[np.float64]


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

    Bicubic weights add up to 1 but for rounding: under those rules a constant map comes out as
    noise of its last digits, here as there, unless the constant is 0.
    """
    single = np.ascontiguousarray(raw, dtype=np.float32)
    resized: Map = np.empty((GRID, GRID), dtype=np.float32) if out is None else out
    if single.shape == (GRID, GRID):
        resized[:] = single
    elif rule in _OPENCV:
        cv2.resize(single, (GRID, GRID), dst=resized, interpolation=_OPENCV[rule])
    else:
        height, width = single.shape
        across = _interpolate(single.T, _taps(rule, width), np.empty((GRID, height), np.float32))
        _interpolate(across.T, _taps(rule, height), resized)
    return resized


class _Scratch(threading.local):
    """Memory that is used again, a piece a thread: fresh pages cost more than the arithmetic."""

    def __init__(self) -> None:
        self._pieces = np.empty((2, GRID * GRID))

    def like(self, shape: tuple[int, int]) -> tuple[Wide, Wide]:
        """Return two float64 arrays of a shape."""
        size = shape[0] * shape[1]
        if self._pieces.shape[1] < size:
            self._pieces = np.empty((2, size))
        one, other = self._pieces[:, :size]
        return one.reshape(shape), other.reshape(shape)


_scratch = _Scratch()


@dataclass(frozen=True)
class _Tap:
    """What one source pixel gives to each pixel of the grid.

    Attributes
    ----------
    source : which it is, (224,)
    weight : float32 array (224, 1)
    wide : float64 array (224, 224), the weights again, as wide as a whole map
        As long as the rows that they are multiplied with: twice as fast as one weight a row.
    """

    source: NDArray[np.intp]
    weight: Map
    wide: Wide


def _interpolate(values: Map, taps: Sequence[_Tap], out: Map) -> Map:
    """Interpolate rows (n, m) to ``out`` (224, m).

    torch adds up in float32, with a fused multiply-add for every product but the first. In float64
    the product of two float32 is exact, so that the sum, rounded to float32, is the fused one.
    """
    single = np.ascontiguousarray(values)
    doubled = single.astype(np.float64)
    product, total = _scratch.like(out.shape)
    first, *others = taps
    np.take(single, first.source, axis=0, out=out, mode="clip")
    out *= first.weight
    for tap in others:
        np.take(doubled, tap.source, axis=0, out=product, mode="clip")
        product *= tap.wide[:, : out.shape[1]] if out.shape[1] <= GRID else tap.wide[:, :1]
        total[...] = out
        product += total
        out[...] = product
    return out


@lru_cache(maxsize=16)
def _taps(rule: Resize, size: int) -> tuple[_Tap, ...]:
    """Return the source pixels of each pixel of the grid, in torch's order of addition.

    Weights in float32 and by torch's operations.
    """
    one, half = np.float32(1), np.float32(0.5)
    pixels = np.arange(GRID, dtype=np.float32)
    if rule is Resize.TORCH_BICUBIC:
        place = _fused(np.float32(size) / np.float32(GRID), pixels + half, -half)
    else:
        place = np.float32(size - 1) / np.float32(GRID - 1) * pixels
    first = np.minimum(np.floor(place).astype(np.intp), size - 1)
    after = np.clip(place - first.astype(np.float32), 0, 1)
    before = one - after
    if rule is Resize.TORCH_BILINEAR_CORNERS:
        weights = {1: after, 0: before}
    else:
        weights = {
            0: _near(after),
            -1: _far(after + one),
            1: _near(before),
            2: _far(before + one),
        }
    return tuple(
        _Tap(
            np.clip(first + step, 0, size - 1),
            weight[:, None],
            np.repeat(weight[:, None].astype(np.float64), GRID, axis=1),
        )
        for step, weight in weights.items()
    )


# Keys' cubic kernel with a = -0.75, as torch and OpenCV have it, within a pixel and beyond.
_A = np.float32(-0.75)


def _near(distance: Map) -> Map:
    steep = _fused(_A + np.float32(2), distance, -(_A + np.float32(3)))
    return steep * distance * distance + np.float32(1)


def _far(distance: Map) -> Map:
    steep = _fused(_A, distance, np.float32(-5) * _A)
    return _fused(steep, distance, np.float32(8) * _A) * distance - np.float32(4) * _A


def _fused(a: Any, b: Any, c: Any) -> Map:
    """Return a * b + c of float32, rounded once."""
    exact = np.asarray(a, dtype=np.float64) * b + c
    return exact.astype(np.float32)
