"""How long a clip's bytes are waited for."""

from __future__ import annotations

import time
from dataclasses import dataclass

from vggss_tools.errors import ClipFailure, FailureKind

# Seconds without a byte after which a connection has stalled.
STALL_S = 20.0


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a clip's time is over.

    Attributes
    ----------
    moment : float
        Of ``time.monotonic()``.
    limit : float
        Seconds that the clip had in all, for messages.
    """

    moment: float
    limit: float

    @classmethod
    def after(cls, seconds: float, *, limit: float | None = None) -> Deadline:
        """Return the moment in so many seconds."""
        return cls(time.monotonic() + seconds, seconds if limit is None else limit)

    @property
    def patience(self) -> float:
        """Seconds to wait for the next byte, more than 0."""
        # A stall leaves time for more tries, also where the limit is short.
        return max(0.001, min(STALL_S, self.limit / 4, self.moment - time.monotonic()))

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() >= self.moment

    def failure(self, name: str) -> ClipFailure:
        """Return the failure of what was not done in time."""
        return ClipFailure(
            FailureKind.TIMEOUT, f"{name}: not done after {self.limit:g} s, the limit for one clip"
        )
