"""Localisation maps and boxes for tests: made of seeded noise, of every kind that matters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vggss_tools.annotate.vggss_json import Entry
from vggss_tools.evaluate.masks import GRID, box_mask

Map = NDArray[np.float32]

CLASSES = ("church bell ringing", "playing cello", "owl hooting")

# 14 x 14 and 7 x 7 are the field's networks' own; ties, plateaus and constants are where
# threshold rules part company.
KINDS = (
    "noise",
    "near truth",
    "coarse near truth",
    "tied at minimum",
    "tied at maximum",
    "constant above zero",
    "constant below zero",
    "binary truth",
    "full size",
    "oblong and signed",
)


def make_map(index: int, boxes: Sequence[Sequence[float]], seed: int = 0) -> Map:
    """Return the raw map of clip ``index``; its kind is ``KINDS[index % 10]``."""
    rng = np.random.default_rng([seed, index])
    kind = KINDS[index % len(KINDS)]
    truth = box_mask(boxes).astype(np.float64)
    coarse = truth.reshape(14, 16, 14, 16).mean(axis=(1, 3))
    noise = rng.random((14, 14))
    value: NDArray[np.float64]
    if kind == "noise":
        value = noise
    elif kind == "near truth":
        value = coarse + noise
    elif kind == "coarse near truth":
        value = coarse.reshape(7, 2, 7, 2).mean(axis=(1, 3)) + 0.5 * rng.random((7, 7))
    elif kind == "tied at minimum":
        value = np.maximum(coarse + noise - 0.9, 0)
    elif kind == "tied at maximum":
        value = np.minimum(coarse + noise, 0.4)
    elif kind == "constant above zero":
        value = np.full((14, 14), rng.integers(0, 3) / 2)
    elif kind == "constant below zero":
        value = np.full((14, 14), -0.25 - rng.random())
    elif kind == "binary truth":
        value = truth
    elif kind == "full size":
        value = rng.random((GRID, GRID))
    else:
        value = 10 * (rng.random((9, 17)) - 0.5)
    return value.astype(np.float32)


def make_boxes(index: int, seed: int = 0) -> tuple[tuple[float, float, float, float], ...]:
    """Return one to three boxes of clip ``index`` on a 320-pixel raster; every 20th is broken."""
    rng = np.random.default_rng([seed, index, 1])
    boxes = []
    for _ in range(1 + int(rng.integers(3)) * (index % 4 == 0)):
        x0, y0 = rng.integers(0, 280, 2)
        x1, y1 = rng.integers(x0 + 1, 321), rng.integers(y0 + 1, 321)
        boxes.append((float(x0) / 320, float(y0) / 320, float(x1) / 320, float(y1) / 320))
    if index % 20 == 19:  # as in the published file: no height, or the smallest int64 / 320
        x0, y0, x1, _ = boxes[0]
        boxes[0] = (x0, y0, x1, y0 if index % 40 == 19 else -(2.0**63) / 320)
    return tuple(boxes)


def make_entries(count: int, seed: int = 0) -> list[Entry]:
    """Return annotations of ``count`` clips, with boxes on a 320-pixel raster."""
    return [
        Entry(f"clip{seed}-{i:04d}_000030", CLASSES[i % len(CLASSES)], make_boxes(i, seed))
        for i in range(count)
    ]
