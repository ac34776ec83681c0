"""Protocols: how a map becomes a predicted mask, and what counts as success.

A protocol is a value, not code: a resize rule, a normalisation, a threshold rule and a success
rule, each one of a few named kinds. It never chooses clips. A user's own is a YAML file
(:mod:`~vggss_tools.evaluate.protocol_file`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vggss_tools.evaluate import metrics
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


def _min_max_keep(maps: Map) -> Map:
    low, high = maps.min(), maps.max()
    return maps if high - low == 0 else (maps - low) / (high - low)


def _cosine(maps: Map) -> Map:
    low, high = -1.0 / TAU, 1.0 / TAU
    return (maps - low) / (high - low)


def _sigmoid(maps: Map) -> Map:
    # In place: fresh pages would cost more than the arithmetic.
    values = np.negative(maps)
    with np.errstate(over="ignore"):
        np.exp(values, out=values)
    values += 1
    return np.divide(1, values, out=values)


NORMALISERS: dict[Normalise, Callable[[Map], Map]] = {
    Normalise.NONE: lambda maps: maps,
    Normalise.MIN_MAX: metrics.min_max,
    Normalise.MIN_MAX_KEEP: _min_max_keep,
    Normalise.MIN_MAX_RELEASED: metrics.min_max_released,
    Normalise.COSINE: _cosine,
    Normalise.COSINE_MIN_MAX: lambda maps: _min_max_keep(_cosine(maps)),
    Normalise.ACTIVATION: lambda maps: maps / 2.5,
    Normalise.SIGMOID: _sigmoid,
}

# Normalisations that take a map's values for what they are, not for their order or range.
ABSOLUTE = {Normalise.NONE, Normalise.COSINE, Normalise.ACTIVATION, Normalise.SIGMOID}


class RankedMap:
    """A map (224, 224) and its order statistics, each found once.

    Parameters
    ----------
    values : the map
    order_of : RankedMap, optional
        A map that has the pixels in the same order, such as this one before it was normalised;
        its ranks are taken over.
    """

    def __init__(self, values: Map, order_of: RankedMap | None = None) -> None:
        self.values = values
        self._same_order = order_of
        self._parted: Map | None = None
        self._sorted: Map | None = None
        self._orders: dict[int, Any] = {}

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
        if self._same_order is not None:
            # Any pixel of that rank there has it here.
            other = self._same_order
            return self.values.flat[int((other.values == other.order(rank)).argmax())]
        # Most protocols ask for the middle; what is on either side of it is then known.
        if self._parted is None:
            self._parted = self.values.flatten()
            self._parted.partition(HALF)
        if rank == HALF:
            return self._parted[HALF]
        if rank == HALF - 1:
            return self._parted[:HALF].max()
        side, place = (
            (self._parted[:HALF], rank) if rank < HALF else (self._parted[HALF:], rank - HALF)
        )
        side.partition(place)
        return side[place]

    def median(self) -> Any:
        """Return the mean of the two middle values, as ``np.median`` does."""
        return (self.order(HALF - 1) + self.order(HALF)) / 2


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
        threshold = ranked.order(self.rank)
        if self.inclusive:
            return np.asarray(ranked.values >= threshold)
        # Whatever is at least 1 is above a threshold below 1 as well.
        if self.ones_too and threshold >= 1:
            return ranked.values >= 1
        return np.asarray(ranked.values > threshold)

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
        return np.asarray(ranked.values > ranked.order(rank))

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
        return self.threshold.predict(RankedMap(NORMALISERS[self.normalise](resized)), truth_area)

    def predict_sweep(self, raw: NDArray[Any], vgg_ss: bool = True) -> list[Mask]:
        """Return the predicted masks at every threshold of a sweep; one for any other rule."""
        if not isinstance(self.threshold, SweepThreshold):
            return [self.predict(raw, vgg_ss=vgg_ss)]
        resized = resize_map(raw, self.for_set(vgg_ss).resize)
        normalised = NORMALISERS[self.normalise](resized)
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
        mixed = NORMALISERS[own](ours) * alpha + NORMALISERS[other](theirs) * (1 - alpha)
        if self.absolute and self.normalise is not Normalise.NONE:
            return mixed.astype(np.float32, copy=False)
        return _min_max_keep(mixed.astype(np.float32, copy=False))


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
