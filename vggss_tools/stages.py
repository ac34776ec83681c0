"""Stages, and the one place that runs them.

A stage turns one clip's inputs into output files. :func:`run_stage` alone knows how to skip what
is done, spread work over an engine, show progress, keep one clip's failure from the others, write
atomically and record. A stage is therefore only its own few lines.
"""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from vggss_tools import __version__
from vggss_tools.clips import Clip
from vggss_tools.engines import local, threads
from vggss_tools.errors import REMEDIES, Action, Blocked, ClipFailure, VggssError
from vggss_tools.ledger import Ledger, Outcome, now
from vggss_tools.locks import stage_lock
from vggss_tools.progress import StageProgress
from vggss_tools.stage_plan import Plan, Shard, make_plan, select_shard, wanted_settings
from vggss_tools.stage_runner import Runner, as_failure, remove_left_overs
from vggss_tools.stage_summary import StageSummary as StageSummary
from vggss_tools.workspace import Workspace

# Final path → temporary path, for one clip.
Parts = dict[Path, Path]
# What a stage found out about a clip, as JSON; kept in the ledger.
Facts = dict[str, Any]


class Stage(ABC):
    """What happens to a clip at one stage; picklable, configured by plain fields only.

    Attributes
    ----------
    workers_are : 'processes' or 'threads'
        Threads share one copy of the stage, and with it pacing and sessions; ``process`` has to
        allow for several at once.
    batch_size : int
        Clips that ``process_batch`` is given at a time.
    gpus : float
        GPUs that one worker needs, for engines that hand them out.
    """

    name: ClassVar[str]
    workers_are: ClassVar[Literal["processes", "threads"]] = "processes"
    batch_size: int = 1
    gpus: float = 0.0

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return what the outputs depend on, as JSON; a change makes earlier outcomes stale."""

    def clip_settings(self, clip: Clip) -> dict[str, Any]:
        """Return what this clip's outputs depend on beside that, by other keys."""
        return {}

    @abstractmethod
    def outputs(self, clip: Clip) -> list[Path]:
        """Return the absolute paths of the files that are made for this clip."""

    def inputs(self, clip: Clip) -> list[Path]:
        """Return the files that are read; when one changes, the clip is done again."""
        return []

    def versions(self) -> dict[str, str]:
        """Return the versions of the tools that take part."""
        return {}

    def recorded(self, outcome: Outcome) -> Outcome:
        """Return an outcome as it is recorded; called in the driver's process."""
        return outcome

    def gave_up(self, clip: Clip) -> bool:
        """Whether it is known that a clip cannot be made, whatever its last outcome was."""
        return False

    def share(self, workers: int) -> None:  # noqa: B027 - most stages have nothing to share out
        """Be told, before it is copied, into how many processes; for shares of cores or a rate."""

    def setup(self) -> None:  # noqa: B027 - most stages have nothing to load
        """Load what is needed once a process, such as a model."""

    def stop(self) -> None:  # noqa: B027 - most clips take a moment
        """End what is in flight soon: the run is broken off (Ctrl-C, full disk).

        Called in the driver's process; of stages that work in threads alone.
        """

    def process(self, clip: Clip, parts: Parts) -> Facts | None:
        """Write each output to ``parts[final]``; raise ``ClipFailure`` if it cannot be done.

        Returns
        -------
        What else is worth keeping, or None. With ``in_place: True``, outputs that were not
        written are there already and are recorded as they are. A failure whose facts have
        ``asked: False`` is not recorded; a blocked one with ``alone: True`` does not end the run.
        """
        raise NotImplementedError

    def process_batch(
        self, clips: Sequence[Clip], parts: Sequence[Parts]
    ) -> Sequence[ClipFailure | Facts | None]:
        """Process several clips at once; the facts, or None, where one succeeded."""
        results: list[ClipFailure | Facts | None] = []
        for clip, clip_parts in zip(clips, parts, strict=True):
            try:
                results.append(self.process(clip, clip_parts))
            except Exception as error:  # noqa: BLE001 - recorded as the clip's outcome
                results.append(as_failure(error, clip_parts))
        return results


def run_stage(
    stage: Stage,
    clips: Sequence[Clip],
    workspace: Workspace,
    *,
    workers: int | None = None,
    engine: str = "local",
    address: str | None = None,
    retry: str | None = None,
    shard: Shard | None = None,
    label: str | None = None,
) -> StageSummary:
    """Run a stage over clips, doing only what is not done yet.

    A clip is done when the ledger says so for the same settings and the same inputs, and its
    files are there; one that failed for good is left alone as well. Files appear under their
    final names only when they are whole, and a clip is recorded after its files are on disk; so
    a kill at any moment loses at most the clips in flight.

    Parameters
    ----------
    workers : int, optional
        Processes or threads, as the stage says; 0 runs in this one (for models on a GPU);
        default: one a core.
    engine : 'local' or 'ray'
    address : str, optional
        Of the Ray cluster; default: one of its own on this machine.
    retry : str, optional
        Only the clips that failed before: with this kind, with any kind of this action
        (``transient``), or ``all``. Clips that were never tried are not started.
    shard : (i, n), optional
        Only the clips of the i-th of n parts, see :func:`~vggss_tools.stage_plan.select_shard`.

    Raises
    ------
    VggssError
        At a fatal failure (disk full, no permission, a tool missing), with what is done kept.
    Blocked
        Where the remote refuses to go on, with what was in flight recorded first; or at the end,
        where it has refused single clips. These come last in the next run.
    """
    clips = select_shard(clips, shard)
    with stage_lock(workspace.root, stage.name, shard), Ledger(workspace.ledger_path) as ledger:
        plan = make_plan(stage, clips, ledger, retry)
        run = _Run(stage, workspace, ledger, plan)
        if plan.todo:
            remove_left_overs(stage, plan.todo, only_theirs=shard is not None)
            progress = StageProgress(label or stage.name, len(plan.todo), len(clips))
            with progress:
                results = _start(stage, workspace, run.batches(), workers, engine, address)
                run.follow(results, progress)
            if engine == "ray":  # whose workers may have died on the way
                remove_left_overs(stage, plan.todo, only_theirs=shard is not None)
        return run.summary()


def _start(
    stage: Stage,
    workspace: Workspace,
    batches: _Batches,
    workers: int | None,
    engine: str,
    address: str | None,
) -> Generator[list[Outcome], None, None]:
    """Hand the batches to the engine."""
    runner = Runner(stage, workspace.root)
    if workers is not None and workers > len(batches):
        workers = len(batches)
    if engine == "ray":
        from vggss_tools.engines import ray

        return ray.map_unordered(
            runner,
            batches,
            setup=runner.setup,
            workers=workers,
            address=address,
            gpus=stage.gpus,
            share=stage.share,
            split=_singles,
            given_up=runner.given_up,
        )
    if engine != "local":
        raise VggssError(f"--engine {engine}: no such engine; there are: local, ray")
    if stage.workers_are == "threads":
        return threads.map_unordered(
            runner, batches, setup=runner.setup, workers=workers, stop=stage.stop
        )
    stage.share(local.available_cores() if workers is None else max(workers, 1))
    return local.map_unordered(runner, batches, setup=runner.setup, workers=workers)


def _singles(clips: Sequence[Clip]) -> list[Sequence[Clip]]:
    return [[clip] for clip in clips]


@dataclass
class _Batches:
    """The clips that have to be done, a batch at a time, until no more are wanted."""

    clips: Sequence[Clip]
    size: int
    ended: bool = False

    def __len__(self) -> int:
        return -(-len(self.clips) // self.size)

    def __iter__(self) -> Iterator[Sequence[Clip]]:
        for start in range(0, len(self.clips), self.size):
            if self.ended:
                return
            yield self.clips[start : start + self.size]


@dataclass
class _Run:
    """The driver's side of one run: it alone writes the ledger."""

    stage: Stage
    workspace: Workspace
    ledger: Ledger
    plan: Plan
    done: int = 0
    failures: list[Outcome] = field(default_factory=list)
    _batches: _Batches | None = None

    def batches(self) -> _Batches:
        """Return the work; asked only when there is some, because a stage may load a model."""
        self._batches = _Batches(self.plan.todo, max(self.stage.batch_size, 1))
        return self._batches

    def follow(
        self, results: Generator[list[Outcome], None, None], progress: StageProgress
    ) -> None:
        """Record what comes, until the end or until there is no use in going on."""
        wanted = wanted_settings(self.stage)
        versions = {
            "vggss-tools": __version__,
            "python": platform.python_version(),
            **self.stage.versions(),
        }
        by_id = {clip.clip_id: clip for clip in self.plan.todo}
        blocked: Outcome | None = None
        stopped: Outcome | None = None
        try:
            for outcomes in results:
                finished = [
                    self.stage.recorded(
                        replace(  # what only the driver knows
                            outcome,
                            attempts=1 + self.plan.attempts.get(outcome.clip_id, 0),
                            time=now(),
                            settings=wanted(
                                by_id[outcome.clip_id], self.plan.signatures[outcome.clip_id]
                            ),
                            versions=versions,
                        )
                    )
                    for outcome in outcomes
                    if outcome.facts.get("asked") is not False  # left as it was
                ]
                self.ledger.record(finished)
                progress.add(str(outcome.kind or "done") for outcome in finished)
                self.done += sum(outcome.done for outcome in finished)
                self.failures += [outcome for outcome in finished if not outcome.done]
                self._stop_if_fatal(finished)
                for outcome in filter(_is_blocked, finished):
                    if not outcome.facts.get("alone"):
                        stopped = stopped or outcome
                        if self._batches:
                            self._batches.ended = True  # what is in flight still comes
                    blocked = stopped or outcome
        finally:
            results.close()
        if blocked:
            summary = self.summary()
            raise Blocked(_blocked_text(blocked, summary, ended=stopped is not None), summary)

    def summary(self) -> StageSummary:
        """Return what it came to so far."""
        failures = sorted([*self.plan.failures, *self.failures], key=lambda o: o.clip_id)
        untried = len(self.plan.todo) - self.done - len(self.failures)
        left = self.plan.left + untried
        return StageSummary(self.stage.name, self.done, self.plan.skipped, tuple(failures), left)

    def _stop_if_fatal(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.kind is not None and outcome.kind.fatal:
                raise VggssError(
                    f"{self.stage.name} stopped at {outcome.clip_id}: {outcome.message}; "
                    f"{REMEDIES[outcome.kind]} (what was done is kept)"
                )


def _is_blocked(outcome: Outcome) -> bool:
    return outcome.kind is not None and outcome.kind.action is Action.PAUSE


def _blocked_text(outcome: Outcome, summary: StageSummary, *, ended: bool) -> str:
    """Say what refused, and when to come back where that is known."""
    when = f"after {summary.retry_at}" if summary.retry_at else "later"
    what = "stopped at" if ended else "went on without"
    return (
        f"{summary.stage} {what} {outcome.clip_id}: {outcome.message}; "
        f"run the same command again {when} (what was done is kept)"
    )
