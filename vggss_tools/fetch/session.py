"""One session with one host: its pace, its pauses, and what is tried again.

What is done about a failure is said by its kind's action. Transient ones are tried again with
growing pauses, each clip for itself. Blocked ones pause the whole session, all threads of it; if
the host asks for more patience than was allowed, or blocks again after each pause, the session
stops, and the message says when to come back.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from vggss_tools.errors import Action, ClipFailure, FailureKind
from vggss_tools.fetch.pacing import Clock, TokenBucket, WallClock

Result = TypeVar("Result")

# Tries of one clip that fails in a way that may pass, the first included.
TRIES = 4
# Pauses of 1, 2, 4… seconds, each times a random factor of 0.5 to 1.5: clips that failed together
# do not come back together.
BACKOFF_S = 1.0
BACKOFF_LIMIT_S = 60.0
# A host that says "not now" without saying until when.
UNTOLD_PAUSE_S = 60.0
# YouTube's blocks last "up to an hour" (yt-dlp's words).
UNTOLD_RETURN_S = 3600.0
MAX_PAUSE_S = 300.0
# Pauses in a row without one clip between them; then the host means it.
PAUSES_IN_A_ROW = 3
# An expected pause ends a little late rather than a little early.
GRACE_S = 0.1


@dataclass
class Session:
    """The pace and the pauses that the threads of a process share.

    Attributes
    ----------
    host : str or None
        None: a local source, of which nothing is paced, paused or tried again.
    per_hour : float or None
        Clips an hour; None: no limit.
    max_pause : float
        Longest pause in seconds that is waited for rather than stopped at.
    """

    host: str | None
    per_hour: float | None = None
    max_pause: float = MAX_PAUSE_S
    tries: int = TRIES
    clock: Clock = field(default_factory=WallClock)
    today: Callable[[], datetime] = field(default=lambda: datetime.now(UTC), repr=False)
    _random: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        self._bucket = TokenBucket(self.per_hour if self.host else None, self.clock)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._paused_until = 0.0
        self._pauses = 0  # since a clip last came
        self._epoch = 0  # how many pauses there were; a request belongs to the one it began in
        self._stopped_by: ClipFailure | None = None

    def stop(self) -> None:
        """End every wait; no further request is made."""
        self._stopping.set()

    def run(self, attempt: Callable[[], Result]) -> tuple[Result, int]:
        """Call ``attempt`` when it is its turn, again where that may help.

        Returns
        -------
        What it returned, and how often it was called.

        Raises
        ------
        ClipFailure
            The last one; a blocked one carries ``retry_at`` (UTC, ISO 8601) in its facts.
        """
        calls = failed = blocked = 0
        while True:
            epoch = self._wait_for_turn()
            calls += 1
            try:
                result = attempt()
            except ClipFailure as failure:
                failure.facts = {**failure.facts, "tries": calls}
                if self.host is None or self._stopping.is_set():
                    raise
                if failure.kind.action is Action.PAUSE:
                    blocked += 1
                    self._pause(failure, epoch, blocked)
                elif failure.kind.action is Action.RETRY and failed + 1 < self.tries:
                    failed += 1
                    self._back_off(failure, failed)
                else:
                    raise
            else:
                with self._lock:
                    self._pauses = 0
                return result, calls

    def _wait_for_turn(self) -> int:
        self._bucket.take(self._stopping)
        while True:
            with self._lock:
                if self._stopped_by is not None:
                    raise _copy_of(self._stopped_by)
                left = self._paused_until - self.clock.now()
                epoch = self._epoch
            if self._stopping.is_set():
                raise ClipFailure(FailureKind.ERROR, "interrupted before it was asked for")
            if left <= 0:
                return epoch
            self.clock.wait(left, self._stopping)

    def _back_off(self, failure: ClipFailure, failed: int) -> None:
        pause = min(BACKOFF_S * 2 ** (failed - 1), BACKOFF_LIMIT_S) * self._random.uniform(0.5, 1.5)
        told = failure.facts.get("retry_after")
        if told is not None:
            if told > self.max_pause:
                raise failure
            pause = max(pause, told + GRACE_S)
        self.clock.wait(pause, self._stopping)

    def _pause(self, failure: ClipFailure, epoch: int, blocked: int) -> None:
        """Pause all threads, or raise the failure with the moment to come back.

        Parameters
        ----------
        epoch : int
            In which the request began.
        blocked : int
            How often this clip was blocked; others may well have come between.
        """
        told = failure.facts.get("retry_after")
        with self._lock:
            if self._stopped_by is not None:
                raise _copy_of(self._stopped_by)
            known = epoch < self._epoch  # asked before the last pause was declared
            pause = UNTOLD_PAUSE_S if told is None else told + GRACE_S
            if not known:
                self._pauses += 1
            if pause > self.max_pause or max(self._pauses, blocked) > PAUSES_IN_A_ROW:
                back = max(told or 0.0, UNTOLD_RETURN_S if told is None else 0.0)
                self._stopped_by = self._ended(failure, back)
                raise self._stopped_by
            if not known:
                self._epoch += 1
            self._paused_until = max(self._paused_until, self.clock.now() + pause)

    def _ended(self, failure: ClipFailure, seconds: float) -> ClipFailure:
        back = (self.today() + timedelta(seconds=seconds)).replace(microsecond=0).isoformat()
        message = failure.message
        if failure.kind in (FailureKind.BOT_CHECK, FailureKind.CAPTCHA):
            message += "; give the cookies of a browser that has passed it with --cookies FILE"
        return ClipFailure(failure.kind, message, {**failure.facts, "retry_at": back})


def _copy_of(failure: ClipFailure) -> ClipFailure:
    """Return an equal failure; one exception raised in two threads would mix their traces."""
    return ClipFailure(failure.kind, failure.message, dict(failure.facts))
