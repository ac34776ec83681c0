"""The time that one clip may take, all tries together."""

from __future__ import annotations

import threading

import pytest

from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.fetch.clip_clock import ClipClock
from vggss_tools.fetch.session import Session
from vggss_tools.fetch.source import FetchRequest


class Hands:
    """A clock that only moves when it is told to, or waited by."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        """Return the seconds so far."""
        return self.time

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Let time pass at once."""
        self.time += seconds


def test_tries_and_pauses_share_one_limit() -> None:
    """Each try has what is left; none is begun without time, and the last failure is told."""
    hands = Hands()
    clock = ClipClock(30.0, hands.now)
    given: list[float] = []

    def attempt() -> None:
        with clock.running():
            request = clock.request(FetchRequest("a_000000", "a", 0.0))
            assert request.time_limit == 30.0
            given.append(request.try_limit)
            hands.time += 14.0
            raise ClipFailure(FailureKind.HTTP_5XX, f"try {len(given)}")

    with pytest.raises(ClipFailure) as caught:
        Session("host", clock=hands, tries=9).run(attempt, clock)
    assert caught.value.message == f"try {len(given)}"
    assert given[0] == 30.0
    assert 14.0 < given[1] < 16.0
    assert len(given) == 2
    assert hands.time <= 30.0
    assert clock.left == pytest.approx(30.0 - hands.time)


def test_waiting_for_a_turn_does_not_count() -> None:
    """A slow pace, or a pause that the host asks for, takes nothing of a clip's time."""
    hands = Hands()
    session = Session("host", 60.0, clock=hands, max_pause=1000.0)
    answers = iter([ClipFailure(FailureKind.RATE_LIMITED, "slow down", {"retry_after": 200.0})])
    clock = ClipClock(30.0, hands.now)

    def attempt() -> str:
        with clock.running():
            for failure in answers:
                raise failure
            return "here"

    assert session.run(attempt, clock) == ("here", 2)
    assert hands.time > 200.0
    assert clock.left == 30.0
