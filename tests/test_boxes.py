from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.boxes import Box, iou, iou_matrix, match_boxes, union_area


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x = sorted(draw(st.lists(st.integers(0, 64), min_size=2, max_size=2, unique=True)))
    y = sorted(draw(st.lists(st.integers(0, 64), min_size=2, max_size=2, unique=True)))
    return Box(x[0] / 64, y[0] / 64, x[1] / 64, y[1] / 64)


@pytest.mark.parametrize(
    "values",
    [
        [0.1, 0.1, 0.1, 0.5],
        [0.5, 0.1, 0.2, 0.5],
        [-0.1, 0, 1, 1],
        [0, 0, 1.1, 1],
        [0, 0, math.nan, 1],
        [0, 0, 1],
        [0, 0, 1, None],
        [False, 0, 1, 1],
        "0011",
    ],
)
def test_what_is_not_a_box_is_refused(values: object) -> None:
    """Empty, reversed, outside, not finite, not four numbers: each is a ValueError."""
    with pytest.raises(ValueError, match="box"):
        Box.from_sequence(values)  # type: ignore[arg-type]


def test_pixels_become_fractions_and_stay_inside() -> None:
    """Edges are divided by the frame's size and brought back to it."""
    assert Box.from_pixels(-5, 12, 320, 300, 320, 240) == Box(0, 0.05, 1, 1)


@given(boxes(), boxes())
def test_iou_is_symmetric_and_bounded(a: Box, b: Box) -> None:
    """IoU lies in 0..1, is the same both ways, and is 1 only for equal boxes."""
    value = iou(a, b)
    assert 0 <= value <= 1
    assert value == pytest.approx(iou(b, a))
    assert (value == 1) == (a == b)
    assert iou_matrix(np.array([a.as_list()]), np.array([b.as_list()]))[0, 0] == pytest.approx(
        value
    )


@given(st.lists(boxes(), max_size=4))
def test_the_union_is_what_a_grid_counts(found: list[Box]) -> None:
    """The exact union equals counting the cells of the grid on which all edges lie."""
    grid = np.zeros((64, 64), dtype=bool)
    for box in found:
        x0, y0, x1, y1 = (round(value * 64) for value in box.as_list())
        grid[y0:y1, x0:x1] = True
    assert union_area(found) == pytest.approx(grid.mean())


@given(st.lists(boxes(), max_size=4), st.lists(boxes(), max_size=4))
def test_matching_is_one_to_one(a: list[Box], b: list[Box]) -> None:
    """No box is used twice, and every pair is over the threshold."""
    matches = match_boxes(a, b)
    assert len({i for i, _, _ in matches}) == len({j for _, j, _ in matches}) == len(matches)
    assert all(overlap >= 0.5 for _, _, overlap in matches)


def test_the_best_pair_is_matched_first() -> None:
    """A prediction that fits better is not displaced by an earlier, worse one."""
    truth = [Box(0, 0, 0.5, 0.5)]
    matches = match_boxes([Box(0, 0, 0.5, 0.4), Box(0, 0, 0.5, 0.5)], truth)
    assert matches == [(1, 0, 1.0)]
