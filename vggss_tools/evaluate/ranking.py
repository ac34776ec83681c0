r"""Ranking measures: how well a map orders the pixels of the truth before all others.

No threshold is chosen, and no normalisation: only the order of the values counts. NumPy only.

Conventions
-----------
*Map and truth.* Arrays (H, W) of one shape: numbers, larger where the sound is, and bool. For a
truth of several annotators decide first what is positive (``weights > 0``, say).

*Ties are punished.* A truth pixel that ties with pixels outside of the truth ranks behind all of
them. A map that says the same everywhere in the frame, or everywhere outside of a few pixels, gains
nothing by it: parting tied pixels in any order never lowers a score. Truth pixels that tie with
each other rank one after the other.

*Empty truth, full truth.* Without a truth pixel all scores are 0; where the truth is the whole
frame they are 1.

*Not a number.* A map with NaN has no order and is refused (``ValueError``). Infinities rank first
and last.

Measures
--------
* :func:`average_precision`: mean over the truth pixels of the precision down to that pixel.
* :func:`best_f1`, :func:`best_iou`: the best of all sets ``{value >= t}``. F1 = 2 IoU / (1 + IoU),
  so that one set is the best for both. The threshold is chosen knowing the truth: an upper bound
  on what a threshold could do, not a score that a user of the model would see.
* :func:`rank_scores`: the three at once, for the price of one.
* :func:`chance_ap`: the average precision of a random order.

References
----------
Average precision as the mean of the precision at each positive, not interpolated, as in
information retrieval. Without ties it is ``sklearn.metrics.average_precision_score``; that one
takes tied pixels as one step, and so gives a constant map the truth's area.

Examples
--------
>>> import numpy as np
>>> truth = np.array([[True, True, False, False]])
>>> average_precision(np.array([[4.0, 2.0, 3.0, 1.0]]), truth)  # (1/1 + 2/3) / 2
0.8333333333333333
>>> average_precision(np.array([[1.0, 1.0, 1.0, 1.0]]), truth)  # (1/3 + 2/4) / 2
0.41666666666666663
>>> best_iou(np.array([[4.0, 2.0, 3.0, 1.0]]), truth)
(0.6666666666666666, 2.0)
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

PIXELS = 224 * 224  # of the field's maps

Floats = NDArray[np.float64]


class RankScores(NamedTuple):
    """How well one map ranks, 0..1 each.

    Attributes
    ----------
    ap : float
        Average precision.
    best_f1, best_iou : float
        Of the best set ``{value >= threshold}``.
    threshold : float
        Where that set begins; the highest one where several are best, ``inf`` for an empty truth.
    """

    ap: float
    best_f1: float
    best_iou: float
    threshold: float


def rank_scores(values: ArrayLike, truth: ArrayLike) -> RankScores:
    """Compute all measures of one map.

    Parameters
    ----------
    values : numbers, shape (H, W)
        float32 and float64 are taken as they are, all else as float64.
    truth : bool, the same shape

    Raises
    ------
    ValueError
        If the shapes differ, ``truth`` is not bool, or a value is NaN.
    """
    positive, hits, false = _ranked(values, truth)
    if not positive.size:
        return RankScores(0.0, 0.0, 0.0, math.inf)
    # Of tied truth pixels only the last closes a set {value >= t}; at the others the IoU is lower.
    iou = hits / (positive.size + false)
    best = int(np.argmax(iou))  # the first: the highest threshold
    best_iou = float(iou[best])
    return RankScores(
        ap=float(np.mean(hits / (hits + false))),
        best_f1=2 * best_iou / (1 + best_iou),
        best_iou=best_iou,
        threshold=float(positive[best]),
    )


def average_precision(values: ArrayLike, truth: ArrayLike) -> float:
    """Average precision of one map: mean over truth pixels of the precision down to them.

    For the truth pixels in falling order it is the mean of ``j / (j + n_j)``, with ``n_j`` the
    number of pixels outside of the truth that are at least as high as the ``j``-th. Parameters and
    errors as :func:`rank_scores`.
    """
    return rank_scores(values, truth).ap


def best_f1(values: ArrayLike, truth: ArrayLike) -> tuple[float, float]:
    """Return the best F1 of all sets ``{value >= t}``, and its threshold.

    Parameters and errors as :func:`rank_scores`.
    """
    scores = rank_scores(values, truth)
    return scores.best_f1, scores.threshold


def best_iou(values: ArrayLike, truth: ArrayLike) -> tuple[float, float]:
    """Return the best intersection over union of all sets ``{value >= t}``, and its threshold.

    Parameters and errors as :func:`rank_scores`.
    """
    scores = rank_scores(values, truth)
    return scores.best_iou, scores.threshold


def chance_ap(area_fraction: ArrayLike, pixels: int = PIXELS) -> Floats:
    """Average precision that a random order of the pixels scores in expectation.

    Nearly the area itself: with ``P = area * N`` of ``N`` pixels it is
    ``(H_N + (N - H_N) (P - 1) / (N - 1)) / N``, where ``H_N`` is the N-th harmonic number.

    Parameters
    ----------
    area_fraction : number or array
        Share of the frame that the truth covers, 0..1.
    pixels : int
        N, at least 2.

    Returns
    -------
    float64 array of the same shape; 0 for an empty truth.

    Raises
    ------
    ValueError
        If a share leaves 0..1.
    """
    area = np.asarray(area_fraction, dtype=np.float64)
    if not ((area >= 0) & (area <= 1)).all():
        raise ValueError("area_fraction is a share of the frame, 0..1")
    harmonic = _harmonic(pixels)
    # Less than one pixel cannot be a truth; the formula is for one or more.
    positive = np.maximum(area * pixels, 1.0)
    expected = (harmonic + (pixels - harmonic) * (positive - 1) / (pixels - 1)) / pixels
    return np.asarray(np.where(area > 0, expected, 0.0))


@cache
def _harmonic(n: int) -> float:
    return float(np.sum(1.0 / np.arange(1, n + 1)))


def _ranked(values: ArrayLike, truth: ArrayLike) -> tuple[NDArray[Any], Floats, Floats]:
    """Return the truth pixels' values in falling order, and for each the two counts down to it.

    The counts are of truth pixels (1, 2, 3, …) and of others that are at least as high.
    """
    mask = np.asarray(truth)
    ranked = np.asarray(values)
    if ranked.dtype not in (np.float32, np.float64):
        ranked = ranked.astype(np.float64)
    if ranked.shape != mask.shape:
        raise ValueError(
            f"values have shape {ranked.shape} and truth {mask.shape}; both are (H, W)"
        )
    if mask.dtype != np.bool_:
        raise ValueError(f"truth is {mask.dtype}; it is bool, decide first what is positive")
    positive, negative = np.sort(ranked[mask]), np.sort(ranked[~mask])
    # NaN sorts last.
    if any(part.size and np.isnan(part[-1]) for part in (positive, negative)):
        raise ValueError("values hold NaN, which has no rank")
    false = negative.size - np.searchsorted(negative, positive, side="left")[::-1]
    return positive[::-1], np.arange(1.0, positive.size + 1), false.astype(np.float64)
