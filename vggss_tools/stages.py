"""Stages, and the one place that runs them.

A stage turns one clip's inputs into output files. :func:`run_stage` alone knows how to skip what
is done, spread work over an engine, show progress, keep one clip's failure from the others, write
atomically and record. A stage is therefore only its own few lines.
"""

from __future__ import annotations

import platform
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from vggss_tools import __version__
from vggss_tools.atomic import PART_PREFIX, part_path, publish, with_final_name
from vggss_tools.checksums import sha256_of
from vggss_tools.clips import Clip
from vggss_tools.engines.local import map_unordered
from vggss_tools.errors import (
    REMEDIES,
    ClipFailure,
    FailureKind,
    Incomplete,
    SomeFailed,
    VggssError,
)
from vggss_tools.ledger import Ledger, Outcome
from vggss_tools.locks import only_one
from vggss_tools.progress import progress_bar
from vggss_tools.workspace import Workspace

# Final path → temporary path, for one clip.
Parts = dict[Path, Path]


class Stage(ABC):
    """What happens to a clip at one stage; picklable, configured by plain fields only."""

    name: ClassVar[str]
    batch_size: int = 1

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return what the outputs depend on, as JSON; a change makes earlier outcomes stale."""

    @abstractmethod
    def outputs(self, clip: Clip) -> list[Path]:
        """Return the absolute paths of the files that are made for this clip."""

    def inputs(self, clip: Clip) -> list[Path]:
        """Return the files that are read; when one changes, the clip is done again."""
        return []

    def versions(self) -> dict[str, str]:
        """Return the versions of the tools that take part."""
        return {}

    def setup(self) -> None:  # noqa: B027 - most stages have nothing to load
        """Load what is needed once a process, such as a model."""

    def process(self, clip: Clip, parts: Parts) -> None:
        """Write each output to ``parts[final]``; raise ``ClipFailure`` if it cannot be done."""
        raise NotImplementedError

    def process_batch(
        self, clips: Sequence[Clip], parts: Sequence[Parts]
    ) -> list[ClipFailure | None]:
        """Process several clips at once; None where one succeeded."""
        results: list[ClipFailure | None] = []
        for clip, clip_parts in zip(clips, parts, strict=True):
            try:
                self.process(clip, clip_parts)
            except Exception as error:  # noqa: BLE001 - recorded as the clip's outcome
                results.append(_as_failure(error, clip_parts))
            else:
                results.append(None)
        return results


def _as_failure(error: Exception, parts: Parts) -> ClipFailure:
    """Give an exception its kind, with the files' final names."""
    if isinstance(error, OSError) and parts:
        error = with_final_name(error, parts)
    return ClipFailure.from_exception(error)


@dataclass(frozen=True, slots=True)
class StageSummary:
    """What a run of a stage came to.

    Attributes
    ----------
    done, skipped : int
        Clips done now, and done before.
    failures : tuple of Outcome
        The clips that have failed, now or before (and were not tried again).
    """

    stage: str
    done: int
    skipped: int
    failures: tuple[Outcome, ...] = field(default=())

    @property
    def failed(self) -> Counter[str]:
        """Failures by kind."""
        return Counter(str(outcome.kind) for outcome in self.failures)

    def as_json(self) -> dict[str, Any]:
        """Counts by outcome, and the failures."""
        return {
            "done": self.done,
            "skipped": self.skipped,
            "failed": dict(sorted(self.failed.items())),
            "failures": [
                {"clip_id": o.clip_id, "kind": o.kind, "message": o.message} for o in self.failures
            ],
        }

    def raise_for_failures(self) -> None:
        """End the command with exit code 3 or 4 if clips have failed.

        Raises
        ------
        SomeFailed
            If none of the failures can be cured by running again.
        Incomplete
            If one can.
        """
        if not self.failures:
            return
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.failed.most_common())
        first = self.failures[0]
        text = (
            f"{self.stage}: {len(self.failures)} clip(s) failed ({kinds}); first: {first.message}"
        )
        says_remedy = "; " in (first.message or "")  # as all messages of the house that have one
        if all(outcome.kind and outcome.kind.permanent for outcome in self.failures):
            rest = [] if says_remedy else ["replace these files"]
            rest += ["the other clips are done"] if self.done or self.skipped else []
            raise SomeFailed("; ".join([text, ", ".join(rest)] if rest else [text]))
        if says_remedy:
            raise Incomplete(text)
        raise Incomplete(f"{text}; run the same command again once the cause is removed")


def _signature(paths: Sequence[Path]) -> list[list[int] | None]:
    """Return size and modification time of each file; None where there is none to be had.

    A file that cannot be looked at, such as a loop of links, is left to the stage, where it fails
    as one clip. Missing rights would fail every clip and are raised.
    """
    signatures: list[list[int] | None] = []
    for path in paths:
        try:
            stat = path.stat()
        except PermissionError:
            raise
        except OSError:
            signatures.append(None)
        else:
            signatures.append([stat.st_size, stat.st_mtime_ns])
    return signatures


@dataclass(frozen=True)
class _Runner:
    """Runs a stage on batches, in whatever process it finds itself."""

    stage: Stage
    root: Path

    def setup(self) -> None:
        self.stage.setup()

    def __call__(self, clips: Sequence[Clip]) -> list[Outcome]:
        parts: list[Parts] = []
        try:
            for clip in clips:
                finals = self.stage.outputs(clip)
                for final in finals:
                    final.parent.mkdir(parents=True, exist_ok=True)
                parts.append({final: part_path(final) for final in finals})
            results = self.stage.process_batch(clips, parts)
            return [
                self._outcome(clip, clip_parts, result)
                for clip, clip_parts, result in zip(clips, parts, results, strict=True)
            ]
        except Exception as error:  # noqa: BLE001 - recorded as the clip's outcome
            if len(clips) > 1:  # find out which of them it is
                return [outcome for clip in clips for outcome in self([clip])]
            known = parts[0] if parts else {}
            return [self._failed(clips[0], _as_failure(error, known), known)]
        finally:
            for clip_parts in parts:
                for part in clip_parts.values():
                    part.unlink(missing_ok=True)

    def _outcome(self, clip: Clip, parts: Parts, failure: ClipFailure | None) -> Outcome:
        if failure is not None:
            return self._failed(clip, failure, parts)
        checksums: dict[str, str] = {}
        for final, part in parts.items():
            if not part.is_file():
                missing = ClipFailure(FailureKind.ERROR, f"{final}: the stage did not write it")
                return self._failed(clip, missing, parts)
            checksums[final.relative_to(self.root).as_posix()] = sha256_of(part)
            publish(part, final)
        return Outcome(clip.clip_id, self.stage.name, "done", checksums=checksums)

    def _failed(self, clip: Clip, failure: ClipFailure, parts: Parts) -> Outcome:
        message = failure.message
        for final, part in parts.items():  # a tool's own words have the name that it was given
            message = message.replace(part.name, final.name)
        return Outcome(clip.clip_id, self.stage.name, "failed", kind=failure.kind, message=message)


def _remove_left_overs(stage: Stage, clips: Sequence[Clip]) -> None:
    """Remove the temporary files of a run that was killed."""
    for folder in {path.parent for clip in clips for path in stage.outputs(clip)}:
        for part in folder.glob(f"{PART_PREFIX}*"):
            part.unlink(missing_ok=True)


def _is_settled(known: Outcome | None, wanted: dict[str, Any], stage: Stage, clip: Clip) -> bool:
    """Whether the clip needs no work: done with its files there, or failed for good."""
    if known is None or known.settings != wanted:
        return False
    if known.done:
        return all(path.is_file() for path in stage.outputs(clip))
    return known.kind is not None and known.kind.permanent


def run_stage(
    stage: Stage,
    clips: Sequence[Clip],
    workspace: Workspace,
    *,
    workers: int | None = None,
    retry_failed: bool = False,
    label: str | None = None,
) -> StageSummary:
    """Run a stage over clips, doing only what is not done yet.

    A clip is done when the ledger says so for the same settings and the same inputs, and its
    files are there. Files appear under their final names only when they are whole, and a clip
    is recorded after its files are on disk; so a kill at any moment loses at most the clips in
    flight.

    Parameters
    ----------
    workers : int, optional
        Processes; 0 runs in this one (for models on a GPU); default: one a core.
    retry_failed : bool
        Try again the clips whose failure is recorded as permanent.

    Raises
    ------
    VggssError
        At a fatal failure (disk full, no permission, a tool missing), with what is done kept.
    """
    settings = stage.settings()
    versions = {"vggss-tools": __version__, "python": platform.python_version(), **stage.versions()}
    in_use = (
        f"{workspace.root}: another process runs {stage.name} in this data directory; "
        "wait until it has ended"
    )
    lock = workspace.root / f".{stage.name}.lock"
    with only_one(lock, in_use), Ledger(workspace.ledger_path) as ledger:
        known = {outcome.clip_id: outcome for outcome in ledger.outcomes(stage.name)}
        wanted: dict[str, dict[str, Any]] = {}
        todo: list[Clip] = []
        failures: list[Outcome] = []
        for clip in clips:
            wanted[clip.clip_id] = {**settings, "inputs": _signature(stage.inputs(clip))}
            before = known.get(clip.clip_id)
            if not _is_settled(before, wanted[clip.clip_id], stage, clip):
                todo.append(clip)
            elif before is not None and not before.done:
                if retry_failed:
                    todo.append(clip)
                else:
                    failures.append(before)
        skipped = len(clips) - len(todo) - len(failures)
        if not todo:
            return StageSummary(stage.name, 0, skipped, tuple(failures))

        _remove_left_overs(stage, todo)
        done = 0
        runner = _Runner(stage, workspace.root)
        size = max(stage.batch_size, 1)
        batches = [todo[i : i + size] for i in range(0, len(todo), size)]
        if workers is not None and workers > len(batches):
            workers = len(batches)
        results = map_unordered(runner, batches, setup=runner.setup, workers=workers)
        with progress_bar(
            label=label or stage.name, total=len(clips), initial=len(clips) - len(todo)
        ) as bar:
            try:
                for outcomes in results:
                    finished = [
                        _completed(outcome, wanted, versions, known) for outcome in outcomes
                    ]
                    ledger.record(finished)
                    bar.update(len(finished))
                    done += sum(outcome.done for outcome in finished)
                    failures += [outcome for outcome in finished if not outcome.done]
                    _stop_if_fatal(stage, finished)
            finally:
                results.close()
    return StageSummary(stage.name, done, skipped, tuple(sorted(failures, key=lambda o: o.clip_id)))


def _completed(
    outcome: Outcome,
    settings: Mapping[str, dict[str, Any]],
    versions: dict[str, str],
    known: Mapping[str, Outcome],
) -> Outcome:
    """Add what only the driver knows."""
    before = known.get(outcome.clip_id)
    return Outcome(
        clip_id=outcome.clip_id,
        stage=outcome.stage,
        status=outcome.status,
        kind=outcome.kind,
        message=outcome.message,
        attempts=1 + (before.attempts if before else 0),
        time=outcome.time,
        settings=settings[outcome.clip_id],
        versions=versions,
        checksums=outcome.checksums,
    )


def _stop_if_fatal(stage: Stage, outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.kind is not None and outcome.kind.fatal:
            raise VggssError(
                f"{stage.name} stopped at {outcome.clip_id}: {outcome.message}; "
                f"{REMEDIES[outcome.kind]} (what was done is kept)"
            )
