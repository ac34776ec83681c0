"""Making objects by the 100,000: Python's search for circles among them is put off meanwhile."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_search_for_circles() -> Iterator[None]:
    """Keep the cyclic garbage collector off for the length of a block, or of a function.

    It goes through all objects again and again while their number grows, which takes a third of
    the time of reading 200,000 clips; none of them is part of a circle.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
