"""The metrics: their definitions, bounds and symmetries."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from vggss_tools.evaluate import metrics

MASKS = arrays(np.bool_, (3, 6, 8))
FINITE = st.floats(-1e6, 1e6, width=32)
MAPS = arrays(np.float32, (6, 8), elements=FINITE)
CIOUS = arrays(np.float64, array_shapes(max_dims=1, max_side=40), elements=st.floats(0, 1))


def test_the_example_in_the_documentation_holds() -> None:
    """The docstring's example gives what it says."""
    assert doctest.testmod(metrics).failed == 0


def test_ciou_of_a_weighted_truth_is_the_papers_formula() -> None:
    """Weights count as such where hit, and any weight keeps a pixel from being a false one."""
    truth = np.array([[1.0, 0.5, 0.0, 0.0]])
    predicted = np.array([[True, True, True, False]])
    assert metrics.ciou(truth, predicted) == pytest.approx(1.5 / (1.5 + 1))
    predicted = np.array([[False, True, True, True]])
    assert metrics.ciou(truth, predicted) == pytest.approx(0.5 / (1.5 + 2))


@given(MASKS, MASKS)
def test_ciou_of_binary_masks_is_intersection_over_union(
    truth: np.ndarray, predicted: np.ndarray
) -> None:
    """For a truth of zeros and ones, cIoU is the IoU; weights 0 and 1 give the same."""
    union = np.maximum((truth | predicted).sum(axis=(1, 2)), 1)
    expected = np.where(truth.any(axis=(1, 2)), (truth & predicted).sum(axis=(1, 2)) / union, 0)
    cious = metrics.ciou(truth, predicted)
    np.testing.assert_array_equal(cious, expected)
    np.testing.assert_array_equal(metrics.ciou(truth.astype(float), predicted), cious)
    np.testing.assert_array_equal(
        [metrics.ciou(*pair) for pair in zip(truth, predicted, strict=True)], cious
    )


@given(MASKS, MASKS)
def test_ciou_is_bounded_and_does_not_know_left_from_right(
    truth: np.ndarray, predicted: np.ndarray
) -> None:
    """CIoU lies in 0..1, and mirroring truth and prediction together changes nothing."""
    cious = metrics.ciou(truth, predicted)
    assert ((cious >= 0) & (cious <= 1)).all()
    for axis in (1, 2):
        mirrored = metrics.ciou(np.flip(truth, axis), np.flip(predicted, axis))
        np.testing.assert_array_equal(mirrored, cious)


@given(MASKS, MASKS, st.data())
def test_predicting_another_truth_pixel_never_lowers_ciou(
    truth: np.ndarray, predicted: np.ndarray, data: st.DataObject
) -> None:
    """More of the truth predicted is never worse; more of the rest never better."""
    more = predicted | data.draw(MASKS)
    before = metrics.ciou(truth, predicted)
    assert (metrics.ciou(truth, predicted | (more & truth)) >= before).all()
    assert (metrics.ciou(truth, predicted | (more & ~truth)) <= before).all()


def test_an_empty_truth_scores_nothing_whatever_is_predicted() -> None:
    """The cIoU of a clip without a truth pixel is 0, not 0/0."""
    empty = np.zeros((4, 4), dtype=bool)
    assert metrics.ciou(empty, empty) == 0
    assert metrics.ciou(empty, ~empty) == 0
    assert metrics.ciou(empty.astype(float), empty) == 0


@given(CIOUS)
def test_the_success_curve_falls_and_its_area_is_bounded(cious: np.ndarray) -> None:
    """The curve never rises; the area lies in 0..0.975 (strict) and 0.025..1 (not strict)."""
    for strict, low, high in ((True, 0, 0.975), (False, 0.025, 1)):
        curve = metrics.success_curve(cious, strict=strict)
        assert (np.diff(curve) <= 0).all()
        area = metrics.area_under_curve(curve)
        assert low - 1e-12 <= area <= high + 1e-12
        assert curve[10] == metrics.success_rate(cious, strict=strict)
        assert metrics.curve_areas(cious, strict=strict).mean() == pytest.approx(area)


@given(CIOUS)
def test_the_success_curve_is_the_published_loop(cious: np.ndarray) -> None:
    """Sorting gives what counting at each of ``0.05 * i`` gives, ties included."""
    cious = np.concatenate([cious, metrics.CURVE_THRESHOLDS])
    expected = [np.sum(cious >= 0.05 * i) / len(cious) for i in range(21)]
    np.testing.assert_array_equal(metrics.success_curve(cious, strict=False), expected)
    expected = [np.sum(cious > 0.05 * i) / len(cious) for i in range(21)]
    np.testing.assert_array_equal(metrics.success_curve(cious), expected)


def test_a_ciou_on_the_threshold_parts_the_paper_from_the_code() -> None:
    """Exactly 0.5 fails under the paper's `>` and passes under the code's `>=`."""
    assert metrics.success_rate([0.5, 0.6], strict=True) == 0.5
    assert metrics.success_rate([0.5, 0.6], strict=False) == 1.0


@given(MAPS)
def test_min_max_spans_zero_to_one_and_leaves_no_contrast_at_zero(values: np.ndarray) -> None:
    """A map's minimum becomes 0 and its maximum 1; a constant map becomes zeros."""
    scaled = metrics.min_max(values)
    assert scaled.dtype == np.float32
    assert scaled.min() == 0
    assert scaled.max() == (1 if values.min() < values.max() else 0)


@given(MAPS)
def test_min_max_released_is_the_released_code_to_the_last_bit(values: np.ndarray) -> None:
    """One minus the min-max of the negated map, constants left as they are."""
    negated = -values
    if negated.max() - negated.min() != 0:
        negated = (negated - negated.min()) / (negated.max() - negated.min())
    np.testing.assert_array_equal(metrics.min_max_released(values), 1 - negated)


@given(arrays(np.float32, (5, 6, 8), elements=FINITE), st.integers(0, 47), st.booleans())
def test_the_order_statistic_is_the_sorted_value(
    values: np.ndarray, rank: int, positive: bool
) -> None:
    """Partitioning bits or floats, the threshold is the sorted map's value at that rank."""
    values = np.abs(values) if positive else values
    expected = np.sort(values.reshape(5, -1), axis=1)[:, rank]
    np.testing.assert_array_equal(metrics.order_statistic(values, rank), expected)
    np.testing.assert_array_equal(
        metrics.above_rank(values, rank), values > expected[:, None, None]
    )


def test_a_negative_zero_sorts_as_a_zero() -> None:
    """The bits of -0.0 do not come before or after those of 0.0."""
    values = np.array([[0.0, -0.0], [1.0, 2.0]], dtype=np.float32)
    assert [float(metrics.order_statistic(values, rank)) for rank in range(4)] == [0, 0, 1, 2]


def test_the_maximum_lies_where_most_of_its_pixels_lie() -> None:
    """A tied maximum counts for the mask that holds more than half of it; constants hit nothing."""
    mask = np.zeros((4, 4), dtype=bool)
    mask[0] = True
    values = np.zeros((4, 4))
    values[0, :2] = 1
    assert metrics.peak_inside(values, mask)
    values[3, 0] = 1
    assert metrics.peak_inside(values, mask)
    values[3, 1] = 1
    assert not metrics.peak_inside(values, mask)
    assert not metrics.peak_inside(np.ones((4, 4)), np.ones((4, 4), dtype=bool))


def test_ties_are_more_than_half_of_the_pixels_at_the_minimum() -> None:
    """Exactly half is not a tie that escapes the median rule."""
    values = np.arange(16.0).reshape(4, 4)
    assert not metrics.tied_at_minimum(values)
    assert not metrics.tied_at_minimum(np.maximum(values, 7))
    assert metrics.tied_at_minimum(np.maximum(values, 8))


def test_evaluate_gives_all_metrics_of_identical_masks() -> None:
    """A prediction equal to the truth succeeds everywhere, but for the strict end of the curve."""
    truth = np.eye(5, dtype=bool)[None].repeat(3, axis=0)
    assert metrics.evaluate(truth, truth, strict=False) == {
        "ciou": 1.0,
        "auc": 1.0,
        "mean_ciou": 1.0,
    }
    assert metrics.evaluate(truth, truth)["auc"] == pytest.approx(0.975)


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        (np.zeros((1, 2, 2), bool), np.zeros((1, 2, 3), bool), "shape"),
        (np.zeros(4, bool), np.zeros(4, bool), "shape"),
        (np.ones((1, 2, 2), bool), np.zeros((1, 2, 2)), "threshold rule"),
        (np.full((1, 2, 2), 2.0), np.zeros((1, 2, 2), bool), "weights"),
    ],
)
def test_masks_that_do_not_compare_are_refused(
    truth: np.ndarray, predicted: np.ndarray, message: str
) -> None:
    """Wrong shapes, unthresholded maps and weights beyond 0..1 raise ValueError."""
    with pytest.raises(ValueError, match=message):
        metrics.evaluate(truth, predicted)


def test_an_empty_truth_warns() -> None:
    """Scoring a clip without a truth pixel is possible, but said."""
    empty = np.zeros((1, 2, 2), dtype=bool)
    with pytest.warns(UserWarning, match="empty"):
        assert metrics.evaluate(empty, empty)["ciou"] == 0


def test_no_clips_have_no_score() -> None:
    """The mean of nothing is refused, as is a rank beyond the map."""
    with pytest.raises(ValueError, match="no cIoU"):
        metrics.success_rate([])
    with pytest.raises(ValueError, match="rank"):
        metrics.above_rank(np.zeros((2, 2)), 4)
