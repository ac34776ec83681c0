"""The time that one clip may take, all tries together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from vggss_tools.fetch.source import FetchRequest


@dataclass
class ClipClock:
    """Counts a clip's tries and the pauses between them, but not the wait for its turn.

    Attributes
    ----------
    limit : float
        Seconds in all.
    """

    limit: float
    now: Callable[[], float] = field(default=time.monotonic, repr=False)
    _used: float = field(default=0.0, init=False)

    @property
    def left(self) -> float:
        """Seconds that are left, at least 0."""
        return max(0.0, self.limit - self._used)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what the block takes."""
        began = self.now()
        try:
            yield
        finally:
            self._used += self.now() - began

    def request(self, request: FetchRequest) -> FetchRequest:
        """Return a request for what is left of the time."""
        return replace(request, time_limit=self.limit, time_left=self.left)
