"""Progress on stderr: a bar on a terminal, now and then a line elsewhere; none of what is quick."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any, Self, TypeVar

T = TypeVar("T")

PATIENCE_S = 2.0
LINE_EVERY_S = 30.0  # where there is no terminal, such as in a batch scheduler's log


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


class StageProgress:
    """Rate, time left and counts by outcome of a stage; use it as a context manager.

    Parameters
    ----------
    todo, total : int
        Clips that have to be done, and clips in all.
    """

    def __init__(self, label: str, todo: int, total: int) -> None:
        self.label = label
        self.todo = todo
        self.counts: Counter[str] = Counter()
        self._started = self._said = time.monotonic()
        self._bar = progress_bar(label=label, total=total, initial=total - todo)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def add(self, outcomes: Iterable[str]) -> None:
        """Count outcomes, ``done`` or kinds of failure, and show where the run stands."""
        found = list(outcomes)
        self.counts.update(found)
        if not self._bar.disable:
            self._bar.set_postfix_str(self._outcomes(), refresh=False)
            self._bar.update(len(found))
            return
        if time.monotonic() - self._said >= LINE_EVERY_S:
            self._said = time.monotonic()
            sys.stderr.write(self.line(self._said - self._started) + "\n")
            sys.stderr.flush()

    def line(self, seconds: float) -> str:
        """Return the state as one line.

        Parameters
        ----------
        seconds : float
            Since the start.
        """
        tried = self.counts.total()
        rate = tried / max(seconds, 1e-9)
        left = _duration((self.todo - tried) / rate) if tried else "unknown"
        return (
            f"{self.label}: {tried:,} of {self.todo:,} clips ({tried / max(self.todo, 1):.1%}), "
            f"{self._outcomes()}; {rate:.3g} clips/s, time left: {left}"
        )

    def _outcomes(self) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in self.counts.most_common())


def _duration(seconds: float) -> str:
    minutes, s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {s:02} s"
