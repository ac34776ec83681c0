"""One pass over the maps: each is read once and scored under every protocol."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from vggss_tools.errors import InvalidInput
from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.dependence import DependenceScorer
from vggss_tools.evaluate.extended import map_confidence
from vggss_tools.evaluate.masks import GRID
from vggss_tools.evaluate.predictions import Predictions
from vggss_tools.evaluate.protocols import (
    PAPER,
    Normalise,
    Protocol,
    RankedMap,
    SweepThreshold,
    Threshold,
)
from vggss_tools.evaluate.ranking import rank_scores
from vggss_tools.evaluate.resizing import Resize, resize_map
from vggss_tools.evaluate.test_sets import TestSet
from vggss_tools.evaluate.truths import Truth
from vggss_tools.progress import track

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Map = NDArray[np.float32]


# What the protocol `vggss` ranks by, on maps resized by this rule.
RANK_MEASURES = ("ap", "best_iou", "iou_at_half")
RANK_RESIZE = Resize.OPENCV_LINEAR
# Its fixed threshold: half of the map's own range.
HALF_OF_RANGE = PAPER
# SLAVC's, from which the confidence of a map without one is taken over.
CONFIDENCE_RESIZE = Resize.TORCH_BICUBIC_CORNERS


@dataclass
class MapScores:
    """What one pass over the maps gives, in the order of the samples.

    Attributes
    ----------
    scored : bool array (N,)
        Which samples have a map. What the other arrays say about the others means nothing.
    cious : per protocol name, float64 array (N, T)
        T is the number of thresholds of a sweep, else 1.
    hits : bool array (N,)
        Whether the map's maximum lies in the truth, resized by OpenCV.
    tied : per resize rule, bool array (N,)
        Whether more than half of the pixels share the minimum.
    constant : bool array (N,)
    outside : per protocol name, number of maps outside of the scale that it asks for
    ranked : per measure of :data:`RANK_MEASURES`, float64 array (N,)
        Only with a protocol that ranks pixels (``vggss``).
    confidence : float64 array (N,) or None
        Where the test set has negatives: how sure it is that something sounds, by the file, else
        the mean of the map's top quarter.
    areas : int64 array (N,)
        Pixels of the truth.
    unknown, unasked : int
        Rows of pictures that the test set does not have; that only the whole of it has.
    other_sound : list of int
        Rows of its pictures with another sound, which are no samples.
    heard : list of int
        These, and negatives that are another clip's sound.
    dependence : DependenceScorer or None
        What it takes to compare those with the own sounds.
    """

    scored: Bools
    cious: dict[str, Floats]
    hits: Bools
    tied: dict[Resize, Bools]
    constant: Bools
    areas: NDArray[np.int64]
    outside: dict[str, int]
    ranked: dict[str, Floats] = field(default_factory=dict)
    confidence: Floats | None = None
    unknown: int = 0
    unasked: int = 0
    other_sound: list[int] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)
    dependence: DependenceScorer | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    """What protocols may share: equal rules predict equal masks."""

    resize: Resize
    normalise: Normalise
    threshold: Threshold


class _Counts:
    """Truth that is hit and pixels that are false, sample by sample and threshold by threshold."""

    def __init__(self, n: int, threshold: Threshold) -> None:
        self.levels = threshold.thresholds if isinstance(threshold, SweepThreshold) else None
        shape = (n, len(self.levels) if self.levels else 1)
        self.hit, self.false = np.zeros(shape), np.zeros(shape)

    def add(self, index: int, truth: Truth, ranked: RankedMap, threshold: Threshold) -> None:
        if self.levels is None:
            mask = threshold.predict(ranked, truth.area)
            self.hit[index, 0], self.false[index, 0] = truth.count(mask)
            return
        low, high = ranked.values.min(), ranked.values.max()
        everything = truth.total, float(ranked.values.size - truth.area)
        for k, level in enumerate(self.levels):
            if level <= low:
                counted = everything
            elif level > high:
                break  # nothing, here and above
            else:
                counted = truth.count(ranked.values >= level)
            self.hit[index, k], self.false[index, k] = counted


def score_maps(
    predictions: Predictions,
    test_set: TestSet,
    protocols: Sequence[Protocol],
    ogl: float | None = None,
    labels: Mapping[str, str] | None = None,
    visible: Collection[tuple[str, str]] = (),
    whole: TestSet | None = None,
) -> MapScores:
    """Go through the maps once and score each under all protocols.

    Parameters
    ----------
    ogl : weight of the map against the object prior; None leaves the prior alone
    labels : classes of clips that lend their sound and are not in the test set
    visible : pairs of clip and class, what is in a picture and silent
    whole : the test set of which ``test_set`` is a part

    Raises
    ------
    InvalidInput
        If a map holds NaN or an infinity, two rows are of one sample, or ``ogl`` is given and
        the predictions have no object maps.
    """
    own = [protocol.for_set(test_set.published) for protocol in protocols]
    n = len(test_set)
    resizes = dict.fromkeys(protocol.resize for protocol in own)
    scores = MapScores(
        scored=np.zeros(n, dtype=np.bool_),
        cious={},
        hits=np.zeros(n, dtype=np.bool_),
        tied={resize: np.zeros(n, dtype=np.bool_) for resize in resizes},
        constant=np.zeros(n, dtype=np.bool_),
        areas=np.zeros(n, dtype=np.int64),
        outside={p.name: 0 for p in own if np.isfinite(p.low)},
    )
    rows = _find_rows(predictions, test_set, whole or test_set, scores)
    rules = {p.name: _Rule(p.resize, p.normalise, p.threshold) for p in own}
    if ogl is None:
        counts = {rule: _Counts(n, rule.threshold) for rule in rules.values()}
    else:
        guided = {p.name: _Counts(n, p.threshold) for p in own}
    rank_pixels = any(p.rank_pixels for p in own)
    if rank_pixels:
        scores.ranked = {name: np.zeros(n) for name in RANK_MEASURES}
    if any(sample.negative for sample in test_set.samples):
        scores.confidence = np.zeros(n)
    if scores.heard:
        scores.dependence = DependenceScorer(test_set, labels or {}, visible)
    totals = np.zeros(n)
    wanted = (item for item in _maps(predictions, ogl is not None) if rows[item.row] is not None)
    for item, in_size in resized_ahead(wanted, [RANK_RESIZE, *resizes]):
        row, raw, prior = item
        i = rows[row]
        assert i is not None
        truth = Truth(test_set, i)
        scores.areas[i], totals[i] = truth.area, truth.total
        scores.scored[i] = True
        low, high, _, _ = cv2.minMaxLoc(raw)  # in a quarter of NumPy's time
        scores.constant[i] = low == high
        for p in own:
            if p.name in scores.outside:
                scores.outside[p.name] += bool(low < p.low or high > p.high)
        if scores.confidence is not None:
            given = predictions.confidence
            if given is None:
                top = map_confidence(resize_map(raw, CONFIDENCE_RESIZE))
            scores.confidence[i] = top if given is None else given[row]
        for resize, resized in in_size.items():
            plain = RankedMap(resized)
            if resize is RANK_RESIZE:
                scores.hits[i] = truth.has_peak(plain.peak())
                if scores.dependence is not None:
                    scores.dependence.own(i, resized, raw)
                if rank_pixels:
                    measured = rank_scores(resized, truth.mask)
                    scores.ranked["ap"][i] = measured.ap
                    scores.ranked["best_iou"][i] = measured.best_iou
                    hit, false = truth.count(HALF_OF_RANGE.predict(resized))
                    scores.ranked["iou_at_half"][i] = metrics.ciou_of_counts(
                        hit, truth.total, false
                    )
            ranked = {Normalise.NONE: plain}
            for rule, count in counts.items() if ogl is None else ():
                if rule.resize is not resize:
                    continue
                if rule.normalise not in ranked:
                    ranked[rule.normalise] = plain.normalised(rule.normalise)
                count.add(i, truth, ranked[rule.normalise], rule.threshold)
            if resize in scores.tied:  # cheap now, if a rule has asked for the middle
                scores.tied[resize][i] = plain.tied_at_minimum()
        if ogl is not None and prior is not None:
            for p in own:
                mixed = RankedMap(p.guided(raw, prior, ogl))
                guided[p.name].add(i, truth, mixed, p.threshold)
    for p in own:
        count = counts[rules[p.name]] if ogl is None else guided[p.name]
        scores.cious[p.name] = metrics.ciou_of_counts(
            count.hit, np.broadcast_to(totals[:, None], count.hit.shape), count.false
        )
    if scores.dependence is not None:
        _hear_others(predictions, scores)
    return scores


def _find_rows(
    predictions: Predictions, test_set: TestSet, whole: TestSet, scores: MapScores
) -> list[int | None]:
    """Return which sample each row is of; note the rows that are of none."""
    positions = test_set.positions
    pictures = {image for image, _ in positions}
    known = {image for image, _ in whole.positions}
    rows: list[int | None] = []
    taken: dict[int, int] = {}
    for row in range(len(predictions)):
        i = positions.get((predictions.image_id[row], predictions.audio_id[row]))
        if i is not None and i in taken:
            raise InvalidInput(
                f"{predictions.name}: {test_set.samples[i].name} stands there twice, as "
                f"{predictions.row_name(taken[i])} and {predictions.row_name(row)}; keep one map"
            )
        if i is not None:
            taken[i] = row
            sample = test_set.samples[i]
            if sample.negative and sample.image_id != sample.audio_id:
                scores.heard.append(row)
        elif predictions.image_id[row] in pictures:
            scores.other_sound.append(row)
            scores.heard.append(row)
        elif predictions.image_id[row] in known:
            scores.unasked += 1
        else:
            scores.unknown += 1
        rows.append(i)
    return rows


class _Item(NamedTuple):
    """One row of the predictions, with its object prior where that is wanted."""

    row: int
    raw: Map
    prior: Map | None


def _maps(predictions: Predictions, with_priors: bool) -> Iterator[_Item]:
    """Yield the rows."""
    maps = track(predictions.maps(), "scoring", total=len(predictions), unit="map")
    if not with_priors:
        for row, raw in enumerate(maps):
            yield _Item(row, raw, None)
        return
    for row, (raw, prior) in enumerate(zip(maps, predictions.object_maps(), strict=True)):
        yield _Item(row, raw, prior)


AHEAD = 4  # maps that wait, resized, for the other thread


def resized_ahead(
    items: Iterable[_Item], rules: Iterable[Resize]
) -> Iterator[tuple[_Item, dict[Resize, Map]]]:
    """Yield each row with its map resized by every rule, to be used before the next.

    Where that takes as long as the scoring itself, a second thread works ahead.
    """
    chosen = tuple(dict.fromkeys(rules))

    def resize(raw: Map, grids: NDArray[np.float32]) -> dict[Resize, Map]:
        return {rule: resize_map(raw, rule, grids[k]) for k, rule in enumerate(chosen)}

    # Used again and again: fresh pages would cost more than the resizing.
    grids = np.empty((AHEAD + 1, len(chosen), GRID, GRID), dtype=np.float32)
    if len(chosen) == 1:
        for item in items:
            yield item, resize(item.raw, grids[0])
        return
    waiting: deque[tuple[_Item, Future[dict[Resize, Map]]]] = deque()
    with ThreadPoolExecutor(max_workers=1) as thread:
        for item, ours in zip(items, cycle(grids), strict=False):
            waiting.append((item, thread.submit(resize, item.raw, ours)))
            if len(waiting) > AHEAD:
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()


def _hear_others(predictions: Predictions, scores: MapScores) -> None:
    """Compare the maps of other sounds with those of the own ones, in a second pass."""
    assert scores.dependence is not None
    others = set(scores.heard)
    maps = track(predictions.maps(), "other sounds", total=len(predictions), unit="map")
    grid = np.empty((GRID, GRID), dtype=np.float32)
    for row, raw in enumerate(maps):
        if row in others:
            resized = resize_map(raw, RANK_RESIZE, out=grid)
            image, audio = predictions.image_id[row], predictions.audio_id[row]
            scores.dependence.other(image, audio, resized, raw)


def best_threshold(cious: Floats, strict: bool) -> int:
    """Return which threshold of a sweep (N, T) succeeds most often at 0.5; the first of several."""
    passed = cious > 0.5 if strict else cious >= 0.5
    return int(passed.mean(axis=0).argmax())
