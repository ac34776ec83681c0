"""Progress bars: on stderr, only on a terminal, only for what takes longer than two seconds."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE_S = 2.0


def progress_bar(
    *, label: str, total: int | None = None, unit: str = "clip", initial: int = 0
) -> Any:
    """Return a tqdm bar; use it as a context manager and call ``update``."""
    from tqdm import tqdm

    return tqdm(
        total=total,
        desc=label,
        unit=unit,
        initial=initial,
        file=sys.stderr,
        disable=not sys.stderr.isatty(),
        delay=PATIENCE_S,
        dynamic_ncols=True,
    )


def track(
    items: Iterable[T], label: str, total: int | None = None, unit: str = "clip"
) -> Iterable[T]:
    """Iterate over ``items`` behind a progress bar."""
    from tqdm import tqdm

    return tqdm(
        items,
        total=total,
        desc=label,
        unit=unit,
        file=sys.stderr,
        disable=not sys.stderr.isatty(),
        delay=PATIENCE_S,
        dynamic_ncols=True,
    )
