"""Boxes as ``x, y, width, height`` in pixels, as VIA and LISA have them.

Written with three decimals, as VIA 3 itself saves. A rectangle that comes back as it was written
is the very box that it was written for, to the last bit; any other is what its numbers say.
"""

from __future__ import annotations

from typing import Any

from vggss_tools.annotate.formats.exchange import Item, Refused
from vggss_tools.annotate.json_values import is_number_row, shown
from vggss_tools.boxes import Box

DECIMALS = 3
# VIA 2 rounds a corner and a side each to whole pixels, so an edge may land one beyond the frame.
SLACK = 1.0

Size = tuple[int, int]
Rectangle = tuple[float, float, float, float]


def to_rectangle(box: Box, size: Size) -> Rectangle:
    """Return a box in pixels of a frame of ``size`` (width, height)."""
    width, height = size
    x, y = box.xmin * width, box.ymin * height
    return (
        round(x, DECIMALS),
        round(y, DECIMALS),
        round(box.xmax * width - x, DECIMALS),
        round(box.ymax * height - y, DECIMALS),
    )


def from_rectangle(numbers: Any, size: Size, item: Item, place: int, where: str) -> Box:
    """Return the box of four pixel numbers, cut to the frame where rounding went beyond it.

    Parameters
    ----------
    place : int
        Among the boxes of its entry, from 0; of two boxes in one pixel it tells which.

    Raises
    ------
    Refused
        Where they are no four finite numbers, leave the frame or have no area.
    """
    if not isinstance(numbers, (list, tuple)) or not is_number_row(list(numbers)):
        raise Refused(where, f"box {shown(numbers)} is not four numbers", item.clip_id)
    x, y, w, h = (float(number) for number in numbers)
    for known in (*item.boxes[place : place + 1], *item.boxes):
        if to_rectangle(known.box, size) == (x, y, w, h):
            return known.box
    width, height = size
    x0, x1 = sorted((x, x + w))  # dragged past its other side, VIA 3 gives a negative width
    y0, y1 = sorted((y, y + h))
    beyond = max(-x0, -y0, x1 - width, y1 - height)
    if not beyond <= SLACK:
        raise Refused(
            where,
            f"box [x {x:g}, y {y:g}, width {w:g}, height {h:g}] leaves the frame "
            f"({width} x {height} pixels); move it inside",
            item.clip_id,
        )
    try:
        return Box.from_pixels(x0, y0, x1, y1, width, height)
    except ValueError as error:
        raise Refused(where, str(error), item.clip_id) from None


def size_of(item: Item, where: str) -> Size:
    """Return the size of the clip's frame in pixels.

    Raises
    ------
    Refused
        Where there is no frame, so that pixels mean nothing.
    """
    if not item.width or not item.height:
        raise Refused(where, "its frame has no known size; run `vggss extract` first", item.clip_id)
    return item.width, item.height
