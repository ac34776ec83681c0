"""Ranking measures: against a count by hand, and what no map may gain by."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vggss_tools.evaluate import ranking
from vggss_tools.evaluate.ranking import (
    average_precision,
    best_f1,
    best_iou,
    chance_ap,
    rank_scores,
)

SHAPE = (4, 5)
TRUTHS = arrays(np.bool_, SHAPE)
# Few values, so that most maps have ties.
TIED = arrays(np.float32, SHAPE, elements=st.integers(-3, 3).map(float))
MAPS = TIED | arrays(np.float32, SHAPE, elements=st.floats(-1e6, 1e6, width=32))


def slow_ap(values: np.ndarray, truth: np.ndarray) -> float:
    """Average precision as it is defined, pixel by pixel."""
    positive = sorted(values[truth].tolist(), reverse=True)
    others = values[~truth].tolist()
    parts = [j / (j + sum(o >= v for o in others)) for j, v in enumerate(positive, start=1)]
    return sum(parts) / len(parts) if parts else 0.0


def slow_best(values: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Best F1, best IoU and their threshold, by trying every value of the map."""
    best = (0.0, 0.0, math.inf)
    for t in sorted(set(values.ravel().tolist()), reverse=True):
        predicted = values >= t
        hit = int((predicted & truth).sum())
        f1 = 2 * hit / (predicted.sum() + truth.sum())
        iou = hit / (predicted | truth).sum()
        if iou > best[1]:
            best = (f1, iou, t)
    return best


def step_ap(values: np.ndarray, truth: np.ndarray) -> float:
    """Average precision by steps of recall, as scikit-learn defines it."""
    order = np.argsort(-values, axis=None, kind="stable")
    hits = np.cumsum(truth.ravel()[order])
    precision, recall = hits / np.arange(1, hits.size + 1), hits / hits[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def test_the_example_in_the_documentation_holds() -> None:
    """The docstring's example gives what it says."""
    assert doctest.testmod(ranking).failed == 0


@given(MAPS, TRUTHS)
def test_all_measures_are_what_a_count_by_hand_gives(values: np.ndarray, truth: np.ndarray) -> None:
    """Average precision, best F1 and best IoU agree with their definitions, ties or not."""
    scores = rank_scores(values, truth)
    f1, iou, threshold = slow_best(values, truth)
    assert scores.ap == pytest.approx(slow_ap(values, truth), abs=1e-12)
    assert scores.best_f1 == pytest.approx(f1, abs=1e-12)
    assert scores.best_iou == pytest.approx(iou, abs=1e-12)
    assert scores.threshold == threshold
    assert average_precision(values, truth) == scores.ap
    assert best_f1(values, truth) == (scores.best_f1, scores.threshold)
    assert best_iou(values, truth) == (scores.best_iou, scores.threshold)


@given(st.permutations(range(20)), TRUTHS)
def test_without_ties_it_is_the_usual_average_precision(
    order: list[int], truth: np.ndarray
) -> None:
    """A map whose values all differ scores the step-wise average precision."""
    values = np.array(order, dtype=np.float32).reshape(SHAPE)
    if truth.any():
        assert average_precision(values, truth) == pytest.approx(step_ap(values, truth), abs=1e-12)


@given(MAPS, TRUTHS)
def test_measures_are_bounded(values: np.ndarray, truth: np.ndarray) -> None:
    """Every measure lies in 0..1; it is 0 for an empty truth and 1 for a full one."""
    scores = rank_scores(values, truth)
    assert all(0 <= value <= 1 for value in scores[:3])
    assert rank_scores(values, np.zeros(SHAPE, dtype=bool)) == (0, 0, 0, math.inf)
    assert rank_scores(values, np.ones(SHAPE, dtype=bool))[:3] == (1, 1, 1)


@given(TIED, TRUTHS, st.floats(0.1, 9), st.floats(-5, 5))
def test_only_the_order_counts(
    values: np.ndarray, truth: np.ndarray, slope: float, shift: float
) -> None:
    """A strictly increasing change of the values changes no measure."""
    raised = np.exp(values.astype(np.float64) * slope) + shift
    assert rank_scores(raised, truth)[:3] == rank_scores(values, truth)[:3]


@given(MAPS, TRUTHS, st.integers(0, 19), st.floats(0, 1e6, width=32))
def test_raising_a_truth_pixel_never_lowers_a_measure(
    values: np.ndarray, truth: np.ndarray, pixel: int, rise: float
) -> None:
    """More on the truth is never worse; more outside of it is never better."""
    before = rank_scores(values, truth)
    raised = values.copy()
    raised.flat[pixel] += np.float32(rise)
    after = rank_scores(raised, truth)
    low, high = (before, after) if truth.flat[pixel] else (after, before)
    assert all(a <= b + 1e-12 for a, b in zip(low[:3], high[:3], strict=True))


@given(TIED, TRUTHS, st.permutations(range(20)))
def test_ties_never_help(values: np.ndarray, truth: np.ndarray, order: list[int]) -> None:
    """Parting tied pixels in whatever order never lowers average precision."""
    parted = values + np.array(order, dtype=np.float32).reshape(SHAPE) / 100
    assert average_precision(parted, truth) >= average_precision(values, truth) - 1e-12


def test_a_constant_map_is_worse_than_chance() -> None:
    """A map that says the same everywhere ranks every truth pixel last."""
    truth = np.zeros((40, 50), dtype=bool)
    truth[10:30, 5:35] = True
    score = average_precision(np.zeros(truth.shape), truth)
    assert score == pytest.approx(slow_ap(np.zeros(truth.shape), truth))
    assert score < chance_ap(truth.mean(), pixels=truth.size)


def test_the_truth_itself_ranks_perfectly() -> None:
    """The truth as a map scores 1, and so does it with any order inside and outside."""
    truth = np.zeros((224, 224), dtype=bool)
    truth[50:150, 30:130] = True
    noise = np.random.default_rng(0).random(truth.shape)
    for values in (truth, truth + noise / 2):
        assert rank_scores(values, truth)[:3] == (1, 1, 1)


def test_infinities_rank_and_nan_is_refused() -> None:
    """Infinities are first and last; a NaN, inside or outside of the truth, is an error."""
    truth = np.array([[True, True, False, False]])
    assert average_precision(np.array([[np.inf, 1.0, 0.0, -np.inf]]), truth) == 1
    for place in (0, 3):
        values = np.arange(4.0).reshape(1, 4)
        values[0, place] = np.nan
        with pytest.raises(ValueError, match="NaN"):
            rank_scores(values, truth)


@pytest.mark.parametrize(
    ("truth", "message"),
    [(np.zeros((4, 5)), "float64"), (np.zeros((5, 4), dtype=bool), "both are")],
    ids=["weights", "shape"],
)
def test_what_is_no_truth_is_refused(truth: np.ndarray, message: str) -> None:
    """Weights and other shapes are refused, and the message says what was given."""
    with pytest.raises(ValueError, match=message):
        rank_scores(np.zeros((4, 5)), truth)


@given(TIED, TRUTHS)
def test_types_do_not_matter(values: np.ndarray, truth: np.ndarray) -> None:
    """Maps of float16, float64 and integers score as those of float32."""
    for kind in (np.float16, np.float64, np.int32):
        assert rank_scores(values.astype(kind), truth) == rank_scores(values, truth)


def test_chance_is_what_random_orders_score() -> None:
    """The mean over random orders comes to the formula, which is near to the area."""
    rng = np.random.default_rng(3)
    truth = np.arange(60).reshape(6, 10) < 15
    scores = [average_precision(rng.permutation(60).reshape(6, 10), truth) for _ in range(4000)]
    assert np.mean(scores) == pytest.approx(float(chance_ap(0.25, pixels=60)), abs=0.005)
    np.testing.assert_allclose(chance_ap([0, 0.1, 0.5, 1]), [0, 0.1, 0.5, 1], atol=3e-4)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(2, 60_000))
def test_chance_grows_with_the_area(a: float, b: float, pixels: int) -> None:
    """Chance lies in 0..1 and never falls with the area."""
    low, high = chance_ap(sorted((a, b)), pixels=pixels)
    assert 0 <= low <= high + 1e-12 <= 1 + 1e-9


def test_chance_of_more_than_the_frame_is_refused() -> None:
    """An area outside of 0..1 is an error."""
    with pytest.raises(ValueError, match=r"0\.\.1"):
        chance_ap([0.5, 1.5])
