"""Which boxes of an answer are those that went out: they keep their numbers and their places."""

from __future__ import annotations

from vggss_tools.annotate.events import EventBox
from vggss_tools.annotate.formats.exchange import Answer, Item

# Fractions of the frame that are the same number but for the last digits of a division.
_SAME = 1e-9


def settled_boxes(
    answer: Answer, base: tuple[EventBox, ...], item: Item, precision: float
) -> tuple[EventBox, ...]:
    """Return the boxes after the answer, in the base's own numbers where they did not move.

    The base's order is kept as well: tools hand boxes back in an order of their own.
    """
    if answer.boxes is None:
        return base
    boxes = list(answer.boxes)
    if answer.only_sounding:
        boxes += [one for one in base if not one.sounding]
    left = list(range(len(base)))
    placed: dict[int, EventBox] = {}
    new: list[EventBox] = []
    for one in boxes:
        place = _nearest(one, base, left, item, precision)
        if place is None:
            new.append(one)
        else:
            left.remove(place)
            placed[place] = EventBox(base[place].box, one.sounding)
    # A box that moved takes the place of one that is gone, which is most often itself.
    for place in left:
        if new:
            placed[place] = new.pop(0)
    return (*(placed[place] for place in sorted(placed)), *new)


def _nearest(
    one: EventBox, base: tuple[EventBox, ...], left: list[int], item: Item, precision: float
) -> int | None:
    """Return the place of the base's nearest box that is left and within the precision."""
    best = None
    for place in left:
        gap = max(
            abs(a - b) / ((precision / size if size else 0.0) + _SAME)
            for a, b, size in zip(
                one.box.as_list(), base[place].box.as_list(),
                (item.width, item.height, item.width, item.height), strict=True,
            )
        )  # fmt: skip
        # Of two boxes on one place the one with the same sounding is the same.
        rank = (gap, base[place].sounding != one.sounding)
        if gap <= 1 and (best is None or rank < best[0]):
            best = (rank, place)
    return best[1] if best else None
