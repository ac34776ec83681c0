"""Bringing a raw map to 224 x 224, in each of the ways of the field's evaluators.

OpenCV's own interpolation where a repository calls it. Where it calls torch's, the same arithmetic
in NumPy, to the last bit, so that scoring needs no torch: equal values of a map stay equal or come
apart exactly as they do there, and a threshold that falls among them falls on the same side
(docs/parity.md).
"""

from __future__ import annotations

import threading
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
        across = _interpolate(single.T, *_taps(rule, width), np.empty((GRID, height), np.float32))
        _interpolate(across.T, *_taps(rule, height), resized)
    return resized


class _Scratch(threading.local):
    """Memory that is used again, a piece a thread: fresh pages cost more than the arithmetic."""

    def __init__(self) -> None:
        self.product = np.empty(GRID * GRID, dtype=np.float64)

    def like(self, shape: tuple[int, int]) -> NDArray[np.float64]:
        size = shape[0] * shape[1]
        if self.product.size < size:
            self.product = np.empty(size, dtype=np.float64)
        return self.product[:size].reshape(shape)


_scratch = _Scratch()


def _interpolate(values: Map, sources: NDArray[np.intp], weights: Map, out: Map) -> Map:
    """Interpolate rows (n, m) to ``out`` (224, m).

    torch adds up in float32, with a fused multiply-add for every product but the second tap's,
    which comes first. In float64 the product of two float32 is exact, so that the sum, rounded to
    float32, is the fused one.
    """
    single = np.ascontiguousarray(values)
    wide = single.astype(np.float64)
    np.take(single, sources[1], axis=0, out=out, mode="clip")
    out *= weights[1][:, None]
    product = _scratch.like((GRID, single.shape[1]))
    for tap in (0, *range(2, len(sources))):
        np.take(wide, sources[tap], axis=0, out=product, mode="clip")
        product *= weights[tap][:, None]
        product += out
        out[...] = product
    return out


@lru_cache(maxsize=64)
def _taps(rule: Resize, size: int) -> tuple[NDArray[np.intp], Map]:
    """Return the source pixels of each pixel of the grid and their weights, (2 or 4, 224) each.

    In float32 and in torch's order of operations.
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
        weights = {0: before, 1: after}
    else:
        weights = {
            -1: _far(after + one),
            0: _near(after),
            1: _near(before),
            2: _far(before + one),
        }
    sources = np.stack([np.clip(first + step, 0, size - 1) for step in weights])
    return sources, np.stack(list(weights.values()))


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
