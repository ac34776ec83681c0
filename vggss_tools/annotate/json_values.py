"""JSON values that strangers wrote: what they are, and how to show them in one line."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

_SHOWN = 60


def is_number_row(values: Any, length: int = 4) -> TypeGuard[list[float]]:
    """Whether ``values`` is a list of ``length`` finite numbers; true and false are none."""
    return (
        isinstance(values, list)
        and len(values) == length
        and all(type(value) in (int, float) and _is_finite(value) for value in values)
    )


def shown(value: Any) -> str:
    """Show a value in an error: ASCII, on one line, and never much of it."""
    text = ascii(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def cause(error: BaseException) -> str:
    """Return an exception's own words on one line."""
    # Python's advice on numbers of thousands of digits is for programmers.
    words = " ".join(str(error).split()).partition("; use sys.set_int_max_str_digits")[0]
    return words[:200] or type(error).__name__


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False
