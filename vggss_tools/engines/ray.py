"""The Ray engine: the same work on the machines of a Ray cluster, or on one of its own here.

Each worker is an actor: a process with the stage set up once. It publishes its files itself, so
the data directory lies on a file system that all machines share; the driver alone writes the
ledger. What an actor was at when it died is given to another one.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vggss_tools.engines.local import IN_FLIGHT_PER_WORKER, available_cores
from vggss_tools.errors import Incomplete, VggssError, import_extra

Item = TypeVar("Item")
Result = TypeVar("Result")

# An item whose worker dies so often is given up: it is the item, then, and not the machine.
DEATHS = 3
ANSWER_S = 10.0  # what a cluster has to answer in
# A local cluster's memory for results, which are a few hundred bytes each; Ray takes 30 % of all.
OBJECT_STORE_BYTES = 100 * 1024 * 1024


class _Worker:
    """One actor."""

    def __init__(self, code: tuple[Callable[[Any], Any], Callable[[], None]]) -> None:
        self._function, self._setup = code

    def set_up(self) -> None:
        self._setup()

    def work(self, item: Any) -> Any:
        return self._function(item)


@dataclass(eq=False)
class _Task:
    """An item on its way, and how often a worker has died of it."""

    item: Any
    deaths: int = 0


@dataclass(eq=False)
class _Actor:
    """What an actor was given, in the order in which it works."""

    handle: Any
    ready: bool = False
    tasks: deque[_Task] = field(default_factory=deque)


def map_unordered(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    setup: Callable[[], None],
    workers: int | None = None,
    address: str | None = None,
    gpus: float = 0.0,
    share: Callable[[int], None] = lambda workers: None,
    split: Callable[[Item], list[Item]] = lambda item: [item],
    given_up: Callable[[Item, str], Result],
) -> Generator[Result, None, None]:
    """Yield ``function(item)`` for each item, in the order in which they finish.

    Parameters
    ----------
    function, setup : picklable callables
        ``setup`` runs once in each worker before its first item.
    workers : int, optional
        Actors; default, and for 0: one a core of the cluster.
    address : str, optional
        Of a cluster that is there: ``auto``, or ``host:port``. None starts one on this machine,
        which ends with the run.
    gpus : float
        GPUs that each worker needs.
    share : callable
        Told the number of workers before ``function`` is copied.
    split : callable
        Takes an item apart whose worker died, to find out what in it is the cause.
    given_up : callable
        Makes the result of an item of which ``DEATHS`` workers have died.

    Raises
    ------
    MissingExtra
        If Ray is not installed.
    VggssError
        If the cluster cannot be reached.
    Incomplete
        If workers die without finishing anything.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = import_extra("ray", "ray")
    # Ray's own thread prints its warnings to stdout, which is kept for data.
    with (
        _own_signals(),
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
    ):
        try:
            _connect(ray, workers, address)
            if not workers:
                workers = max(int(ray.cluster_resources().get("CPU", 1)), 1)
            share(workers)
            crew = _Crew(ray, function, setup, workers, gpus, split, given_up)
            yield from crew.map(iter(items))
        finally:
            ray.shutdown()


def _connect(ray: Any, workers: int | None, address: str | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    try:
        if address is None:
            ray.init(
                address="local",
                num_cpus=workers or available_cores(),
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                # As spawned processes have it; Ray would pass on the script's folder alone.
                runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}},
                **quiet,
            )
        else:
            _check_address(address)
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise VggssError(
            f"--engine ray: cannot use the cluster {address or 'of this machine'} ({reason}); "
            "start one with `ray start --head`, or leave --address out"
        ) from None


def _check_address(address: str) -> None:
    """Knock at a cluster's door: Ray itself would try for minutes.

    Raises
    ------
    OSError
        If nobody answers.
    """
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if separator and port.isdigit():
        with socket.create_connection((host, int(port)), timeout=ANSWER_S):
            pass


@contextmanager
def _own_signals() -> Iterator[None]:
    """Take back the handler of SIGTERM that Ray sets for good, where it can be set at all."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Crew:
    """The actors, what each of them is at, and what has to be done again."""

    def __init__(
        self,
        ray: Any,
        function: Callable[[Any], Any],
        setup: Callable[[], None],
        workers: int,
        gpus: float,
        split: Callable[[Any], list[Any]],
        given_up: Callable[[Any, str], Any],
    ) -> None:
        self.ray = ray
        self.split = split
        self.given_up = given_up
        self.patience = DEATHS * workers  # deaths in a row
        self.deaths = 0
        # No restarts by Ray, which would not say which item was the cause.
        self.make = (
            ray.remote(_Worker)
            .options(num_cpus=1, num_gpus=gpus, max_restarts=0, max_task_retries=0)
            .remote
        )
        self.code = ray.put((function, setup))  # in one piece: they may share a stage
        # What Ray will answer → who is at it, and at what; None: at setting up.
        self.pending: dict[Any, tuple[_Actor, _Task | None]] = {}
        self.again: deque[_Task] = deque()
        self.actors: list[_Actor] = []
        for _ in range(workers):
            self._hire()

    def _hire(self) -> None:
        """Start an actor. It is given items once it has answered: it may have to wait for room."""
        actor = _Actor(self.make(self.code))
        self.actors.append(actor)
        self.pending[actor.handle.set_up.remote()] = (actor, None)

    def map(self, items: Iterator[Any]) -> Iterator[Any]:
        """Yield the results."""
        while True:
            self._hand_out(items)
            if not any(actor.tasks for actor in self.actors) and not self.again:
                # Nothing on its way: the items are at their end, or no actor is there yet.
                try:
                    self.again.append(_Task(next(items)))
                except StopIteration:
                    return
            (answer,), _ = self.ray.wait(list(self.pending), num_returns=1)
            yield from self._take(answer)

    def _hand_out(self, items: Iterator[Any]) -> None:
        """Keep each actor that is there busy, those with the least to do first."""
        free = [a for a in self.actors if a.ready and len(a.tasks) < IN_FLIGHT_PER_WORKER]
        while free:
            actor = min(free, key=lambda one: len(one.tasks))
            task = self.again.popleft() if self.again else _next_task(items)
            if task is None:
                return
            self.pending[actor.handle.work.remote(task.item)] = (actor, task)
            actor.tasks.append(task)
            if len(actor.tasks) >= IN_FLIGHT_PER_WORKER:
                free.remove(actor)

    def _take(self, answer: Any) -> Iterator[Any]:
        """Receive what an actor answers, or that it is no more."""
        actor, task = self.pending.pop(answer)
        try:
            result = self.ray.get(answer)
        except self.ray.exceptions.RayActorError as error:
            yield from self._bury(actor, error)
            return
        except self.ray.exceptions.RayTaskError as error:
            raise error.cause if isinstance(error.cause, VggssError) else error from None
        self.deaths = 0
        if task is None:
            actor.ready = True
            return
        actor.tasks.remove(task)
        yield result

    def _bury(self, actor: _Actor, error: Exception) -> Iterator[Any]:
        """Give a dead actor's items to others; only the first of them can be the cause."""
        if actor not in self.actors:
            return  # known by another of its answers
        self.actors.remove(actor)
        answers = [(key, task) for key, (who, task) in self.pending.items() if who is actor]
        for key, task in answers:  # one of them may have come in before the end
            del self.pending[key]
            try:
                result = self.ray.get(key)
            except self.ray.exceptions.RayError:
                continue
            if task is not None:
                actor.tasks.remove(task)
                yield result
        self.deaths += 1
        tasks = list(actor.tasks)
        if tasks:
            tasks[0].deaths += 1
        if self.deaths > self.patience:
            raise Incomplete(
                f"Ray workers die again and again ({_reason(error)}); what was done is kept: run "
                "the same command again, with fewer --workers if memory was short"
            )
        sys.stderr.write(
            f"Ray: a worker has died ({_reason(error)}); what it was at is given to another\n"
        )
        self._hire()
        for task in reversed(tasks):
            if task.deaths >= DEATHS:
                yield self.given_up(task.item, f"{DEATHS} workers died of it, one after the other")
                continue
            parts = self.split(task.item) if task.deaths else [task.item]
            self.again.extendleft(_Task(part, task.deaths) for part in reversed(parts))


def _next_task(items: Iterator[Any]) -> _Task | None:
    try:
        return _Task(next(items))
    except StopIteration:
        return None


def _reason(error: Exception) -> str:
    """Return the line of Ray's account that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    causes = [line for line in lines if re.match(r"\w+(Error|Exception|Exit): ", line)]
    return (causes[-1:] or lines[:1] or ["no reason given"])[0].rstrip(".")
