"""Ground-truth masks: the union of an annotation's boxes on the benchmark's pixel grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Every public evaluator of VGG-SS compares masks of 224 x 224 pixels.
GRID = 224

Mask = NDArray[np.bool_]


def pixel_edges(boxes: Sequence[Sequence[float]], size: int = GRID) -> NDArray[np.int64]:
    """Turn boxes in fractions of the frame into half-open pixel ranges.

    As the released evaluators do it: cut to 0..1, times ``size``, the fraction of a pixel dropped
    (``int(224 * x)``). A box that is inverted or has no area, as 18 of the published ones are,
    gives a range that covers no pixel.

    Parameters
    ----------
    boxes : n times ``[xmin, ymin, xmax, ymax]``, fractions of the frame, y down

    Returns
    -------
    int64 array of shape (n, 4): ``xmin, ymin`` inclusive, ``xmax, ymax`` exclusive.
    """
    fractions = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    return (size * np.clip(fractions, 0.0, 1.0)).astype(np.int64)


def mask_of_edges(edges: NDArray[np.int64], size: int = GRID) -> Mask:
    """Return the union of pixel ranges as a bool array (size, size), row 0 = top."""
    mask = np.zeros((size, size), dtype=np.bool_)
    for xmin, ymin, xmax, ymax in edges.tolist():
        mask[ymin:ymax, xmin:xmax] = True
    return mask


def box_mask(boxes: Sequence[Sequence[float]], size: int = GRID) -> Mask:
    """Return the union of boxes (fractions of the frame) as a bool array (size, size)."""
    return mask_of_edges(pixel_edges(boxes, size), size)
