"""The local engine: worker processes of this machine, or this very process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from vggss_tools.errors import Incomplete

Item = TypeVar("Item")
Result = TypeVar("Result")

# Enough to keep every worker busy, few enough that a stop is quick and memory stays flat.
IN_FLIGHT_PER_WORKER = 2
ORPHAN_CHECK_S = 0.5


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(ORPHAN_CHECK_S)
    os._exit(1)


def _start_worker(parent: int, setup: Callable[[], None]) -> None:
    # Ctrl-C reaches the whole process group; the driver alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A driver that is killed cannot stop its workers, so they watch for that themselves.
    threading.Thread(target=_die_with, args=(parent,), daemon=True).start()
    setup()


def map_unordered(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    setup: Callable[[], None],
    workers: int | None = None,
) -> Generator[Result, None, None]:
    """Yield ``function(item)`` for each item, in the order in which they finish.

    Parameters
    ----------
    function, setup : picklable callables
        ``setup`` runs once in each worker before its first item.
    workers : int, optional
        Number of processes; 0 runs everything in this process; default: one a core.

    Raises
    ------
    Incomplete
        If a worker process dies (killed, or out of memory).
    """
    if workers is None:
        workers = available_cores()
    if workers == 0:
        setup()
        yield from map(function, items)
        return
    # Not fork: threads of PyAV, OpenCV and torch do not survive one.
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(os.getpid(), setup),
    )
    waiting: set[Future[Any]] = set()
    try:
        for item in items:
            waiting.add(pool.submit(function, item))
            if len(waiting) >= workers * IN_FLIGHT_PER_WORKER:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool:
        raise Incomplete(
            "a worker process died (killed, or out of memory); what was done is kept: "
            "run the same command again, with fewer --workers if memory was short"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
