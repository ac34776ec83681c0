"""Does the map depend on the sound? The same pictures with other sounds, silence and noise.

A predictions file can hold rows in which a picture is heard with a sound that is not its own:
``audio_id`` is then another clip, or ``silence``, or ``noise``. For each such row:

* **how far the map moves** from the picture's map with its own sound, by the pixels that are
  ranked in the upper half (:func:`moved_mask`) and by correlation (:func:`moved_correlation`);
* whether the map's maximum is higher with the own sound, as it should be;
* **false activation**: how much of the picture lights up although nothing in it sounds, at a
  threshold that is one for all (see :mod:`vggss_tools.evaluate.false_activation`).

To move is necessary, not sufficient: whether the map goes where it should is for the swap rate to
say (:mod:`vggss_tools.evaluate.sound_swap`).

Conventions
-----------
*Upper half.* The pixels of a map of 224 x 224 above its value of rank 25,088 (0-based), as under
the field's median rule; a pixel that ties with it does not belong. Two maps without such a pixel
(constant ones, say) have not moved; from a map without to one with, the move is 1.

*Correlation* is that of the means of 8 x 8 pixels. A map whose means are all equal has none: two
such maps have not moved, and from one such to another map the move is 1.

*Equal.* No mean of 8 x 8 pixels differs by more than a thousandth of the larger range of the two
maps. A model of which every pair is equal is **deaf**. A map that only grows stronger or fainter
has not moved, but is not equal.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.false_activation import (
    UNIVERSAL_THRESHOLDS,
    LevelStore,
    area_over_curve,
    harmonic_mean,
    mean,
    universal_thresholds,
)
from vggss_tools.evaluate.masks import GRID
from vggss_tools.evaluate.protocols import PIXELS
from vggss_tools.evaluate.test_sets import TestSet, canonical_id

# `audio_id` of a row with nobody's sound, as `vggss predict` writes it.
NOBODYS_SOUNDS = ("silence", "noise")
SOUNDS = ("other", *NOBODYS_SOUNDS)

THUMB = 28  # means of 8 x 8 pixels
LEVELS = 65535  # of a thumbnail's uint16, between the map's minimum and maximum
EQUAL = 1e-3  # of a map's range

Bits = NDArray[np.uint8]


class Movement(TypedDict):
    """How far maps move from those with the pictures' own sounds; means over ``n`` pairs.

    ``moved_mask``: 1 - IoU of the upper halves: 0 the same, 2/3 as if unrelated, 1 opposite.
    ``moved_correlation``: 1 - Pearson's: 0 the same, 1 as if unrelated, 2 opposite. ``equal``:
    share of pairs of equal maps. ``own_higher``: share of pairs in which the resized map with the
    own sound has the higher maximum; a tie does not count.
    """

    n: int
    moved_mask: float
    moved_correlation: float
    equal: float
    own_higher: float


class Peaks(TypedDict):
    """Maxima of raw maps, on the model's own scale."""

    n: int
    mean: float
    q3: float
    max: float


class AtThreshold(TypedDict):
    """False activation and localisation at one universal threshold.

    ``pia``, ``aoc``: by kind of negative. ``pia_mean``, ``aoc_mean``: means over the kinds.
    ``mean_ciou``, ``auc``: of the positives' own-sound maps. ``f``: harmonic mean of ``mean_ciou``
    and 1 - ``pia_mean``; ``f_auc``: of ``auc`` and ``aoc_mean``. None without positives.
    """

    threshold: float
    pia: dict[str, float]
    aoc: dict[str, float]
    pia_mean: float
    aoc_mean: float
    mean_ciou: float | None
    auc: float | None
    f: float | None
    f_auc: float | None


class FalseActivation(TypedDict):
    """What lights up on negatives.

    ``peaks``: by kind of negative, and ``own`` for the positives. ``at``: by universal threshold,
    ``q3``, ``mean`` and ``max`` of all negatives' maxima. ``exact``: false where raw maps are
    larger than 16 x 16, and areas and cIoUs are therefore estimated.
    """

    peaks: dict[str, Peaks]
    at: dict[str, AtThreshold]
    exact: bool


class Dependence(TypedDict):
    """Whether maps depend on the sound; None where there are no rows of a kind.

    ``other``: with another clip's sound; ``other_class``: those of them whose classes are known
    and differ. ``n_no_own``: rows left out, because their picture has no map with its own sound.
    ``n_not_negative``: rows with another sound that are no negatives, because the picture shows
    something of its class. ``deaf``: whether all pairs are equal; None without a pair.
    """

    other: Movement | None
    other_class: Movement | None
    silence: Movement | None
    noise: Movement | None
    deaf: bool | None
    n_no_own: int
    n_not_negative: int
    false_activation: FalseActivation | None


def top_half(resized: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels of a map (224, 224) above its value of rank 25,088."""
    return metrics.above_rank(resized, PIXELS // 2)


def moved_mask(a: NDArray[Any], b: NDArray[Any]) -> float:
    """1 - IoU of the upper halves of two maps (224, 224), 0..1."""
    return _moved_mask(np.packbits(top_half(a)), np.packbits(top_half(b)))


def moved_correlation(a: NDArray[Any], b: NDArray[Any]) -> float:
    """1 - Pearson's correlation of two maps (224, 224), by means of 8 x 8 pixels, 0..2."""
    return _moved_correlation(_Thumb.of(a), _Thumb.of(b))


def equal_maps(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether means of 8 x 8 pixels differ by a thousandth of the larger range at most."""
    return _equal(_Thumb.of(a), _Thumb.of(b))


@dataclass
class DependenceScorer:
    """Accumulates maps in two passes: all own-sound rows first, then all others.

    Needs some 3 KB for each picture (8 KB at worst), and 1 KB for each row.

    Parameters
    ----------
    test_set : TestSet
    labels : clip -> class, optional
        Of clips that lend their sound and are not in the test set.
    visible : pairs (clip, class), optional
        What else is in a picture: the silent objects of a release's ``silent.json``. With a sound
        of that class a picture is no negative.

    Examples
    --------
    >>> scorer = DependenceScorer(test_set)                            # doctest: +SKIP
    >>> scorer.own(index, resized, raw)                                # doctest: +SKIP
    >>> scorer.other("abc_000001", "silence", resized, raw)            # doctest: +SKIP
    >>> scorer.result()["silence"]["moved_mask"]                       # doctest: +SKIP
    """

    test_set: TestSet
    labels: Mapping[str, str] = field(default_factory=dict)
    visible: Collection[tuple[str, str]] = ()

    def __post_init__(self) -> None:
        samples = self.test_set.samples
        positives = [s for s in samples if not s.negative and s.label]
        self._sound_class = {**self.labels, **{s.audio_id: s.label for s in positives}}
        # The pictures of a group show one scene, and so what sounds in any of them.
        scenes: dict[str, set[str]] = {}
        for sample in positives:
            scenes.setdefault(sample.group or sample.image_id, set()).add(sample.label)
        self._seen = {*self.visible}
        for sample in positives:
            shown = scenes[sample.group or sample.image_id]
            self._seen.update((sample.image_id, label) for label in shown)
        self._halves: dict[int, bytes] = {}
        self._thumbs: dict[int, _Thumb] = {}
        self._index_of: dict[str, int] = {}
        self._own_peaks: dict[int, float] = {}
        self._own_levels = LevelStore()
        self._positives: list[int] = []
        self._pairs: dict[str, list[_Pair]] = {sound: [] for sound in (*SOUNDS, "other_class")}
        self._negatives: dict[str, list[tuple[int, float]]] = {sound: [] for sound in SOUNDS}
        self._levels = LevelStore()
        self._n_no_own = self._n_not_negative = 0

    def own(
        self, index: int, resized_map: NDArray[Any], raw_map: NDArray[Any] | None = None
    ) -> None:
        """Take the map of a sample's picture with its own sound.

        A negative whose sound is another clip's is passed over; give it to :meth:`other`.

        Parameters
        ----------
        index : position in the test set
        resized_map : float32 array (224, 224)
            The map on the model's own scale, resized with OpenCV's bilinear rule.
        raw_map : float array (h, w)
            As predicted; without it ``resized_map`` is taken for it.

        Raises
        ------
        ValueError
            On another shape, NaN, infinities, or a sample that was given before.
        """
        raw = _checked(resized_map, raw_map)
        sample = self.test_set.samples[index]
        if index in self._own_peaks:
            raise ValueError(f"{sample.name}: its map was given before")
        if sample.negative and sample.image_id != sample.audio_id:
            return
        # Where one picture has several sounds of its own, the first sample's map stands for it.
        for name in (sample.image_id, sample.name):
            self._index_of[name] = min(index, self._index_of.get(name, index))
        # 6,272 bytes; the half of a smooth map takes a tenth of that.
        self._halves[index] = zlib.compress(np.packbits(top_half(resized_map)).tobytes(), level=1)
        self._thumbs[index] = _Thumb.of(resized_map)
        self._own_peaks[index] = float(raw.max())
        if not sample.negative:
            self._positives.append(index)
            self._own_levels.add(raw, resized_map, self.test_set.truth(index))

    def other(
        self,
        image_id: str,
        audio_id: str,
        resized_map: NDArray[Any],
        raw_map: NDArray[Any] | None = None,
    ) -> None:
        """Take the map of a picture with a sound that is not its own, after all own ones.

        ``audio_id`` is a clip, ``silence`` or ``noise``. Maps and errors as for :meth:`own`.
        """
        raw = _checked(resized_map, raw_map)
        index = self._index_of.get(canonical_id(image_id))
        if index is None:
            self._n_no_own += 1
            return
        sound = audio_id if audio_id in NOBODYS_SOUNDS else "other"
        peak = float(raw.max())
        own, thumb = self._thumbs[index], _Thumb.of(resized_map)
        half = np.frombuffer(zlib.decompress(self._halves[index]), dtype=np.uint8)
        pair = _Pair(
            _moved_mask(half, np.packbits(top_half(resized_map))),
            _moved_correlation(own, thumb),
            _equal(own, thumb),
            own.high > thumb.high,
        )
        self._pairs[sound].append(pair)
        if sound == "other":
            heard = self._sound_class.get(canonical_id(audio_id))
            seen = self.test_set.samples[index].label
            if heard and seen and heard != seen:
                self._pairs["other_class"].append(pair)
            if self._shown({image_id, self.test_set.samples[index].image_id}, audio_id, heard):
                self._n_not_negative += 1
                return
        self._negatives[sound].append((len(self._levels), peak))
        self._levels.add(raw, resized_map)

    def result(self) -> Dependence:
        """Return the scores of what was given so far; the order of the rows changes nothing."""
        pairs = [pair for sound in SOUNDS for pair in self._pairs[sound]]
        return Dependence(
            other=_movement(self._pairs["other"]),
            other_class=_movement(self._pairs["other_class"]),
            silence=_movement(self._pairs["silence"]),
            noise=_movement(self._pairs["noise"]),
            deaf=all(pair.equal for pair in pairs) if pairs else None,
            n_no_own=self._n_no_own,
            n_not_negative=self._n_not_negative,
            false_activation=self._false_activation(),
        )

    def _shown(self, names: Collection[str], audio_id: str, heard: str | None) -> bool:
        """Whether something of the sound's class is in the picture of these names."""
        for name in names:
            position = self.test_set.positions.get((name, audio_id))
            if position is not None:
                sample = self.test_set.samples[position]
                return sample.same_class if sample.negative else True
        return heard is not None and any((name, heard) in self._seen for name in names)

    def _false_activation(self) -> FalseActivation | None:
        negatives = {sound: rows for sound, rows in self._negatives.items() if rows}
        if not negatives:
            return None
        peaks = [peak for rows in negatives.values() for _, peak in rows]
        thresholds = universal_thresholds(peaks)
        areas = {
            sound: np.array([self._levels.above(n, thresholds.values())[:, 1] for n, _ in rows])
            / PIXELS
            for sound, rows in negatives.items()
        }
        cious = self._cious(list(thresholds.values()))
        peaks_of = {sound: _peaks([peak for _, peak in rows]) for sound, rows in negatives.items()}
        if self._positives:
            peaks_of["own"] = _peaks([self._own_peaks[index] for index in self._positives])
        return FalseActivation(
            peaks=peaks_of,
            at={
                name: _at_threshold(
                    thresholds[name],
                    {sound: area[:, column] for sound, area in areas.items()},
                    cious[:, column],
                )
                for column, name in enumerate(UNIVERSAL_THRESHOLDS)
            },
            exact=self._levels.exact and self._own_levels.exact,
        )

    def _cious(self, thresholds: list[float]) -> metrics.Floats:
        """Return the positives' cIoU at each threshold, (N, T)."""
        cious = np.zeros((len(self._positives), len(thresholds)))
        for number, index in enumerate(self._positives):
            truth = self.test_set.truth(index)
            counts = self._own_levels.above(number, thresholds, truth)
            total = np.full(len(thresholds), truth.sum(dtype=np.float64))
            cious[number] = metrics.ciou_of_counts(counts[:, 0], total, counts[:, 1])
        return cious


@dataclass(frozen=True, slots=True)
class _Pair:
    moved_mask: float
    moved_correlation: float
    equal: bool
    own_higher: bool


@dataclass(frozen=True, slots=True)
class _Thumb:
    """Means of 8 x 8 pixels as shares of the map's range: ``low + spread * levels / 65535``."""

    levels: bytes
    low: float
    high: float

    @classmethod
    def of(cls, resized: NDArray[Any]) -> _Thumb:
        import cv2

        single = np.ascontiguousarray(resized, dtype=np.float32)
        low, high = float(single.min()), float(single.max())
        # Scaled first: sums of float32 could overflow.
        scaled = (single - np.float32(low)) / np.float32((high - low) or 1.0)
        small = cv2.resize(scaled, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
        levels = np.rint(small * LEVELS).clip(0, LEVELS).astype(np.uint16)
        return cls(levels.tobytes(), low, high)

    @property
    def spread(self) -> float:
        """Range of the map."""
        return self.high - self.low

    @property
    def shape(self) -> metrics.Floats:
        """The means, from 0 at the map's minimum to 65535 at its maximum."""
        return np.frombuffer(self.levels, dtype=np.uint16).astype(np.float64)

    @property
    def values(self) -> metrics.Floats:
        """The means on the map's own scale."""
        return self.low + self.spread * (self.shape / LEVELS)


def _moved_mask(a: Bits, b: Bits) -> float:
    union = int(np.bitwise_count(a | b).sum())
    shared = int(np.bitwise_count(a & b).sum())
    return 1 - shared / union if union else 0.0


def _moved_correlation(a: _Thumb, b: _Thumb) -> float:
    if a.levels == b.levels:
        return 0.0
    x, y = a.shape, b.shape
    x -= x.mean()
    y -= y.mean()
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return min(max(1 - float(x @ y) / norm, 0.0), 2.0) if norm else 1.0


def _equal(a: _Thumb, b: _Thumb) -> bool:
    return bool(np.abs(a.values - b.values).max() <= EQUAL * max(a.spread, b.spread))


def _checked(resized: NDArray[Any], raw: NDArray[Any] | None) -> NDArray[Any]:
    if resized.shape != (GRID, GRID):
        raise ValueError(f"a resized map has shape {resized.shape}; it is {(GRID, GRID)}")
    given = resized if raw is None else raw
    if given.ndim != 2 or not given.size:
        raise ValueError(f"a raw map has shape {given.shape}; it is (h, w)")
    for values in (resized, given):
        # NaN and infinities reach the extremes, and so their difference.
        with np.errstate(over="ignore", invalid="ignore"):
            spread = values.max() - values.min()
        if not np.isfinite(spread):
            raise ValueError("a map holds NaN, an infinity, or values too large for its type")
    return given


def _movement(pairs: list[_Pair]) -> Movement | None:
    if not pairs:
        return None
    return Movement(
        n=len(pairs),
        moved_mask=mean([pair.moved_mask for pair in pairs]),
        moved_correlation=mean([pair.moved_correlation for pair in pairs]),
        equal=mean([pair.equal for pair in pairs]),
        own_higher=mean([pair.own_higher for pair in pairs]),
    )


def _peaks(peaks: list[float]) -> Peaks:
    quartile = float(np.quantile(peaks, 0.75))
    return Peaks(n=len(peaks), mean=mean(peaks), q3=quartile, max=max(peaks))


def _at_threshold(
    threshold: float, areas: Mapping[str, metrics.Floats], cious: metrics.Floats
) -> AtThreshold:
    pia = {sound: mean(area.tolist()) for sound, area in areas.items()}
    aoc = {sound: area_over_curve(area) for sound, area in areas.items()}
    pia_mean, aoc_mean = mean(list(pia.values())), mean(list(aoc.values()))
    mean_ciou = auc = f = f_auc = None
    if cious.size:
        mean_ciou = mean(cious.tolist())
        auc = metrics.area_under_curve(metrics.success_curve(cious, strict=False))
        f, f_auc = harmonic_mean(mean_ciou, 1 - pia_mean), harmonic_mean(auc, aoc_mean)
    return AtThreshold(
        threshold=threshold,
        pia=pia,
        aoc=aoc,
        pia_mean=pia_mean,
        aoc_mean=aoc_mean,
        mean_ciou=mean_ciou,
        auc=auc,
        f=f,
        f_auc=f_auc,
    )
