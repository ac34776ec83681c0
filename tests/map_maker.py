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


# Maps as a trained network makes them vary little from pixel to pixel.
SMOOTH_KINDS = ("hill", "blurred truth", "waves", "slope", "hill cut at zero")


def make_smooth_map(index: int, boxes: Sequence[Sequence[float]], seed: int = 0) -> Map:
    """Return a smooth raw map of clip ``index``; its kind is ``SMOOTH_KINDS[index % 5]``."""
    rng = np.random.default_rng([seed, index, 2])
    kind = SMOOTH_KINDS[index % len(SMOOTH_KINDS)]
    side = {"waves": 28, "slope": 7}.get(kind, 14)
    rows, columns = np.indices((side, side)) / side
    y, x, a, b = rng.random(4)
    hill = 1 / (1 + 8 * ((rows - y) ** 2 + (columns - x) ** 2))
    value: NDArray[np.float64]
    if kind == "hill":
        value = hill
    elif kind == "blurred truth":
        value = box_mask(boxes).reshape(14, 16, 14, 16).mean(axis=(1, 3))
        for _ in range(3):
            value = (value + np.roll(value, 1, 0) + np.roll(value, 1, 1)) / 3
        value = value + 0.2 * hill
    elif kind == "waves":
        value = a * _wave(4 * rows + y) + b * _wave(3 * columns + x) + 0.5 * _wave(2 * rows)
    elif kind == "slope":
        value = (a - 0.5) * rows + (b - 0.5) * columns
    else:
        value = np.maximum(hill - 0.6, 0)
    return value.astype(np.float32)


def _wave(phase: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a wave of period 2 between 0 and 1, of sums and products only: the same anywhere."""
    part = phase % 2 - 1
    return (1 - part * part) ** 2


def make_prior(index: int, boxes: Sequence[Sequence[float]], seed: int = 0) -> Map:
    """Return the object prior of clip ``index``: 7 x 7, not negative, as mean activations are."""
    rng = np.random.default_rng([seed, index, 3])
    coarse = box_mask(boxes).reshape(7, 32, 7, 32).mean(axis=(1, 3))
    return (0.8 * coarse + 1.2 * rng.random((7, 7))).astype(np.float32)


def make_votes(index: int, seed: int = 0) -> list[tuple[int, int, int, int]]:
    """Return several people's boxes for photo ``index``, in pixels 1..256, as Flickr-SoundNet."""
    rng = np.random.default_rng([seed, index, 4])
    x, y = (int(v) for v in rng.integers(20, 180, 2))
    votes = []
    for _ in range(int(rng.integers(1, 6))):
        x0, y0 = (max(1, v + int(rng.integers(-19, 20))) for v in (x, y))
        wide, high = (int(v) for v in rng.integers(30, 120, 2))
        votes.append((x0, y0, min(256, x0 + wide), min(256, y0 + high)))
    return votes


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
