"""Scores of parts of a test set: by class, by the truth's area, by the number of boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vggss_tools.evaluate.results import GroupScore

# Upper ends of the area buckets in pixels of the 224 x 224 grid, as SLAVC has them.
AREA_BUCKETS = {"small": 32**2, "medium": 96**2, "large": 144**2, "huge": 224**2 + 1}


def area_bucket(area: int) -> str:
    """Return the bucket of a truth of so many pixels."""
    return next(name for name, end in AREA_BUCKETS.items() if area < end)


def break_down(
    keys: Sequence[str], cious: NDArray[np.float64], success: NDArray[np.bool_]
) -> dict[str, GroupScore]:
    """Return number, success rate and mean cIoU of the clips of each key, keys in their order.

    Parameters
    ----------
    keys : one a clip; an empty one is left out
    cious : float64 array (N,)
    success : bool array (N,), whether the clip passes 0.5
    """
    names, where = np.unique(np.asarray(keys, dtype=np.str_), return_inverse=True)
    n = np.bincount(where, minlength=len(names))
    passed = np.bincount(where, weights=success, minlength=len(names))
    total = np.bincount(where, weights=cious, minlength=len(names))
    return {
        name: {
            "n": int(n[k]),
            "ciou": float(passed[k] / n[k]),
            "mean_ciou": float(total[k] / n[k]),
        }
        for k, name in enumerate(names.tolist())
        if name
    }


def in_order(scores: dict[str, GroupScore], order: Sequence[str]) -> dict[str, GroupScore]:
    """Return the groups in a given order; those that are not there are left out."""
    return {name: scores[name] for name in order if name in scores}
