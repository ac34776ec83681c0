"""Protocols: how a map becomes a predicted mask, and what counts as success.

A protocol is a value, not code: a resize rule, a normalisation, a threshold rule and a success
rule, each one of a few named kinds. It never chooses clips. A user's own is a YAML file
(:mod:`~vggss_tools.evaluate.protocol_file`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vggss_tools.evaluate.masks import GRID
from vggss_tools.evaluate.resizing import Resize, resize_map

PIXELS = GRID * GRID  # 50,176
HALF = PIXELS // 2

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]

__all__ = ["DEFAULT_PROTOCOLS", "PROTOCOLS", "Protocol", "Resize", "resize_map"]


class Family(StrEnum):
    """Which scores may stand in one table."""

    MEDIAN = "median"  # half of the frame is predicted
    ADAPTIVE = "adaptive"  # as many pixels as the truth has
    FIXED = "fixed"  # one threshold for every map
    SWEEP = "sweep"  # the best of many thresholds, chosen on the test set
    OWN = "own"  # ours, and users'


# ------------------------------------------------------------------------------ normalisation


class Normalise(StrEnum):
    """How a resized map is scaled; each is monotone, so it keeps the order of the values."""

    NONE = "none"
    # Min-max; a constant map becomes 0, or stays as it is.
    MIN_MAX = "min-max"
    MIN_MAX_KEEP = "min-max, constants kept"
    # 1 - minmax(-map), a constant c becomes 1 + c: as the released code of LVS, rounding included.
    MIN_MAX_RELEASED = "min-max-released"
    # A fixed range: cosine / 0.03 from -1/0.03..1/0.03 to 0..1; and then min-max.
    COSINE = "cosine / 0.03 to 0..1"
    COSINE_MIN_MAX = "cosine / 0.03 to 0..1, min-max"
    # Of an object prior, mean |layer4| of a ResNet-18: 0..2.5 to 0..1.
    ACTIVATION = "activation 0..2.5 to 0..1"
    SIGMOID = "sigmoid"


TAU = 0.03


def _min_max(maps: Map, low: Any, high: Any) -> Map:
    scaled = maps - low
    if high > low:
        scaled /= high - low
    return scaled


def _min_max_keep(maps: Map, low: Any, high: Any) -> Map:
    return maps if high == low else _min_max(maps, low, high)


def _min_max_released(maps: Map, low: Any, high: Any) -> Map:
    # See metrics.min_max_released.
    if high == low:
        return 1 + maps
    scaled = high - maps
    scaled /= high - low
    return np.subtract(1, scaled, out=scaled)


def _cosine(maps: Map, low: Any = None, high: Any = None) -> Map:
    least, most = -1.0 / TAU, 1.0 / TAU
    scaled = maps - least
    scaled /= most - least
    return scaled


def _cosine_min_max(maps: Map, low: Any, high: Any) -> Map:
    # Both steps keep the order: the ends of the range are where they were.
    return _min_max_keep(_cosine(maps), _cosine(low), _cosine(high))


def _sigmoid(maps: Map, low: Any, high: Any) -> Map:
    # In place: fresh pages would cost more than the arithmetic.
    values = np.negative(maps)
    with np.errstate(over="ignore"):
        np.exp(values, out=values)
    values += 1
    return np.divide(1, values, out=values)


# Each takes a map, or some values of it, and the map's minimum and maximum (float32).
_NORMALISERS: dict[Normalise, Callable[[Map, Any, Any], Map]] = {
    Normalise.NONE: lambda maps, low, high: maps,
    Normalise.MIN_MAX: _min_max,
    Normalise.MIN_MAX_KEEP: _min_max_keep,
    Normalise.MIN_MAX_RELEASED: _min_max_released,
    Normalise.COSINE: _cosine,
    Normalise.COSINE_MIN_MAX: _cosine_min_max,
    Normalise.ACTIVATION: lambda maps, low, high: maps / 2.5,
    Normalise.SIGMOID: _sigmoid,
}


def normalise_map(maps: Map, rule: Normalise) -> Map:
    """Scale one map."""
    return RankedMap(maps).normalised(rule).values


# Normalisations that take a map's values for what they are, not for their order or range.
ABSOLUTE = {Normalise.NONE, Normalise.COSINE, Normalise.ACTIVATION, Normalise.SIGMOID}


# All bits of a float but its sign.
_MAGNITUDE = np.int32(0x7FFFFFFF)


def _turn(bits: Any) -> Any:
    """Turn the order of negative floats' bits, so that all are in order; and back again."""
    turned = bits >> 31
    turned &= _MAGNITUDE
    turned ^= bits
    return turned


class RankedMap:
    """A map (224, 224), its range and its order statistics, each found once.

    Values are float32, and finite.
    """

    def __init__(self, values: Map) -> None:
        self._values = np.ascontiguousarray(values, dtype=np.float32)
        self._parted: NDArray[np.int32] | None = None
        self._sorted: Map | None = None
        self._orders: dict[int, Any] = {}

    @property
    def values(self) -> Map:
        """The map."""
        return self._values

    @cached_property
    def _ends(self) -> tuple[Any, Any, tuple[int, int]]:
        low, high, _, place = cv2.minMaxLoc(self._values)  # all in one pass
        return np.float32(low), np.float32(high), place

    @property
    def low(self) -> Any:
        """The minimum."""
        return self._ends[0]

    @property
    def high(self) -> Any:
        """The maximum."""
        return self._ends[1]

    def peak(self) -> tuple[int, int] | Mask:
        """Return the column and row of the maximum; where several pixels attain it, all as a mask.

        A constant map has the mask of the whole frame.
        """
        mask = self.values == self.high
        return self._ends[2] if np.count_nonzero(mask) == 1 else mask

    def normalised(self, rule: Normalise) -> RankedMap:
        """Return the map scaled by a rule; its order statistics are this map's, scaled."""
        return self if rule is Normalise.NONE else _NormalisedMap(self, rule)

    def sort(self) -> None:
        """Prepare for many ranks."""
        self._sorted = np.sort(self.values, axis=None)

    def order(self, rank: int) -> Any:
        """Return the ``rank``-th smallest value, 0-based."""
        if self._sorted is not None:
            return self._sorted[rank]
        if rank not in self._orders:
            self._orders[rank] = self._find(rank)
        return self._orders[rank]

    def _find(self, rank: int) -> Any:
        # Whole numbers in the order of the floats are parted in half of the time.
        if self._parted is None:
            self._parted = self._keys()
            # Most protocols ask for the middle; what is on either side of it is then known.
            self._parted.partition(HALF)
        if rank == HALF:
            return self._float_of(self._parted[HALF])
        if rank == HALF - 1:
            return self._float_of(self._parted[:HALF].max())
        if rank < HALF:
            side, place = self._parted[:HALF], rank
        else:
            side, place = self._parted[HALF + 1 :], rank - HALF - 1
        side.partition(place)
        return self._float_of(side[place])

    def before(self, rank: int) -> Any:
        """Return the value that stands before the ``rank``-th in order, None before the first."""
        return self.order(rank - 1) if rank else None

    def after(self, rank: int) -> Any:
        """Return the value that stands after the ``rank``-th in order, None after the last."""
        if rank == HALF and self._parted is not None:
            return self._float_of(self._parted[HALF + 1 :].min())
        return self.order(rank + 1) if rank + 1 < PIXELS else None

    def above(self, rank: int) -> Mask:
        """Return where the value is above the ``rank``-th."""
        return np.asarray(self.values > self.order(rank))

    def at_least(self, rank: int) -> Mask:
        """Return where the value is the ``rank``-th or above it."""
        return np.asarray(self.values >= self.order(rank))

    def _keys(self) -> NDArray[np.int32]:
        """Return whole numbers in the order of the values: their bits, turned where negative."""
        bits = self._values.reshape(-1).view(np.int32)
        # Of a minus zero the bits are the lowest number: in order among what is not negative.
        self._turned = bool(self.low < 0)
        return _turn(bits) if self._turned else bits.copy()

    def _float_of(self, key: Any) -> Any:
        return (_turn(key) if self._turned else key).view(np.float32)

    def tied_at_minimum(self) -> bool:
        """Whether more than half of the pixels share the minimum."""
        if HALF in self._orders:
            return bool(self._orders[HALF] == self.low)
        return bool(2 * np.count_nonzero(self.values == self.low) > PIXELS)

    def median(self) -> Any:
        """Return the mean of the two middle values, as ``np.median`` does."""
        return (self.order(HALF - 1) + self.order(HALF)) / 2


class _NormalisedMap(RankedMap):
    """Another map scaled by a rule that keeps the order of its values."""

    def __init__(self, raw: RankedMap, rule: Normalise) -> None:
        self._raw, self._normalise = raw, _NORMALISERS[rule]
        self._sorted = None
        self._orders = {}

    @cached_property
    def values(self) -> Map:  # type: ignore[override]  # made when it is first needed
        return self._normalise(self._raw.values, self._raw.low, self._raw.high)

    @property
    def low(self) -> Any:
        return self._scaled(self._raw.low)[0]

    @property
    def high(self) -> Any:
        return self._scaled(self._raw.high)[0]

    def _find(self, rank: int) -> Any:
        return self._scaled(self._raw.order(rank))[0]

    def above(self, rank: int) -> Mask:
        at, after = self._raw.order(rank), self._raw.after(rank)
        # Scaling may round two values to one; where it parts these, the order is that of the map.
        if after is not None:
            scaled = self._scaled(at, after)
            self._orders[rank] = scaled[0]
            if scaled[1] > scaled[0]:
                return np.asarray(self._raw.values > at)
        return super().above(rank)

    def at_least(self, rank: int) -> Mask:
        at, before = self._raw.order(rank), self._raw.before(rank)
        if before is not None:
            scaled = self._scaled(at, before)
            self._orders[rank] = scaled[0]
            if scaled[1] < scaled[0]:
                return np.asarray(self._raw.values >= at)
        return super().at_least(rank)

    def _scaled(self, *values: Any) -> Any:
        return self._normalise(np.array(values), self._raw.low, self._raw.high)


# ---------------------------------------------------------------------------- threshold rules


@dataclass(frozen=True, slots=True)
class FixedThreshold:
    """Predicted where ``value > value of the rule``, or ``>=`` where ``inclusive``."""

    value: float
    inclusive: bool = False

    def predict(self, ranked: RankedMap, truth_area: int) -> Mask:
        """Return the predicted mask of one normalised map (224, 224)."""
        return ranked.values >= self.value if self.inclusive else ranked.values > self.value

    def pixels(self, area: int) -> int | None:
        """Return None: a map may predict as many pixels as it likes."""
        return None

    def __str__(self) -> str:
        return f"value {'>=' if self.inclusive else '>'} {self.value:g}"


@dataclass(frozen=True, slots=True)
class RankThreshold:
    """Predicted where the value exceeds the map's own ``rank``-th smallest, 0-based.

    ``inclusive``: or equals it. ``ones_too``: and wherever the value is at least 1; the released
    LVS code does so by the way it makes its map binary, which matters for constant maps and for
    maps tied at their maximum.
    """

    rank: int
    inclusive: bool = False
    ones_too: bool = False

    def predict(self, ranked: RankedMap, truth_area: int) -> Mask:
        """Return the predicted mask of one normalised map (224, 224)."""
        if self.inclusive:
            return ranked.at_least(self.rank)
        mask = ranked.above(self.rank)
        # Whatever is at least 1 is above a threshold below 1 as well.
        if self.ones_too and ranked.order(self.rank) >= 1:
            return ranked.values >= 1
        return mask

    def pixels(self, area: int) -> int:
        """Return how many pixels a map without ties predicts.

        25,087 of 50,176 for the strict median rule, one more where it is inclusive.
        """
        return PIXELS - self.rank - (not self.inclusive)

    def __str__(self) -> str:
        compare = ">=" if self.inclusive else ">"
        return f"value {compare} the {self.rank}-th smallest" + (
            " or >= 1" if self.ones_too else ""
        )


@dataclass(frozen=True, slots=True)
class MedianThreshold:
    """Predicted at and above ``np.median``, the mean of the two middle values."""

    def predict(self, ranked: RankedMap, truth_area: int) -> Mask:
        """Return the predicted mask of one normalised map (224, 224)."""
        return np.asarray(ranked.values >= ranked.median())

    def pixels(self, area: int) -> int:
        """Return half of the frame, which a map without ties predicts."""
        return HALF

    def __str__(self) -> str:
        return "value >= the median (mean of the two middle values)"


@dataclass(frozen=True, slots=True)
class TruthSizeThreshold:
    """Predicted: the highest pixels, as many as the truth has; ties with the threshold are not.

    ``released``: one pixel less, as SSLalignment's ``sorted[N - n]`` with ``>`` has it, and half
    of the frame for an empty truth.
    """

    released: bool = True

    def rank(self, truth_area: int) -> int:
        """Return which order statistic is the threshold; -1 if everything is predicted."""
        if self.released:
            return PIXELS - (truth_area or HALF)
        return PIXELS - truth_area - 1

    def predict(self, ranked: RankedMap, truth_area: int) -> Mask:
        """Return the predicted mask of one normalised map (224, 224)."""
        rank = self.rank(truth_area)
        if rank < 0:
            return np.ones(ranked.values.shape, dtype=np.bool_)
        return ranked.above(rank)

    def pixels(self, area: int) -> int:
        """Return how many pixels a map without ties predicts for a truth of ``area``."""
        return PIXELS - 1 - self.rank(area)

    def __str__(self) -> str:
        less = " less one" if self.released else ""
        return f"the highest values, as many as the truth has pixels{less}"


@dataclass(frozen=True, slots=True)
class SweepThreshold:
    """Many fixed thresholds, ``value >= t``; the best score over the test set is reported.

    The threshold is so chosen on the test set: an oracle, and a family of its own.
    """

    thresholds: tuple[float, ...]

    def predict(self, ranked: RankedMap, truth_area: int) -> Mask:
        """Return the mask at the middle threshold, for pictures."""
        return ranked.values >= self.thresholds[len(self.thresholds) // 2]

    def pixels(self, area: int) -> int | None:
        """Return None: a map may predict as many pixels as it likes."""
        return None

    def __str__(self) -> str:
        low, high = self.thresholds[0], self.thresholds[-1]
        return f"the best of {len(self.thresholds)} thresholds, value >= {low:g} … {high:g}"


Threshold = FixedThreshold | RankThreshold | MedianThreshold | TruthSizeThreshold | SweepThreshold


# -------------------------------------------------------------------------------- the protocol


@dataclass(frozen=True, slots=True)
class Protocol:
    """One way of scoring.

    Attributes
    ----------
    name : str
    summary : str
        What it does, in a line.
    source : str
        Where the rule stands.
    family : Family
        Which other scores it may be compared with.
    resize, normalise, threshold
        How a raw map becomes a predicted mask of 224 x 224.
    strict : bool
        Whether a clip succeeds at ``cIoU > t`` (else ``cIoU >= t``), at 0.5 and along the curve.
    resize_elsewhere : Resize, optional
        For sets other than VGG-SS, where the source resizes those otherwise.
    object_resize, object_normalise : optional
        For an object prior (OGL), where they differ from the map's.
    scale : str
        What the raw values have to be, where the rule takes them for what they are.
    low, high : float
        Where such values lie; others are warned of.
    errata : bool
        Whether samples that the documented errata name are left out unless it is said otherwise.
    rank_pixels : bool
        Whether the average precision of the pixels' ranking is reported as well.
    """

    name: str
    summary: str
    source: str
    family: Family
    resize: Resize
    normalise: Normalise
    threshold: Threshold
    strict: bool
    resize_elsewhere: Resize | None = None
    object_resize: Resize | None = None
    object_normalise: Normalise | None = None
    scale: str = ""
    low: float = -np.inf
    high: float = np.inf
    errata: bool = False
    rank_pixels: bool = False

    @property
    def ranks(self) -> bool:
        """Whether the threshold follows the map, so that only the order of its values counts."""
        return isinstance(self.threshold, RankThreshold | MedianThreshold | TruthSizeThreshold)

    @property
    def absolute(self) -> bool:
        """Whether the map's values count as they are, neither their order nor their range."""
        return not self.ranks and self.normalise in ABSOLUTE

    def pixels(self, truth_area: int) -> int | None:
        """Return how many pixels a map without ties predicts; None where it may choose.

        A perfect map chooses the truth. Only where that fills the frame it is one pixel less,
        because the minimum of a map that is scaled by its range is never predicted.
        """
        if truth_area == PIXELS and not self.ranks and not self.absolute:
            return PIXELS - 1
        return self.threshold.pixels(truth_area)

    def ceiling(self, truth_area: int) -> float:
        """Return the cIoU of a perfect map without ties for a truth (a mask) of so many pixels.

        A truth smaller than what is predicted lies inside of the prediction, a larger one around
        it: under the median rule ``min(a, k) / max(a, k)`` with k = 25,087.
        """
        predicted = self.pixels(truth_area)
        if not truth_area or predicted is None:
            return float(bool(truth_area))
        return min(truth_area, predicted) / max(truth_area, predicted)

    def for_set(self, vgg_ss: bool) -> Protocol:
        """Return the protocol as its source has it for VGG-SS, or for another test set."""
        if vgg_ss or self.resize_elsewhere is None:
            return self
        return replace(self, resize=self.resize_elsewhere)

    def predict(self, raw: NDArray[Any], truth_area: int = HALF, vgg_ss: bool = True) -> Mask:
        """Return the predicted mask (224, 224) of one raw map (h, w).

        Parameters
        ----------
        truth_area : pixels of the truth, which only the ``adaptive`` family looks at
        """
        return self.predict_resized(resize_map(raw, self.for_set(vgg_ss).resize), truth_area)

    def predict_resized(self, resized: Map, truth_area: int = HALF) -> Mask:
        """Return the predicted mask of a map that is resized already."""
        return self.threshold.predict(RankedMap(resized).normalised(self.normalise), truth_area)

    def predict_sweep(self, raw: NDArray[Any], vgg_ss: bool = True) -> list[Mask]:
        """Return the predicted masks at every threshold of a sweep; one for any other rule."""
        if not isinstance(self.threshold, SweepThreshold):
            return [self.predict(raw, vgg_ss=vgg_ss)]
        resized = resize_map(raw, self.for_set(vgg_ss).resize)
        normalised = normalise_map(resized, self.normalise)
        return [normalised >= t for t in self.threshold.thresholds]

    def guided(self, raw: NDArray[Any], prior: NDArray[Any], alpha: float) -> Map:
        """Mix a map with an object prior, object-guided localisation (OGL) of EZ-VSL.

        ``alpha * norm(map) + (1 - alpha) * norm(prior)``, both resized, and normalised again
        where the values are not taken for what they are.

        Returns
        -------
        The mixed map (224, 224), to be thresholded as it is.
        """
        ours = resize_map(raw, self.resize)
        theirs = resize_map(prior, self.object_resize or self.resize)
        # The order of a map on its own scale says nothing about another's.
        own = Normalise.MIN_MAX_KEEP if self.normalise is Normalise.NONE else self.normalise
        if own is Normalise.COSINE_MIN_MAX:  # its source mixes before the min-max
            own = Normalise.COSINE
        other = self.object_normalise or (Normalise.MIN_MAX_KEEP if own in ABSOLUTE else own)
        mixed = normalise_map(ours, own) * alpha + normalise_map(theirs, other) * (1 - alpha)
        if self.absolute and self.normalise is not Normalise.NONE:
            return mixed.astype(np.float32, copy=False)
        return normalise_map(mixed.astype(np.float32, copy=False), Normalise.MIN_MAX_KEEP)


OPENCV_VGGSS = "OpenCV on VGG-SS, torch bilinear (corners aligned) on other sets"
SWEEP = tuple(round(0.05 * i, 2) for i in range(1, 20))

PAPER = Protocol(
    name="paper",
    summary="min-max, predicted where > 0.5; success cIoU > t; so AUC is at most 97.5",
    source=(
        "Chen et al., CVPR 2021, Appendix A and Algorithm 1; resizing (OpenCV bilinear) and "
        "normalisation (min-max), on which the appendix is silent, are our reading"
    ),
    family=Family.FIXED,
    resize=Resize.OPENCV_LINEAR,
    normalise=Normalise.MIN_MAX,
    threshold=FixedThreshold(0.5),
    strict=True,
)

LVS = Protocol(
    name="lvs",
    summary="predicted above the map's own median, so half of the frame; success cIoU >= t",
    source="hche11/Localizing-Visual-Sounds-the-Hard-Way at 8fe8cbb, test.py and utils.py",
    family=Family.MEDIAN,
    resize=Resize.OPENCV_LINEAR,
    normalise=Normalise.MIN_MAX_RELEASED,
    threshold=RankThreshold(HALF, ones_too=True),
    strict=False,
)

EZVSL = Protocol(
    name="ezvsl",
    summary="torch bilinear (corners aligned), predicted at and above the median; cIoU >= t",
    source="stoneMo/EZ-VSL at 95ff5bf, test.py; its headline is with --ogl 0.4",
    family=Family.MEDIAN,
    resize=Resize.TORCH_BILINEAR_CORNERS,
    normalise=Normalise.MIN_MAX_KEEP,
    threshold=RankThreshold(HALF, inclusive=True),
    strict=False,
)

EZVSL_VAL = replace(
    EZVSL,
    name="ezvsl-val",
    summary="as ezvsl with torch bicubic (corners not aligned): the validation while training",
    source="stoneMo/EZ-VSL at 95ff5bf, train.py",
    resize=Resize.TORCH_BICUBIC,
)

SLAVC = Protocol(
    name="slavc",
    summary="torch bicubic (corners aligned), fixed range, predicted where >= 0.5; cIoU >= t",
    source="stoneMo/SLAVC at 05b429c, test.py without --relative_prediction",
    family=Family.FIXED,
    resize=Resize.TORCH_BICUBIC_CORNERS,
    normalise=Normalise.COSINE,
    threshold=FixedThreshold(0.5, inclusive=True),
    strict=False,
    object_normalise=Normalise.ACTIVATION,
    scale="cosine / 0.03; the object prior the mean of |layer4|, 0 to about 2.5",
    low=-1 / TAU,
    high=1 / TAU,
)

SLAVC_RELATIVE = replace(
    SLAVC,
    name="slavc-relative",
    summary="as slavc, then min-max and predicted at and above the median; cIoU >= t",
    source="stoneMo/SLAVC at 05b429c, test.py with --relative_prediction, as its authors advise",
    family=Family.MEDIAN,
    normalise=Normalise.COSINE_MIN_MAX,
    threshold=RankThreshold(HALF, inclusive=True),
    scale="",
    low=-np.inf,
    high=np.inf,
)

FNAC_A = replace(
    EZVSL,
    name="fnac-a",
    summary="the first of the two reports of FNAC's test: torch bilinear, the rule of ezvsl",
    source="OpenNLPLab/FNAC_AVL at 0a0ca78, test.py, validate",
)

FNAC_B = replace(
    EZVSL_VAL,
    name="fnac-b",
    summary="the second of the two reports of FNAC's test: torch bicubic, the rule of ezvsl-val",
    source="OpenNLPLab/FNAC_AVL at 0a0ca78, test.py, validate2",
    object_resize=Resize.TORCH_BILINEAR_CORNERS,
)

SSLTIE = replace(
    LVS,
    name="ssltie",
    summary="the rule of lvs, taken over with its boxes and its own list of 4,911 clips",
    source="jinxiang-liu/SSL-TIE at c49e6a9, main.py, test",
)

SSLALIGN = replace(
    LVS,
    name="sslalign",
    summary="predicted above the median, nothing where all ties; cIoU >= t",
    source=f"kaistmm/SSLalignment at e7ae3c5, test.py, validate_lvs; resize: {OPENCV_VGGSS}",
    threshold=RankThreshold(HALF),
    resize_elsewhere=Resize.TORCH_BILINEAR_CORNERS,
)

SSLALIGN_ADAP = replace(
    SSLALIGN,
    name="sslalign-adap",
    summary="predicted: the highest pixels, as many as the truth has (less one); cIoU >= t",
    family=Family.ADAPTIVE,
    threshold=TruthSizeThreshold(),
)

ACL = Protocol(
    name="acl",
    summary="sigmoid, the best of 19 thresholds, CHOSEN ON THE TEST SET; cIoU >= t",
    source="swimmiing/ACL-SSL at 57f4a6c, Eval.py and VGGSS/eval_utils.py",
    family=Family.SWEEP,
    resize=Resize.TORCH_BICUBIC,
    normalise=Normalise.SIGMOID,
    threshold=SweepThreshold(SWEEP),
    strict=False,
    scale="logits, the model's own bias included",
)

SSPL = Protocol(
    name="sspl",
    summary="OpenCV bilinear, min-max, predicted where >= 0.5; cIoU >= t",
    source="zjsong/SSPL at d1af4c7, sspl_w_pcm/test.py",
    family=Family.FIXED,
    resize=Resize.OPENCV_LINEAR,
    normalise=Normalise.MIN_MAX,
    threshold=FixedThreshold(0.5, inclusive=True),
    strict=False,
)

HTF = Protocol(
    name="htf",
    summary="OpenCV bicubic, min-max, predicted above the median; cIoU >= t",
    source="denfed/heartheflow at 60ed54d, test.py and train.py",
    family=Family.MEDIAN,
    resize=Resize.OPENCV_CUBIC,
    normalise=Normalise.MIN_MAX_KEEP,
    threshold=RankThreshold(HALF, ones_too=True),
    strict=False,
)

VCS = Protocol(
    name="vcs",
    summary="OpenCV bilinear, not normalised, predicted at and above np.median; cIoU >= t",
    source="DongzhanZhou/Sound-Source-Localization-with-Visual-Context-Semantics at 385ae88",
    family=Family.MEDIAN,
    resize=Resize.OPENCV_LINEAR,
    normalise=Normalise.NONE,
    threshold=MedianThreshold(),
    strict=False,
)

VGGSS = Protocol(
    name="vggss",
    summary="ranking of the pixels: average precision, and cIoU at the truth's size; ties lose",
    source="this project, docs/vggss-protocol.md",
    family=Family.OWN,
    resize=Resize.OPENCV_LINEAR,
    normalise=Normalise.NONE,
    threshold=TruthSizeThreshold(released=False),
    strict=False,
    errata=True,
    rank_pixels=True,
)

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        PAPER,
        LVS,
        EZVSL,
        EZVSL_VAL,
        SLAVC,
        SLAVC_RELATIVE,
        FNAC_A,
        FNAC_B,
        SSLTIE,
        SSLALIGN,
        SSLALIGN_ADAP,
        ACL,
        SSPL,
        HTF,
        VCS,
        VGGSS,
    )
}
DEFAULT_PROTOCOLS = (PAPER.name, LVS.name)
