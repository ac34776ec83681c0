"""Heat maps, tri-maps, the choice of clips and the geometry of curves."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, success_chart
from vggss_tools.report.clip_choice import even_steps
from vggss_tools.report.pictures import (
    WIDTH as PICTURE_WIDTH,
)
from vggss_tools.report.pictures import (
    heat_overlay,
    jpeg_uri,
    tri_map_overlay,
    unit_range,
)

GREY = np.full((40, 60, 3), 128, dtype=np.uint8)


def test_unit_range() -> None:
    """A map fills 0..1; a constant one says nothing and becomes 0."""
    scaled = unit_range(np.array([[-3.0, 1.0], [0.0, 5.0]], dtype=np.float32))
    assert scaled.tolist() == [[0.0, 0.5], [0.375, 1.0]]
    assert not unit_range(np.full((2, 2), 7, dtype=np.float32)).any()


def test_tri_map_has_three_regions() -> None:
    """Above 0.65 is positive, below 0.4 negative, between them ignored (section 3.4)."""
    heat = np.array([[0.39, 0.41, 0.64, 0.66]], dtype=np.float32)
    wide = heat.repeat(15, axis=1).repeat(40, axis=0)
    picture = tri_map_overlay(GREY, wide)
    negative, low, high, positive = (picture[20, x].astype(int) for x in (7, 22, 37, 52))
    assert np.array_equal(low, high)
    assert negative.argmax() == 2  # blue
    assert positive.argmax() == 0  # orange
    assert np.ptp(low) < 10  # grey


def test_heat_is_brightest_at_the_maximum() -> None:
    """The overlay follows the map."""
    heat = np.zeros((4, 4), dtype=np.float32)
    heat[1, 2] = 1
    picture = heat_overlay(GREY, heat).sum(axis=2)
    y, x = np.unravel_index(picture.argmax(), picture.shape)
    assert abs(y - 15) <= 4
    assert abs(x - 37) <= 6


def test_pictures_are_jpeg_in_the_page() -> None:
    """The address holds the picture itself."""
    head, _, data = jpeg_uri(GREY).partition(",")
    assert head == "data:image/jpeg;base64"
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == GREY.shape
    assert PICTURE_WIDTH <= 640  # a page of twelve clips stays below a few megabytes


@given(st.integers(0, 200), st.integers(1, 30))
def test_even_steps(total: int, count: int) -> None:
    """As many as asked for, without repetition, in order, from the first to the last."""
    steps = even_steps(total, count)
    assert len(steps) == min(total, count)
    assert steps == sorted(set(steps))
    assert all(0 <= step < total for step in steps)
    if 1 < count <= total:
        assert (steps[0], steps[-1]) == (0, total - 1)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=21))
def test_curves_stay_in_their_drawing(shares: list[float]) -> None:
    """Every point lies between the axes, and a higher share is drawn higher."""
    points = [{"t": i / (len(shares) - 1), "share": s} for i, s in enumerate(shares)]
    (line,) = success_chart({"run": ("run0", points)}).lines
    for (x, y, _), point in zip(line.dots, points, strict=True):
        assert LEFT <= x <= WIDTH - RIGHT
        assert TOP <= y <= HEIGHT - BOTTOM
        assert abs((HEIGHT - BOTTOM - y) / (HEIGHT - BOTTOM - TOP) - point["share"]) < 0.001
