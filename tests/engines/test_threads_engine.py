"""The engine of threads, without a stage."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from vggss_tools.engines import threads


def nothing() -> None:
    """Need no setting up."""


@pytest.mark.parametrize("workers", [0, 1, 3, None])
def test_every_item_has_its_result(workers: int | None) -> None:
    """Nothing is lost or done twice, however many threads there are."""
    results = threads.map_unordered(str, range(50), setup=nothing, workers=workers)
    assert sorted(results, key=int) == [str(i) for i in range(50)]


def test_threads_work_at_the_same_time_in_this_process() -> None:
    """All threads are at work together, and what they share is shared."""
    together = threading.Barrier(3, timeout=60)

    def work(_: int) -> int:
        return together.wait()

    results = threads.map_unordered(work, range(3), setup=nothing, workers=3)
    assert sorted(results) == [0, 1, 2]


def test_an_error_of_a_thread_reaches_the_driver() -> None:
    """What a thread cannot handle ends the run."""

    def work(item: int) -> int:
        raise KeyError(item)

    with pytest.raises(KeyError):
        list(threads.map_unordered(work, range(3), setup=nothing, workers=2))


def test_no_item_is_begun_after_the_end_is_called() -> None:
    """When the items come to an end early, what is in flight still comes."""
    wanted = True

    def items() -> Iterator[int]:
        for item in range(100):
            if not wanted:
                return
            yield item

    seen = []
    for result in threads.map_unordered(int, items(), setup=nothing, workers=2):
        seen.append(result)
        wanted = False
    assert 1 <= len(seen) <= 2 + threads.QUEUED


def test_breaking_off_tells_the_function_to_end() -> None:
    """A run that is closed calls `stop`, and leaves what was not begun."""
    stopped = threading.Event()
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item:
            assert stopped.wait(60)
        return item

    results = threads.map_unordered(work, range(100), setup=nothing, workers=2, stop=stopped.set)
    assert next(results) == 0
    results.close()
    assert stopped.is_set()
    assert len(begun) <= 4
