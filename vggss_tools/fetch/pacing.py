"""Pacing: how many clips an hour are asked of a host, and the clock by which it is counted."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Protocol

SECONDS_PER_HOUR = 3600.0

# yt-dlp's maintainers count about 300 videos an hour for a session without an account
# (yt-dlp wiki, Extractors: "the rate limit for guest sessions is ~300 videos/hour").
YOUTUBE_PER_HOUR = 300.0
# So many may go at once after a quiet time; the mean stays.
BURST = 5


class Clock(Protocol):
    """Time, which tests replace by one of their own."""

    def now(self) -> float:
        """Return seconds from some moment; never goes back."""

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Let time pass, or return early once ``stop`` is set."""


class WallClock:
    """The machine's monotonic clock: a jump of the date changes nothing."""

    def now(self) -> float:
        """Return the monotonic time in seconds."""
        return time.monotonic()

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Sleep, or return early once ``stop`` is set."""
        stop.wait(seconds)


@dataclass
class TokenBucket:
    """Hands out turns at a steady rate, with a small burst after a quiet time.

    Shared by the threads of one process. Turns are reserved in the order of asking, so that a
    thread never waits for longer than was promised to it.

    Attributes
    ----------
    per_hour : float or None
        Turns an hour; None hands them out at once.
    burst : int
        Turns that a quiet time may save up.
    """

    per_hour: float | None
    clock: Clock = field(default_factory=WallClock)
    burst: int = BURST
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _tokens: float = field(init=False)
    _counted_at: float = field(init=False)

    def __post_init__(self) -> None:
        if self.per_hour is not None and not self.per_hour > 0:
            raise ValueError(f"a rate of {self.per_hour} an hour; it must be above 0")
        self._tokens = float(self.burst)
        self._counted_at = self.clock.now()

    def reserve(self) -> float:
        """Take one turn and return in how many seconds it comes."""
        if self.per_hour is None:
            return 0.0
        rate = self.per_hour / SECONDS_PER_HOUR
        with self._lock:
            now = self.clock.now()
            self._tokens = min(self.burst, self._tokens + (now - self._counted_at) * rate)
            self._counted_at = now
            self._tokens -= 1.0  # below zero: turns that are promised
            return max(0.0, -self._tokens / rate)

    def take(self, stop: threading.Event) -> None:
        """Wait for one turn, or return early once ``stop`` is set."""
        delay = self.reserve()
        if delay > 0:
            self.clock.wait(delay, stop)
