"""One session with one host: its pace, its pauses, and what is tried again.

What is done about a failure is said by its kind's action. Transient ones are tried again with
growing pauses, each clip for itself. Blocked ones pause the whole session, all threads of it. A
clip that is blocked after each of a few pauses is given up alone; the session stops, and says when
to come back, where the host asks for more patience than was allowed, or blocks several different
clips without one coming between.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from vggss_tools.errors import Action, ClipFailure, FailureKind
from vggss_tools.fetch.clip_clock import ClipClock
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
# Pauses after which a clip that is blocked again is given up for this run.
PAUSES_IN_A_ROW = 3
# So many different clips blocked in a row, without one coming between: then it is not the clip.
BLOCKED_CLIPS = 3
# An expected pause ends a little late rather than a little early.
GRACE_S = 0.1


def backoff_s(failed: int, chance: random.Random) -> float:
    """Return the pause in seconds after the n-th failure, counted from 1."""
    return min(BACKOFF_S * 2 ** (failed - 1), BACKOFF_LIMIT_S) * chance.uniform(0.5, 1.5)


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
        self._blocked: set[int] = set()  # the calls of `run` that were blocked since then
        self._calls = 0
        self._epoch = 0  # how many pauses there were; a request belongs to the one it began in
        self._stopped_by: ClipFailure | None = None

    def stop(self) -> None:
        """End every wait; no further request is made."""
        self._stopping.set()

    def run(
        self, attempt: Callable[[], Result], clock: ClipClock | None = None
    ) -> tuple[Result, int]:
        """Call ``attempt`` when it is its turn, again where that may help and there is time.

        Parameters
        ----------
        clock : ClipClock, optional
            Of the clip; ``attempt`` counts its own time by it.

        Returns
        -------
        What it returned, and how often it was called.

        Raises
        ------
        ClipFailure
            The last one. A blocked one carries ``retry_at`` (UTC, ISO 8601) in its facts, and
            ``alone`` where the session goes on; one without a single call ``asked: False``.
        """
        with self._lock:
            self._calls += 1
            number = self._calls
        calls = failed = blocked = 0
        last: ClipFailure | None = None
        while True:
            try:
                epoch = self._wait_for_turn()
            except ClipFailure as stopped:
                if last is None:
                    raise
                # What it met itself; what stopped the session is another clip's.
                back = {k: v for k, v in stopped.facts.items() if k == "retry_at"}
                last.facts = {**last.facts, **back}
                raise last from None
            calls += 1
            try:
                result = attempt()
            except ClipFailure as failure:
                failure.facts = {**failure.facts, "tries": calls}
                last = failure
                if self.host is None or self._stopping.is_set():
                    raise
                if failure.kind.action is Action.PAUSE:
                    blocked += 1
                    self._pause(failure, epoch, blocked, number)
                elif failure.kind.action is Action.RETRY and failed + 1 < self.tries:
                    failed += 1
                    if clock is None:
                        self._back_off(failure, failed, math.inf)
                    else:
                        with clock.running():
                            self._back_off(failure, failed, clock.left)
                else:
                    raise
            else:
                with self._lock:
                    self._pauses = 0
                    self._blocked.clear()
                return result, calls

    def _wait_for_turn(self) -> int:
        self._bucket.take(self._stopping)
        while True:
            with self._lock:
                if self._stopped_by is not None:
                    raise not_asked(self._stopped_by.message, self._stopped_by.facts)
                left = self._paused_until - self.clock.now()
                epoch = self._epoch
            if self._stopping.is_set():
                raise not_asked("interrupted before it was asked for")
            if left <= 0:
                return epoch
            self.clock.wait(left, self._stopping)

    def _back_off(self, failure: ClipFailure, failed: int, left: float) -> None:
        pause = backoff_s(failed, self._random)
        told = failure.facts.get("retry_after")
        if told is not None:
            if told > self.max_pause:
                raise failure
            pause = max(pause, told + GRACE_S)
        if pause >= left:  # no time for another try
            raise failure
        self.clock.wait(pause, self._stopping)

    def _pause(self, failure: ClipFailure, epoch: int, blocked: int, number: int) -> None:
        """Pause all threads; or raise the failure, with the moment to come back.

        Parameters
        ----------
        epoch : int
            In which the request began.
        blocked : int
            How often this clip was blocked; others may well have come between.
        number : int
            Of the clip in this session.
        """
        told = failure.facts.get("retry_after")
        pause = UNTOLD_PAUSE_S if told is None else told + GRACE_S
        with self._lock:
            if self._stopped_by is not None:
                raise self._given_up(failure, self._stopped_by.facts.get("retry_at"))
            if pause > self.max_pause:
                back = self._moment(UNTOLD_RETURN_S if told is None else told)
                self._stopped_by = self._given_up(failure, back)
                raise self._stopped_by
            if epoch == self._epoch:  # else it was asked before the last pause was declared
                self._pauses += 1
                self._epoch += 1
            self._blocked.add(number)
            self._paused_until = max(self._paused_until, self.clock.now() + pause)
            if max(self._pauses, blocked) <= PAUSES_IN_A_ROW:
                return
            # Patience as short as it asked for has not helped, so a longer one is named.
            given_up = self._given_up(failure, self._moment(max(pause, UNTOLD_RETURN_S)))
            if len(self._blocked) >= BLOCKED_CLIPS:
                self._stopped_by = given_up
            else:
                given_up.facts["alone"] = True
            raise given_up

    def _moment(self, seconds: float) -> str:
        """Return when that time has passed, to the next full second."""
        moment = self.today() + timedelta(seconds=math.ceil(seconds))
        return moment.replace(microsecond=0).isoformat()

    @staticmethod
    def _given_up(failure: ClipFailure, back: str | None) -> ClipFailure:
        message = failure.message
        if failure.kind in (FailureKind.BOT_CHECK, FailureKind.CAPTCHA):
            message += "; give the cookies of a browser that has passed it with --cookies FILE"
        facts = failure.facts if back is None else {**failure.facts, "retry_at": back}
        return ClipFailure(failure.kind, message, dict(facts))


def not_asked(message: str, facts: dict[str, Any] | None = None) -> ClipFailure:
    """Return the failure of a clip that nobody was asked for, so that nothing is known of it."""
    back = {k: v for k, v in (facts or {}).items() if k == "retry_at"}
    return ClipFailure(FailureKind.ERROR, message, {**back, "asked": False})
