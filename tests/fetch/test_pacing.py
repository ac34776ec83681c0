"""The pace and the pauses of a session, by a clock of the tests."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.fetch.pacing import TokenBucket
from vggss_tools.fetch.session import BLOCKED_CLIPS, PAUSES_IN_A_ROW, UNTOLD_PAUSE_S, Session

MOMENT = datetime(2030, 1, 1, tzinfo=UTC)


class HandClock:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float, stop: threading.Event) -> None:
        if not stop.is_set():
            self.waits.append(seconds)
            self.time += seconds


def session(clock: HandClock, **options: object) -> Session:
    return Session("host", clock=clock, today=lambda: MOMENT, **options)  # type: ignore[arg-type]


def failing(*failures: ClipFailure) -> Callable[[], str]:
    """Fail with each in turn, then succeed."""
    left = list(failures)

    def attempt() -> str:
        if left:
            raise left.pop(0)
        return "clip"

    return attempt


def blocked(seconds: float | None = None) -> ClipFailure:
    facts = {} if seconds is None else {"retry_after": seconds}
    return ClipFailure(FailureKind.RATE_LIMITED, "429", facts)


@given(st.integers(1, 60), st.floats(1, 100_000), st.integers(1, 10))
def test_the_rate_is_kept(asked: int, per_hour: float, burst: int) -> None:
    """So many turns never come sooner than the rate allows, but for the burst."""
    clock = HandClock()
    bucket = TokenBucket(per_hour, clock, burst)
    stop = threading.Event()
    for _ in range(asked):
        bucket.take(stop)
    expected = max(asked - burst, 0) * 3600 / per_hour
    assert clock.now() - 1000 == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_quiet_times_save_up_no_more_than_the_burst() -> None:
    """After a day's rest only the burst goes at once."""
    clock = HandClock()
    bucket = TokenBucket(3600, clock, burst=2)
    clock.time += 86_400
    assert [round(bucket.reserve(), 6) for _ in range(4)] == [0, 0, 1, 2]


def test_without_a_rate_nothing_waits() -> None:
    """None is no limit."""
    clock = HandClock()
    TokenBucket(None, clock).take(threading.Event())
    assert clock.waits == []


def test_a_rate_is_positive() -> None:
    """A rate of nothing would wait for ever."""
    with pytest.raises(ValueError, match="above 0"):
        TokenBucket(0)


def test_transient_failures_are_tried_again_with_growing_pauses() -> None:
    """Two timeouts, then the clip; the second pause is longer on the whole."""
    clock = HandClock()
    timeout = ClipFailure(FailureKind.TIMEOUT, "slow")
    assert session(clock).run(failing(timeout, timeout)) == ("clip", 3)
    first, second = clock.waits
    assert 0.5 <= first <= 1.5
    assert 1.0 <= second <= 3.0


def test_transient_failures_are_not_tried_for_ever() -> None:
    """After the last try the failure stands, with the number of tries."""
    clock = HandClock()
    failures = [ClipFailure(FailureKind.HTTP_5XX, "503") for _ in range(9)]
    with pytest.raises(ClipFailure) as caught:
        session(clock, tries=3).run(failing(*failures))
    assert caught.value.facts["tries"] == 3


@pytest.mark.parametrize("kind", ["not_found", "private", "corrupt", "disk_full"])
def test_what_cannot_clear_is_not_tried_again(kind: str) -> None:
    """Permanent, media and fatal failures cost one request."""
    clock = HandClock()
    with pytest.raises(ClipFailure) as caught:
        session(clock).run(failing(ClipFailure(FailureKind(kind), "no")))
    assert caught.value.facts["tries"] == 1
    assert clock.waits == []


def test_a_server_error_says_when() -> None:
    """Retry-After of a 503 is honoured."""
    clock = HandClock()
    session(clock).run(failing(ClipFailure(FailureKind.HTTP_5XX, "503", {"retry_after": 40.0})))
    assert clock.waits[0] >= 40


def test_a_block_pauses_for_as_long_as_it_says_and_goes_on() -> None:
    """The clip is fetched after the pause."""
    clock = HandClock()
    assert session(clock).run(failing(blocked(20))) == ("clip", 2)
    assert sum(clock.waits) == pytest.approx(20, abs=1)


def test_a_block_pauses_every_clip_of_the_session() -> None:
    """Another clip waits out the pause that the first has met."""
    clock = HandClock()
    one = session(clock)
    order: list[str] = []

    def first() -> str:
        if not order:
            order.append("blocked")
            raise blocked(50)
        order.append("first")
        return "clip"

    def meanwhile() -> str:
        order.append(f"second after {clock.now() - 1000:.0f}")
        return "clip"

    original = clock.wait

    def wait(seconds: float, stop: threading.Event) -> None:
        clock.wait = original  # type: ignore[method-assign]
        one.run(meanwhile)
        original(max(0.0, seconds - (clock.now() - 1000)), stop)

    clock.wait = wait  # type: ignore[method-assign]
    one.run(first)
    assert order == ["blocked", "second after 50", "first"]


def test_a_block_for_too_long_stops_the_session() -> None:
    """It says when to come back, and no later clip is asked for."""
    clock = HandClock()
    one = session(clock, max_pause=300)
    with pytest.raises(ClipFailure) as caught:
        one.run(failing(blocked(7200)))
    assert caught.value.facts["retry_at"] == "2030-01-01T02:00:00+00:00"
    assert clock.waits == []
    with pytest.raises(ClipFailure, match="429"):
        one.run(lambda: pytest.fail("asked after the session was stopped"))


def test_a_host_that_blocks_after_each_pause_is_left_alone() -> None:
    """A few pauses of the untold length, then the end; back in an hour."""
    clock = HandClock()
    with pytest.raises(ClipFailure) as caught:
        session(clock).run(failing(*[blocked() for _ in range(20)]))
    assert caught.value.facts["tries"] == PAUSES_IN_A_ROW + 1
    assert sum(clock.waits) == pytest.approx(PAUSES_IN_A_ROW * UNTOLD_PAUSE_S, abs=1)
    assert caught.value.facts["retry_at"] == "2030-01-01T01:00:00+00:00"


def test_one_clip_that_is_always_blocked_ends_alone() -> None:
    """It is given up after a few pauses; the session goes on, and the time named is far enough."""
    clock = HandClock()
    one = session(clock)
    with pytest.raises(ClipFailure) as caught:
        one.run(failing(*[blocked(1) for _ in range(20)]))
    assert caught.value.kind is FailureKind.RATE_LIMITED
    assert caught.value.facts["alone"] is True
    assert caught.value.facts["retry_at"] == "2030-01-01T01:00:00+00:00"
    assert one.run(lambda: "another") == ("another", 1)


def test_others_that_come_between_do_not_keep_a_blocked_clip_for_ever() -> None:
    """Its own tries are counted as well."""
    one = session(HandClock())

    def attempt() -> str:
        one.run(lambda: "another")
        raise blocked(1)

    with pytest.raises(ClipFailure) as caught:
        one.run(attempt)
    assert caught.value.facts["tries"] == PAUSES_IN_A_ROW + 1


def test_several_clips_blocked_in_a_row_stop_the_session() -> None:
    """Then it is the host; clips that were never asked for say so, and have no try."""
    one = session(HandClock())
    for number in range(BLOCKED_CLIPS):
        with pytest.raises(ClipFailure) as caught:
            one.run(failing(*[blocked() for _ in range(20)]))
        assert caught.value.facts.get("alone", False) is (number < BLOCKED_CLIPS - 1)
    with pytest.raises(ClipFailure) as caught:
        one.run(lambda: pytest.fail("asked after the session was stopped"))
    assert caught.value.facts["asked"] is False
    assert "tries" not in caught.value.facts


def test_a_bot_check_says_what_helps() -> None:
    """Cookies are the way past it."""
    clock = HandClock()
    check = [ClipFailure(FailureKind.BOT_CHECK, "not a bot") for _ in range(20)]
    with pytest.raises(ClipFailure, match="--cookies"):
        session(clock).run(failing(*check))


def test_local_sources_are_neither_paced_nor_tried_again() -> None:
    """A file that cannot be read now cannot be read in a second."""
    clock = HandClock()
    local = Session(None, 1.0, clock=clock)
    for _ in range(20):
        assert local.run(lambda: "clip") == ("clip", 1)
    with pytest.raises(ClipFailure):
        local.run(failing(ClipFailure(FailureKind.NETWORK, "odd")))
    assert clock.waits == []


def test_a_stopped_session_asks_for_nothing() -> None:
    """After Ctrl-C no further request is made."""
    one = session(HandClock())
    one.stop()
    with pytest.raises(ClipFailure, match="interrupted"):
        one.run(lambda: pytest.fail("asked after the end"))
