"""Threads of this process: for work that waits for others, and shares its patience among all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable
from queue import SimpleQueue
from typing import Any, TypeVar

from vggss_tools.engines.local import available_cores

Item = TypeVar("Item")
Result = TypeVar("Result")

# Waiting, so that no thread idles while the driver records; few, so that a stop is quick.
QUEUED = 2
GRACE_S = 5.0  # what threads get to end by themselves when the run is broken off


def map_unordered(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    setup: Callable[[], None],
    workers: int | None = None,
    stop: Callable[[], None] = lambda: None,
) -> Generator[Result, None, None]:
    """Yield ``function(item)`` for each item, in the order in which they finish.

    Parameters
    ----------
    setup : callable
        Runs once, before the first item.
    workers : int, optional
        Threads; 0 runs everything in this one; default: one a core.
    stop : callable
        Called where the run is broken off with items in flight; makes ``function`` end soon.

    Threads that do not end soon are left behind: they end with the process at the latest.
    """
    if workers is None:
        workers = available_cores()
    setup()
    if workers == 0:
        yield from map(function, items)
        return
    tasks: SimpleQueue[Any] = SimpleQueue()
    results: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
    end = object()

    def work() -> None:
        while (item := tasks.get()) is not end:
            try:
                results.put((function(item), None))
            except BaseException as error:  # noqa: BLE001 - raised in the driver
                results.put((None, error))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]
    in_flight = 0
    for thread in threads:
        thread.start()
    try:
        for item in items:
            tasks.put(item)
            in_flight += 1
            if in_flight >= workers + QUEUED:
                in_flight -= 1
                yield _result(results)
        while in_flight:
            in_flight -= 1
            yield _result(results)
    finally:
        if in_flight:
            while not tasks.empty():  # what has not been begun is not begun
                tasks.get()
            stop()
        for _ in threads:
            tasks.put(end)
        until = time.monotonic() + GRACE_S
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0))


def _result(results: SimpleQueue[tuple[Any, BaseException | None]]) -> Any:
    value, error = results.get()
    if error is not None:
        raise error
    return value
