"""The truth of samples, ready to be counted against predicted masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.masks import GRID, Mask
from vggss_tools.evaluate.test_sets import TestSet

Floats = NDArray[np.float64]


class Truth:
    """The truth of one sample.

    Attributes
    ----------
    mask : bool array (224, 224)
        Where the truth is above 0.
    weights : float64 array (224, 224) or None
        Its values 0..1, where it is a consensus.
    area : int
        Pixels of ``mask``.
    total : float
        Sum of the truth.
    """

    def __init__(self, test_set: TestSet, index: int) -> None:
        self._test_set, self._index = test_set, index
        edges = test_set.samples[index].edges
        # Nine of ten clips have one box; counting in it is several times as fast.
        self._window: tuple[slice, slice] | None = None
        self.weights: Floats | None = None
        if len(edges) == 1:
            xmin, ymin, xmax, ymax = edges[0].tolist()
            self._window = slice(ymin, ymax), slice(xmin, xmax)
            if test_set.consensus == 1:
                self.area = max(xmax - xmin, 0) * max(ymax - ymin, 0)
                self.total = float(self.area)
                return
        truth = test_set.truth(index)
        self.weights = None if truth.dtype == np.bool_ else truth
        self.mask = truth if self.weights is None else truth > 0
        self.area = int(np.count_nonzero(self.mask))
        self.total = float(self.area if self.weights is None else truth.sum())

    @cached_property
    def mask(self) -> Mask:
        """Where the truth is above 0."""
        return self._test_set.truth(self._index)

    def has_peak(self, peak: tuple[int, int] | Mask) -> bool:
        """Whether a map's maximum lies in the truth; see ``metrics.peak_inside``.

        Parameters
        ----------
        peak : column and row, or a mask where several pixels attain it
        """
        if not isinstance(peak, tuple):
            pixels = np.count_nonzero(peak)
            return bool(pixels < peak.size and 2 * self.pixels_inside(peak) > pixels)
        column, row = peak
        if self._window is None:
            return bool(self.mask[row, column])
        rows, columns = self._window
        return rows.start <= row < rows.stop and columns.start <= column < columns.stop

    def pixels_inside(self, mask: Mask) -> int:
        """Return how many pixels of a mask belong to the truth."""
        if self._window is not None:
            return int(np.count_nonzero(mask[self._window]))
        return int(np.count_nonzero(mask & self.mask))

    def count(self, predicted: Mask) -> tuple[float, float]:
        """Return how much truth a predicted mask hits, and how many pixels outside of it."""
        inside = self.pixels_inside(predicted)
        hit = inside if self.weights is None else self.weights[predicted].sum()
        return float(hit), float(np.count_nonzero(predicted) - inside)

    def ceiling(self, predicted: int | None) -> float:
        """Return the cIoU of a perfect map that predicts so many pixels; None: as it likes.

        The heaviest pixels come first; what does not fit is missed, what is left over is wrong.
        """
        if not self.area:
            return 0.0
        if predicted is None:
            return 1.0
        if predicted >= self.area:
            return self.total / (self.total + predicted - self.area)
        if self.weights is None:
            return predicted / self.total
        heaviest = np.sort(self.weights[self.mask])[self.area - predicted :]
        return float(heaviest.sum()) / self.total


class TruthTable:
    """The truths of many samples, counted against one mask at a time.

    Attributes
    ----------
    areas : int64 array (N,)
    totals : float64 array (N,)
    """

    def __init__(self, test_set: TestSet, indices: Sequence[int]) -> None:
        self._test_set, self._indices = test_set, list(indices)
        n = len(self._indices)
        self.areas = np.zeros(n, dtype=np.int64)
        self.totals = np.zeros(n)
        self._edges = np.zeros((n, 4), dtype=np.int64)
        others = []
        for k, index in enumerate(self._indices):
            edges = test_set.samples[index].edges
            if test_set.consensus == 1 and len(edges) <= 1:
                if len(edges):
                    xmin, ymin, xmax, ymax = edges[0].tolist()
                    self._edges[k] = xmin, ymin, max(xmax, xmin), max(ymax, ymin)
                continue
            truth = Truth(test_set, index)
            self.areas[k], self.totals[k] = truth.area, truth.total
            others.append(k)
        self._others = others
        single = np.ones(n, dtype=np.bool_)
        single[others] = False
        xmin, ymin, xmax, ymax = self._edges[single].T
        self.areas[single] = (xmax - xmin) * (ymax - ymin)
        self.totals[single] = self.areas[single]

    def __iter__(self) -> Iterator[Truth]:
        """Yield the truths, each made anew."""
        return (Truth(self._test_set, index) for index in self._indices)

    def ceilings(self, pixels: Callable[[int], int | None]) -> Floats:
        """Return what a perfect map scores on each that predicts ``pixels(area)`` pixels."""
        if self._test_set.consensus > 1:
            return np.array([truth.ceiling(pixels(truth.area)) for truth in self])
        allowed = np.array([a if (k := pixels(a)) is None else k for a in self.areas.tolist()])
        small, large = np.minimum(self.areas, allowed), np.maximum(self.areas, allowed)
        return np.divide(small, large, out=np.zeros(len(small)), where=self.areas > 0)

    def ciou(self, predicted: Mask) -> Floats:
        """Return the cIoU of one predicted mask with every truth."""
        table = np.zeros((GRID + 1, GRID + 1), dtype=np.int64)
        table[1:, 1:] = predicted.cumsum(axis=0).cumsum(axis=1)
        xmin, ymin, xmax, ymax = self._edges.T
        hit = (table[ymax, xmax] - table[ymin, xmax] - table[ymax, xmin] + table[ymin, xmin]) * 1.0
        false = table[-1, -1] - hit
        for k in self._others:
            hit[k], false[k] = Truth(self._test_set, self._indices[k]).count(predicted)
        return metrics.ciou_of_counts(hit, self.totals, false)
