"""Values in files of strangers: each is what it should be, or the file is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from vggss_tools.annotate.events import MAX_TEXT, Decision
from vggss_tools.annotate.formats.exchange import Item, Refused
from vggss_tools.annotate.json_values import cause, is_number_row, shown
from vggss_tools.boxes import Box

# A project of 5,158 clips is a few megabytes; with its frames inside a few hundred.
MAX_BYTES = 1 << 30
# A person's clock may be wrong by some hours or a time zone, not by more.
_CLOCK_ERROR = timedelta(days=1)
# No project of any of the tools is nested deeper than ten.
MAX_DEPTH = 100
# The field's longest answer is seven boxes a clip.
MAX_BOXES = 1000
# Pixels that a box may leave the frame by, for the rounding of other tools; it is brought back.
ROUNDING = 0.5


def read_json(path: Path, *, limit: int = MAX_BYTES) -> Any:
    """Read a JSON file; no key twice, no NaN, no infinity.

    Raises
    ------
    Refused
        If it is no such file.
    OSError
        If it cannot be read.
    """
    size = path.stat().st_size
    if size > limit:
        raise Refused(path.name, f"{size:,} bytes, more than the {limit:,} that are read")
    return parse_json(path.read_bytes(), path.name)


def parse_json(data: bytes, where: str) -> Any:
    """Parse as :func:`read_json` does."""
    try:
        value = json.loads(data, object_pairs_hook=_object, parse_constant=_no_constant)
        _check_depth(value)
    except (ValueError, RecursionError) as error:
        raise Refused(where, f"not JSON ({cause(error)})") from None
    return value


def _check_depth(value: Any) -> None:
    """Refuse what is nested so deep that showing it could overrun the stack."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        level = [
            inside
            for one in level
            for inside in (one.values() if isinstance(one, dict) else one)
            if isinstance(inside, (dict, list))
        ]
        if not level:
            return
    raise ValueError(f"nested more than {MAX_DEPTH} deep")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same key twice")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def known_clip(value: Any, known: Mapping[str, Item], where: str) -> Item:
    """Return the item that a clip id stands for."""
    if not isinstance(value, str):
        raise Refused(where, f"clip id {shown(value)} is not text")
    item = known.get(value)
    if item is None:
        raise Refused(where, f"clip {shown(value)} is not among the clips of the data directory")
    return item


def same_class(value: Any, item: Item, where: str) -> str:
    """Return the item's class, which a file must name if it names one."""
    if value is None or value == item.label:
        return item.label
    raise Refused(where, f"class {shown(value)} is not the clip's, {item.label!r}", item.clip_id)


def decision_of(value: Any, where: str, clip_id: str) -> Decision | None:
    """Return a decision; None where nothing is said."""
    if value in (None, ""):
        return None
    try:
        return Decision(value) if isinstance(value, str) else _refuse()
    except ValueError:
        known = ", ".join(Decision)
        raise Refused(where, f"decision {shown(value)} is not one of {known}", clip_id) from None


def _refuse() -> NoReturn:
    raise ValueError


def sounding_of(value: Any, where: str, clip_id: str) -> bool:
    """Return whether a box sounds; it does where nothing is said."""
    if value is None:
        return True
    if isinstance(value, bool):
        return value
    raise Refused(where, f"sounding is {shown(value)}, not true or false", clip_id)


def text_of(value: Any, name: str, where: str, clip_id: str | None = None) -> str | None:
    """Return a short printable text; None where there is none."""
    if value in (None, ""):
        return None
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise Refused(where, f"{name} {shown(value)} is not a short printable text", clip_id)
    return value


def base_of(value: Any, where: str, clip_id: str) -> str | None:
    """Return ``Answer.base``; unlike other texts it may be empty."""
    return "" if value == "" else text_of(value, "last_event", where, clip_id)


def time_of(value: Any, where: str, clip_id: str) -> datetime | None:
    """Return a time with a UTC offset that is not in the future; None where there is none."""
    if value in (None, ""):
        return None
    try:
        time = datetime.fromisoformat(value).astimezone(UTC)
        if datetime.fromisoformat(value).tzinfo is None:
            raise ValueError
    except (ValueError, TypeError, OverflowError):
        raise Refused(
            where, f"time {shown(value)} is not ISO 8601 with a UTC offset", clip_id
        ) from None
    if time > datetime.now(UTC) + _CLOCK_ERROR:
        raise Refused(where, f"time {shown(value)} is in the future", clip_id)
    return time


def fraction_box(values: Any, item: Item, where: str) -> Box:
    """Return the box ``[xmin, ymin, xmax, ymax]`` of fractions of the frame.

    Half a pixel beyond the frame is brought back to it, where the frame's size is known.
    """
    numbers = list(values) if isinstance(values, tuple) else values
    if not is_number_row(numbers):
        raise Refused(where, f"box {shown(values)} is not four finite numbers", item.clip_id)
    slack = (
        ROUNDING / item.width if item.width else 0,
        ROUNDING / item.height if item.height else 0,
    )
    clamped = [_within(float(value), slack[axis % 2]) for axis, value in enumerate(numbers)]
    if None in clamped:
        raise Refused(where, f"box {shown(values)} leaves the frame (fractions 0..1)", item.clip_id)
    return _box(clamped, values, item, where)


def pixel_box(values: Any, size: tuple[int, int], item: Item, where: str, *, xywh: bool) -> Box:
    """Return the box of ``[x, y, width, height]`` or ``[xmin, ymin, xmax, ymax]`` in pixels.

    Half a pixel beyond the frame is brought back to it.
    """
    numbers = list(values) if isinstance(values, tuple) else values
    if not is_number_row(numbers):
        raise Refused(where, f"box {shown(values)} is not four finite numbers", item.clip_id)
    x0, y0, x1, y1 = (float(value) for value in numbers)
    if xywh:
        x1, y1 = x0 + x1, y0 + y1
    slack = (ROUNDING / size[0], ROUNDING / size[1])
    edges = (x0 / size[0], y0 / size[1], x1 / size[0], y1 / size[1])
    clamped = [_within(edge, slack[axis % 2]) for axis, edge in enumerate(edges)]
    if None in clamped:
        raise Refused(
            where, f"box {shown(values)} leaves the frame of {size[0]}x{size[1]}", item.clip_id
        )
    return _box(clamped, values, item, where)


def _box(edges: Sequence[float | None], values: Any, item: Item, where: str) -> Box:
    try:
        return Box.from_sequence(edges)
    except ValueError:
        raise Refused(where, f"box {shown(values)} has no area", item.clip_id) from None


def _within(edge: float, slack: float) -> float | None:
    """Bring a fraction back into the frame; None if it is further out than ``slack``."""
    # The least that a division can be off by is let be as well.
    if not -slack - 1e-9 <= edge <= 1 + slack + 1e-9:
        return None
    return min(max(edge, 0.0), 1.0)
