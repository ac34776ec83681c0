"""Extended test sets: AP, F1 and LocAcc over pictures with and without a sounding object.

Positives have boxes; negatives are pictures with a sound that is not in them. A model answers each
with a map and one number, its confidence that something in the picture sounds. An answer counts as
given where the confidence reaches a threshold:

- right: a positive, answered, with ``cIoU >= 0.5``;
- wrong: a positive, answered in the wrong place, or a negative, answered;
- missed: a positive without an answer.

Precision is right / (right + wrong); recall, as its authors define it, right / (right + missed).
So a positive that is answered in the wrong place counts against precision only, and recall always
ends at 1. Either is 1 where it would be 0/0.

Two versions stand side by side. ``ap`` and ``max_f1`` are those of the released evaluator: not more
than some 200 thresholds for AP (the sorted confidences without the largest, every
``max(1, N // 200)``-th from the top), each step of recall multiplied by the best precision from the
step's beginning on, and the part before the first threshold left out; and eleven thresholds or so
for F1 (every ``max(1, N // 10)``-th from the bottom). ``ap_exact`` takes every confidence as a
threshold, begins at recall 0, and multiplies a step of recall by the best precision from its end
on. ``ap_found`` is the same with the recall of object detection, right / all positives, under
which a wrong place is a miss as well.

Only the order of the confidences counts. Equal ones are answered together, whatever their order.

References
----------
S. Mo and P. Morgado, *A Closer Look at Weakly-Supervised Audio-Visual Source Localization*,
NeurIPS 2022; stoneMo/SLAVC, ``utils.py``, ``EvaluatorFull``.
"""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vggss_tools.evaluate.metrics import SUCCESS_THRESHOLD

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

AP_STEPS = 200
F1_STEPS = 10


class DetectionScores(TypedDict):
    """Scores over positives and negatives, 0..1.

    ``ap``, ``max_f1``: as the released evaluator computes them. ``ap_exact``: at every threshold.
    ``ap_found``: at every threshold, with recall over all positives. ``loc_acc``: share of
    positives with ``cIoU >= 0.5``; None without positives. ``precision_all``: right answers among
    all samples, if all are answered.
    """

    ap: float
    max_f1: float
    loc_acc: float | None
    ap_exact: float
    ap_found: float
    precision_all: float
    n_positive: int
    n_negative: int


class ExtendedScores(DetectionScores):
    """The same, and ``clean``: without negatives whose picture and sound are of one class.

    ``n_same_class`` is their number; ``clean`` is None where it is not known which they are.
    """

    n_same_class: int | None
    clean: DetectionScores | None


def extended_scores(
    cious: ArrayLike,
    negative: ArrayLike,
    confidence: ArrayLike,
    same_class: ArrayLike | None = None,
) -> ExtendedScores:
    """Score positives and negatives by cIoU and confidence.

    Parameters
    ----------
    cious : float array (N,)
        cIoU of each sample, 0..1. Those of negatives are not looked at.
    negative : bool array (N,)
        Whether nothing in the picture sounds.
    confidence : float array (N,)
        Larger where the model is surer that something does; any scale.
    same_class : bool array (N,), optional
        Negatives whose picture and sound are of one class, and so perhaps none.

    Raises
    ------
    ValueError
        If lengths differ, nothing is given, a confidence or a positive's cIoU is NaN, or a sample
        of ``same_class`` is not a negative.
    """
    values = np.asarray(cious, dtype=np.float64).reshape(-1)
    sure = np.asarray(confidence, dtype=np.float64).reshape(-1)
    silent = _mask(negative, "negative")
    doubtful = None if same_class is None else _mask(same_class, "same_class")
    if not len(values) == len(sure) == len(silent) or (
        doubtful is not None and len(doubtful) != len(silent)
    ):
        raise ValueError("cious, negative, confidence and same_class have different lengths")
    if not values.size:
        raise ValueError("no samples to score")
    if np.isnan(sure).any():
        raise ValueError("a confidence is NaN, which has no rank")
    if np.isnan(values[~silent]).any():
        raise ValueError("a cIoU is NaN; one that is 0/0 counts as 0")
    right = ~silent & (values >= SUCCESS_THRESHOLD)
    scores = _detection_scores(right, silent, sure)
    if doubtful is None:
        return ExtendedScores(**scores, n_same_class=None, clean=None)
    if (doubtful & ~silent).any():
        raise ValueError("same_class marks a sample that is not a negative")
    kept = ~doubtful
    clean = _detection_scores(right[kept], silent[kept], sure[kept]) if kept.any() else None
    return ExtendedScores(**scores, n_same_class=int(doubtful.sum()), clean=clean)


def map_confidence(resized: NDArray[Any]) -> float:
    """Return the mean of a map's top quarter, a confidence where a model gives none.

    Parameters
    ----------
    resized : float array (224, 224)
        The map on the model's own scale. After a min-max per map confidences would not compare.

    The published code takes the same quarter, ``sort(map)[-n // 4:]``, of the map after a fixed
    linear scaling, which changes no order. Its sum is in float32; here it is in float64.
    """
    flat = np.asarray(resized).reshape(-1)
    top = -(-flat.size // 4)  # as -n // 4 rounds: 12,544 of 50,176
    if not top:
        raise ValueError("an empty map has no confidence")
    first = flat.size - top
    return float(np.partition(flat, first)[first:].mean(dtype=np.float64))


def _detection_scores(right: Mask, negative: Mask, confidence: Floats) -> DetectionScores:
    curves = _Curves(right, negative, confidence)
    ordered = np.sort(confidence)
    n, positives = len(ordered), int(np.count_nonzero(~negative))

    few = ordered[:-1][:: -max(1, n // AP_STEPS)]
    precision, recall, _ = curves.at(few)
    ap = float(np.sum(_best_from_here(precision)[:-1] * np.diff(recall)))

    precision, recall, _ = curves.at(ordered[:: max(1, n // F1_STEPS)])
    both = precision + recall
    f1 = np.divide(2 * recall * precision, both, out=np.zeros_like(both), where=both > 0)

    precision, recall, found = curves.at(np.unique(ordered)[::-1])
    steps = _best_from_here(precision)
    return DetectionScores(
        ap=ap,
        max_f1=float(f1.max()),
        loc_acc=float(right.sum() / positives) if positives else None,
        ap_exact=float(np.sum(steps * np.diff(recall, prepend=0.0))),
        ap_found=float(np.sum(steps * np.diff(found, prepend=0.0))),
        precision_all=float(right.sum() / n),
        n_positive=positives,
        n_negative=n - positives,
    )


class _Curves:
    """Precision and recall at any thresholds, by counting in sorted confidences."""

    def __init__(self, right: Mask, negative: Mask, confidence: Floats) -> None:
        self.right = np.sort(confidence[right])
        self.positive = np.sort(confidence[~negative])
        self.all = np.sort(confidence)

    def at(self, thresholds: Floats) -> tuple[Floats, Floats, Floats]:
        """Return precision, recall of the released code, and share of positives found."""
        right = _at_least(self.right, thresholds)
        answered = _at_least(self.all, thresholds)
        missed = len(self.positive) - _at_least(self.positive, thresholds)
        found = right / len(self.positive) if len(self.positive) else np.zeros_like(right)
        return _ratio(right, answered), _ratio(right, right + missed), found


def _at_least(ordered: Floats, thresholds: Floats) -> Floats:
    below = np.searchsorted(ordered, thresholds, side="left")
    return (len(ordered) - below).astype(np.float64)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.ones_like(part), where=whole > 0)


def _best_from_here(precision: Floats) -> Floats:
    """Return for each threshold the best precision at it or at any lower one."""
    return np.maximum.accumulate(precision[::-1])[::-1]


def _mask(flags: ArrayLike, name: str) -> Mask:
    mask = np.asarray(flags).reshape(-1)
    if mask.dtype != np.bool_:
        raise ValueError(f"{name} is {mask.dtype}; it is bool")
    return mask
