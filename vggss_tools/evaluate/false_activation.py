"""False activation: how much of a picture lights up when nothing in it sounds.

A threshold that is to serve in practice has to be one number for all pictures, and cannot be drawn
from the map that it cuts. It is taken from negatives here (silence, noise, the sound of something
that is not in the picture): a **universal threshold** is a statistic of their maps' maxima. Then,
with that threshold,

* **pIA** of a negative is the share of its pixels above it; lower is better;
* **AOC** is the area under the curve of the share of negatives with ``pIA <= t``, t = 0, 0.05, …
  1, by the trapezoid rule; higher is better, and at least 0.025, because at 1 all qualify;
* the **mean cIoU** of the positives says what the threshold leaves of them;
* **F** is the harmonic mean of that and 1 - pIA.

Values are on the model's own scale. All of these are the same after ``a * map + b``, a > 0, with
one ``a`` and ``b`` for all maps; after a min-max per map they would mean nothing, because every map
would reach 1.

Maps are 224 x 224 here, bilinear; maxima are those of the raw maps.

References
----------
X. Juanola, G. Haro, M. Fuentes, *A Critical Assessment of Visual Sound Source Localization Models
Including Negative Audio*, ICASSP 2025; xavijuanola/vssl_eval at e8ebbc9. What differs is in
docs/dependence.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vggss_tools.evaluate.metrics import CURVE_THRESHOLDS, Floats, area_under_curve
from vggss_tools.evaluate.protocols import resize_map

# What a universal threshold can be; the first is the one of the published F.
UNIVERSAL_THRESHOLDS = ("q3", "mean", "max")

SMALL_MAP = 256  # pixels of a raw map that is kept as it is: 16 x 16 float32 are 1 KiB
SAMPLES = 256  # values that are kept of a larger one, 1 KiB as well


def activated_area(resized: ArrayLike, threshold: float) -> float:
    """Share of one map's pixels with ``value > threshold``: pIA, 0..1."""
    values = np.asarray(resized)
    return float(np.count_nonzero(values > threshold) / values.size)


def area_over_curve(areas: ArrayLike) -> float:
    """AOC of the activated areas of several negatives, 0.025..1; 1 where nothing is activated.

    Raises
    ------
    ValueError
        Without a single area.
    """
    ordered = np.sort(np.asarray(areas, dtype=np.float64).reshape(-1))
    if not ordered.size:
        raise ValueError("no areas to summarise")
    at_most = np.searchsorted(ordered, CURVE_THRESHOLDS, side="right")
    return area_under_curve(at_most / len(ordered))


def universal_thresholds(peaks: ArrayLike) -> dict[str, float]:
    """Return the thresholds that the maxima of the negatives' maps suggest.

    ``q3`` is their third quartile (linear between order statistics), ``mean`` their mean, ``max``
    the largest, above which no negative has a pixel. Rounded to float32, the maps' type.

    Raises
    ------
    ValueError
        Without a single maximum.
    """
    values = np.asarray(peaks, dtype=np.float64).reshape(-1)
    if not values.size:
        raise ValueError("no negatives to draw a threshold from")
    found = {"q3": np.quantile(values, 0.75), "mean": mean(values.tolist()), "max": values.max()}
    return {name: float(np.float32(found[name])) for name in UNIVERSAL_THRESHOLDS}


def harmonic_mean(a: float, b: float) -> float:
    """Harmonic mean of two scores; 0 where both are 0."""
    return 2 * a * b / (a + b) if a + b > 0 else 0.0


def mean(values: Sequence[float]) -> float:
    """Mean that does not depend on the order of the values, to the last bit."""
    return math.fsum(values) / len(values)


@dataclass(slots=True)
class LevelStore:
    """Maps in 1 KiB each, of which pixels above thresholds can be counted that come later.

    A raw map of at most 16 x 16 is kept as it is, and counted exactly, after resizing. Of a larger
    one 256 values are kept: order statistics, evenly spaced, of the resized map, shared among the
    weights of the truth. A count is then off by 1/512 of the frame at most, a pixel more or less;
    with a truth of two weights by 1/256 of the pixels of each.
    """

    exact: bool = True
    _maps: list[_Kept] = field(default_factory=list)

    def __len__(self) -> int:
        """Return the number of maps."""
        return len(self._maps)

    def add(
        self, raw: NDArray[Any], resized: NDArray[Any], weights: NDArray[Any] | None = None
    ) -> None:
        """Keep a map; ``weights`` (224, 224) of its truth, None where there is none."""
        if raw.size <= SMALL_MAP:
            small = np.ascontiguousarray(raw, dtype=np.float32)
            self._maps.append(_Raw(small.tobytes(), small.shape))
            return
        self.exact = False
        groups = np.unique(weights).tolist() if weights is not None else [0.0]
        share = SAMPLES // len(groups)
        parts = []
        for weight in groups:
            inside = resized if weights is None else resized[weights == weight]
            parts.append((float(weight), inside.size, _order_statistics(inside, share).tobytes()))
        self._maps.append(_Sampled(tuple(parts)))

    def above(
        self, number: int, thresholds: Iterable[float], weights: NDArray[Any] | None = None
    ) -> Floats:
        """Count the pixels of a map above each threshold.

        Parameters
        ----------
        number : position in the order of :meth:`add`
        thresholds : T values
        weights : what was given to :meth:`add`

        Returns
        -------
        float64 array (T, 2): truth that is hit (sum of weights), and pixels outside of the truth.
        """
        wanted = np.asarray(list(thresholds), dtype=np.float32)
        return self._maps[number].above(wanted, weights)


@dataclass(frozen=True, slots=True)
class _Raw:
    data: bytes
    shape: tuple[int, ...]

    def above(self, thresholds: NDArray[np.float32], weights: NDArray[Any] | None) -> Floats:
        resized = resize_map(np.frombuffer(self.data, dtype=np.float32).reshape(self.shape))
        counts = np.zeros((len(thresholds), 2))
        for row, threshold in zip(counts, thresholds, strict=True):
            active = resized > threshold
            if weights is None:
                row[1] = np.count_nonzero(active)
            else:
                row[0] = weights[active].sum(dtype=np.float64)
                row[1] = np.count_nonzero(active & (weights == 0))
        return counts


@dataclass(frozen=True, slots=True)
class _Sampled:
    parts: tuple[tuple[float, int, bytes], ...]  # weight, pixels, float32 samples

    def above(self, thresholds: NDArray[np.float32], weights: NDArray[Any] | None) -> Floats:
        counts = np.zeros((len(thresholds), 2))
        for weight, pixels, data in self.parts:
            samples = np.frombuffer(data, dtype=np.float32)
            higher = len(samples) - np.searchsorted(samples, thresholds, side="right")
            part = higher * (pixels / len(samples))
            counts[:, 0] += weight * part
            counts[:, 1] += part if weight == 0 else 0.0
        return counts


_Kept = _Raw | _Sampled


def _order_statistics(values: NDArray[Any], count: int) -> NDArray[np.float32]:
    """Return the middles of ``count`` equal parts of the sorted values; all, where they are few."""
    ordered = np.sort(np.asarray(values, dtype=np.float32), axis=None)
    if ordered.size <= count:
        return ordered
    middles = (np.arange(count) + 0.5) * (ordered.size / count)
    return ordered[middles.astype(np.int64)]
