r"""Consensus IoU, success rate and area under the success curve, on arrays.

NumPy and nothing else: import this from a training loop in any framework.

Conventions
-----------
*Pixel grid.* Maps and masks are arrays (..., H, W), row 0 = top, column 0 = left. The benchmarks
use 224 x 224; nothing here depends on it.

*Prediction.* A map is any array of finite floats, larger where the sound is. A threshold rule
turns it into a **predicted mask** (bool).

*Truth.* A mask (bool), or a weighted mask with values 0..1 (the consensus of several annotators:
``min(sum_j b_j / C, 1)``).

*Threshold rule.* :func:`above` keeps what is above a fixed value, :func:`above_rank` what is above
an order statistic of the map itself (the median, in the field's usual code).

*Tie rule.* Thresholds are strict (``>``): a pixel that ties with the threshold is not predicted.
Where the released code differs, the function says so.

*Empty truth.* The cIoU of a clip without a truth pixel is 0, whatever is predicted. (The formula
gives 0 if anything is predicted and 0/0 if nothing is.) Two clips of VGG-SS are of this kind.

*Constant maps.* Min-max normalisation of a constant map is 0/0; :func:`min_max` returns zeros, so
that a map without contrast predicts nothing.

Metrics
-------
* :func:`ciou`: consensus intersection over union of one predicted mask and its truth.
* :func:`success_rate`: share of clips whose cIoU passes 0.5. The field prints it as "cIoU".
* :func:`success_curve`: the same share at 0, 0.05, ... 1.
* :func:`area_under_curve`: the trapezoid under that curve, "AUC".

References
----------
H. Chen et al., *Localizing Visual Sounds the Hard Way*, CVPR 2021, Appendix A and Algorithm 1.

Examples
--------
>>> import numpy as np
>>> truth = np.zeros((1, 4, 4), dtype=bool)
>>> truth[0, :2] = True
>>> loudness = np.linspace(1.0, 0.0, 16).reshape(1, 4, 4)
>>> scores = evaluate(truth, above(min_max(loudness), 0.5))
>>> scores["ciou"], scores["mean_ciou"], round(scores["auc"], 3)
(1.0, 1.0, 0.975)
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SUCCESS_THRESHOLD = 0.5
# `0.05 * i`, not `i / 20`: 0.05 * 3 is 0.15000000000000002, and a cIoU of 0.15 must fall on the
# same side as in the code that the published numbers come from.
CURVE_THRESHOLDS: Floats = np.array([0.05 * i for i in range(21)])


def validate(truth: ArrayLike, predicted: ArrayLike) -> None:
    """Check that truth and prediction are comparable masks.

    Raises
    ------
    ValueError
        If the shapes differ or have fewer than two axes, if ``predicted`` is not bool, or if a
        weighted truth leaves 0..1.

    Warns
    -----
    UserWarning
        If a truth mask is empty: its cIoU is 0 by rule.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    if truth.ndim < 2 or truth.shape != predicted.shape:
        raise ValueError(
            f"truth has shape {truth.shape} and predicted {predicted.shape}; both are (..., H, W)"
        )
    if predicted.dtype != np.bool_:
        raise ValueError(f"predicted is {predicted.dtype}; apply a threshold rule first")
    if truth.dtype != np.bool_ and not ((truth >= 0) & (truth <= 1)).all():
        raise ValueError("truth has weights outside of 0..1")
    if truth.size and not truth.any(axis=(-2, -1)).all():
        warnings.warn("a truth mask is empty; its cIoU is 0 by rule", stacklevel=3)


# ----------------------------------------------------------------------------- normalisation


def min_max(maps: ArrayLike) -> NDArray[Any]:
    """Bring each map (..., H, W) to 0..1; a constant map becomes zeros.

    Keeps float32 and float64; all else becomes float64.
    """
    values = _floating(maps)
    low = values.min(axis=(-2, -1), keepdims=True)
    spread = values.max(axis=(-2, -1), keepdims=True) - low
    # In place: fresh pages for each step would cost ten times the arithmetic.
    scaled = values - low
    scaled /= np.where(spread > 0, spread, 1)
    return scaled


def min_max_released(maps: ArrayLike) -> NDArray[Any]:
    """Bring each map (..., H, W) to 0..1 as the released code of LVS does, rounding included.

    That code takes ``1 - minmax(-map)``, and leaves a constant map as it is: the constant ``c``
    becomes ``1 + c``. (Source: hche11/Localizing-Visual-Sounds-the-Hard-Way, ``test.py`` and
    ``normalize_img``.)
    """
    values = _floating(maps)
    high = values.max(axis=(-2, -1), keepdims=True)
    spread = high - values.min(axis=(-2, -1), keepdims=True)
    # (-v) - min(-v) is max(v) - v, to the last bit.
    constant = spread <= 0
    scaled = high - values
    scaled /= np.where(constant, 1, spread)
    np.subtract(1, scaled, out=scaled)
    return np.where(constant, 1 + values, scaled) if constant.any() else scaled


# ---------------------------------------------------------------------------- threshold rules


def above(maps: ArrayLike, threshold: float = 0.5) -> Mask:
    """Predict the pixels with ``value > threshold``."""
    return np.asarray(maps) > threshold


def above_rank(maps: ArrayLike, rank: int) -> Mask:
    """Predict the pixels above the map's own ``rank``-th smallest value (0-based).

    With ``rank = H * W // 2``, 25,088 of 50,176 at 224 x 224, this is the "median" rule: at most
    half of the pixels less one are predicted, fewer where values tie with the threshold.

    Raises
    ------
    ValueError
        If ``rank`` is not a pixel's.
    """
    values = np.asarray(maps)
    pixels = values.shape[-2] * values.shape[-1]
    if not 0 <= rank < pixels:
        raise ValueError(f"rank {rank} of {pixels} pixels")
    return values > order_statistic(values, rank)[..., None, None]


def order_statistic(maps: NDArray[Any], rank: int) -> NDArray[Any]:
    """Return the ``rank``-th smallest value (0-based) of each map (..., H, W)."""
    flat = maps.reshape(*maps.shape[:-2], -1).copy()
    flat.partition(rank, axis=-1)
    return np.asarray(flat[..., rank])


# ------------------------------------------------------------------------------------ metrics


def ciou(truth: ArrayLike, predicted: ArrayLike) -> Floats:
    """Consensus intersection over union of each mask.

    ``sum of g over A / (sum of g + number of pixels of A outside of G)``, with ``g`` the truth,
    ``A`` the predicted pixels and ``G`` those with ``g > 0``. For a truth of zeros and ones it is
    the ordinary intersection over union.

    Parameters
    ----------
    truth : bool or weights 0..1, shape (..., H, W)
    predicted : bool, the same shape

    Returns
    -------
    float64 array of shape (...), 0..1; 0 where the truth is empty.
    """
    truth, predicted = np.asarray(truth), np.asarray(predicted, dtype=np.bool_)
    inside = truth > 0 if truth.dtype != np.bool_ else truth
    hit_pixels = count_pixels(inside & predicted)
    false = count_pixels(predicted) - hit_pixels
    if truth.dtype == np.bool_:
        return ciou_of_counts(hit_pixels, count_pixels(truth), false)
    hit = np.sum(truth, axis=(-2, -1), where=predicted, dtype=np.float64)
    total = np.sum(truth, axis=(-2, -1), dtype=np.float64)
    return ciou_of_counts(hit, total, false)


def count_pixels(masks: Mask) -> NDArray[np.int64]:
    """Return the number of true pixels of each mask (..., H, W)."""
    if masks.ndim == 2:  # without an axis NumPy counts ten times as fast
        return np.asarray(np.count_nonzero(masks))
    return np.asarray(np.count_nonzero(masks, axis=(-2, -1)))


def peak_inside(values: ArrayLike, mask: ArrayLike) -> bool:
    """Whether the maximum of one map (H, W) lies in a mask (H, W).

    Several pixels may attain the maximum; more than half of them have to lie in the mask. The
    maximum of a constant map lies nowhere.
    """
    values, mask = np.asarray(values), np.asarray(mask, dtype=np.bool_)
    peak = values == values.max()
    pixels = np.count_nonzero(peak)
    return bool(pixels < values.size and 2 * np.count_nonzero(peak & mask) > pixels)


def tied_at_minimum(values: ArrayLike) -> bool:
    """Whether more than half of the pixels of one map (H, W) share its minimum.

    Such a map escapes the median rule: its predicted pixels are fewer than half of the frame.
    """
    values = np.asarray(values)
    return bool(2 * np.count_nonzero(values == values.min()) > values.size)


def ciou_of_counts(hit: ArrayLike, total: ArrayLike, false: ArrayLike) -> Floats:
    """Return cIoU from truth that is hit, all truth, and pixels predicted outside of it."""
    hit, total = np.asarray(hit, dtype=np.float64), np.asarray(total, dtype=np.float64)
    return np.divide(hit, total + false, out=np.zeros_like(hit), where=total > 0)


def success_rate(
    cious: ArrayLike, threshold: float = SUCCESS_THRESHOLD, strict: bool = True
) -> float:
    """Share of clips with a cIoU above ``threshold`` (at or above it unless ``strict``)."""
    values = _cious(cious)
    return float(np.mean(values > threshold if strict else values >= threshold))


def success_curve(cious: ArrayLike, strict: bool = True) -> Floats:
    """Share of clips that succeed at each of :data:`CURVE_THRESHOLDS`; shape (21,)."""
    ordered = np.sort(_cious(cious))
    below = np.searchsorted(ordered, CURVE_THRESHOLDS, side="right" if strict else "left")
    return (len(ordered) - below) / len(ordered)


def area_under_curve(curve: ArrayLike) -> float:
    """Area under a success curve by the trapezoid rule, 0..1.

    With strict thresholds (Algorithm 1 of the paper) no clip succeeds at 1, and the area is at
    most 0.975. With ``>=`` every clip succeeds at 0, and it is at least 0.025.
    """
    return float(np.trapezoid(np.asarray(curve, dtype=np.float64), CURVE_THRESHOLDS))


def curve_areas(cious: ArrayLike, strict: bool = True) -> Floats:
    """Area under the success curve of each clip alone; their mean is the area of all."""
    values = _cious(cious)[:, None]
    passed = values > CURVE_THRESHOLDS if strict else values >= CURVE_THRESHOLDS
    return np.trapezoid(passed.astype(np.float64), CURVE_THRESHOLDS, axis=1)


def evaluate(truth: ArrayLike, predicted: ArrayLike, strict: bool = True) -> dict[str, float]:
    """Compute all metrics of this module.

    Parameters
    ----------
    truth : bool or weights, shape (N, H, W)
    predicted : bool, the same shape
    strict : whether a cIoU equal to a threshold fails (the paper) or passes (the released code)

    Returns
    -------
    dict with ``ciou`` (success rate at 0.5), ``auc`` and ``mean_ciou``.

    Raises
    ------
    ValueError
        As :func:`validate`, or without a single mask.
    """
    validate(truth, predicted)
    cious = ciou(truth, predicted)
    return {
        "ciou": success_rate(cious, strict=strict),
        "auc": area_under_curve(success_curve(cious, strict=strict)),
        "mean_ciou": float(np.mean(cious)),
    }


def _cious(cious: ArrayLike) -> Floats:
    values = np.asarray(cious, dtype=np.float64).reshape(-1)
    if not values.size:
        raise ValueError("no cIoU to summarise")
    return values


def _floating(maps: ArrayLike) -> NDArray[Any]:
    values = np.asarray(maps)
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
