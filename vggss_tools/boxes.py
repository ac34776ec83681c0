"""Boxes: fractions of the whole frame, 0..1, x to the right and y down.

Pixels, ``xywh`` and percentages exist only inside the importer or exporter that needs them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """A box with a positive area inside the frame.

    Raises
    ------
    ValueError
        Unless all four are finite and ``0 <= min < max <= 1`` on both axes.
    """

    xmin: float
    ymin: float
    xmax: float
    ymax: float

    def __post_init__(self) -> None:
        values = (self.xmin, self.ymin, self.xmax, self.ymax)
        if not all(math.isfinite(value) for value in values):
            raise ValueError(f"box {list(values)} has a coordinate that is not finite")
        if min(values) < 0 or max(values) > 1:
            raise ValueError(f"box {list(values)} leaves the frame (fractions 0..1)")
        if self.xmin >= self.xmax or self.ymin >= self.ymax:
            raise ValueError(f"box {list(values)} has no area")

    @classmethod
    def from_sequence(cls, values: Sequence[Any]) -> Box:
        """Make a box of ``[xmin, ymin, xmax, ymax]``; ``ValueError`` on anything else."""
        if isinstance(values, str) or len(values) != 4:
            raise ValueError(f"a box is four numbers, not {values!r}")
        if any(isinstance(value, (bool, str)) or value is None for value in values):
            raise ValueError(f"a box is four numbers, not {values!r}")
        return cls(*(float(value) for value in values))

    @classmethod
    def from_pixels(
        cls, x0: float, y0: float, x1: float, y1: float, width: int, height: int
    ) -> Box:
        """Make a box of pixel edges (0 = left or top edge, ``width``/``height`` the far edge).

        Edges outside of the frame are brought back to it.
        """
        return cls(
            min(max(x0 / width, 0.0), 1.0),
            min(max(y0 / height, 0.0), 1.0),
            min(max(x1 / width, 0.0), 1.0),
            min(max(y1 / height, 0.0), 1.0),
        )

    @property
    def area(self) -> float:
        """Share of the frame that the box covers."""
        return (self.xmax - self.xmin) * (self.ymax - self.ymin)

    @property
    def center(self) -> tuple[float, float]:
        """Centre as ``(x, y)``."""
        return (self.xmin + self.xmax) / 2, (self.ymin + self.ymax) / 2

    def as_list(self) -> list[float]:
        """``[xmin, ymin, xmax, ymax]``."""
        return [self.xmin, self.ymin, self.xmax, self.ymax]

    def contains(self, x: float, y: float) -> bool:
        """Whether the point lies in the box; the left and top edges belong to it."""
        return self.xmin <= x < self.xmax and self.ymin <= y < self.ymax


def intersection(a: Box, b: Box) -> float:
    """Area that two boxes share, as a share of the frame."""
    width = min(a.xmax, b.xmax) - max(a.xmin, b.xmin)
    height = min(a.ymax, b.ymax) - max(a.ymin, b.ymin)
    return max(width, 0.0) * max(height, 0.0)


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    shared = intersection(a, b)
    return shared / (a.area + b.area - shared)


def iou_matrix(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union of every pair.

    Parameters
    ----------
    a, b : arrays of shape (n, 4) and (m, 4)
        Rows ``xmin, ymin, xmax, ymax`` in one unit.

    Returns
    -------
    float64 array of shape (n, m); 0 where both areas are 0.
    """
    import numpy as np

    a = np.asarray(a, dtype=np.float64).reshape(-1, 4)
    b = np.asarray(b, dtype=np.float64).reshape(-1, 4)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    area_a = (a[:, 2:] - a[:, :2]).prod(axis=1)
    area_b = (b[:, 2:] - b[:, :2]).prod(axis=1)
    union = area_a[:, None] + area_b[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def match_boxes(
    predicted: Sequence[Box], truth: Sequence[Box], threshold: float = 0.5
) -> list[tuple[int, int, float]]:
    """Pair boxes one to one, the highest overlap first.

    Returns
    -------
    list of ``(index in predicted, index in truth, iou)`` with ``iou >= threshold``.
    """
    pairs = sorted(
        ((iou(p, t), i, j) for i, p in enumerate(predicted) for j, t in enumerate(truth)),
        key=lambda pair: (-pair[0], pair[1], pair[2]),
    )
    matches: list[tuple[int, int, float]] = []
    used_predicted: set[int] = set()
    used_truth: set[int] = set()
    for overlap, i, j in pairs:
        if overlap < threshold:
            break
        if i not in used_predicted and j not in used_truth:
            used_predicted.add(i)
            used_truth.add(j)
            matches.append((i, j, overlap))
    return matches


def union_area(boxes: Sequence[Box]) -> float:
    """Area of the union, exactly (by the grid that the boxes' edges make)."""
    xs = sorted({x for box in boxes for x in (box.xmin, box.xmax)})
    ys = sorted({y for box in boxes for y in (box.ymin, box.ymax)})
    total = 0.0
    for x0, x1 in itertools.pairwise(xs):
        for y0, y1 in itertools.pairwise(ys):
            x, y = (x0 + x1) / 2, (y0 + y1) / 2
            if any(box.contains(x, y) for box in boxes):
                total += (x1 - x0) * (y1 - y0)
    return total
