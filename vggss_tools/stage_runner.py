"""One batch of clips through a stage, in whatever process, thread or machine it finds itself."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vggss_tools.atomic import PART_PREFIX, part_path, publish, with_final_name
from vggss_tools.checksums import sha256_of
from vggss_tools.clips import Clip
from vggss_tools.errors import ClipFailure, FailureKind, VggssError
from vggss_tools.ledger import Outcome

if TYPE_CHECKING:
    from vggss_tools.stages import Facts, Parts, Stage


def as_failure(error: Exception, parts: Parts) -> ClipFailure:
    """Give an exception its kind, with the files' final names."""
    if isinstance(error, OSError) and parts:
        error = with_final_name(error, parts)
    return ClipFailure.from_exception(error)


@dataclass(frozen=True)
class Runner:
    """Runs a stage on batches and publishes its files; called by an engine."""

    stage: Stage
    root: Path

    def setup(self) -> None:
        """Load what the stage needs once.

        Raises
        ------
        VggssError
            If the data directory is not there, as on a machine that does not share it.
        """
        if not self.root.is_dir():
            raise VggssError(
                f"{self.root}: no such directory on {_machine()}; workers on other machines need "
                "the data directory at the same path, on a file system that all of them share"
            )
        self.stage.setup()

    def __call__(self, clips: Sequence[Clip]) -> list[Outcome]:
        """Process the clips of a batch; every failure becomes its clip's outcome."""
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
            return [self._failed(clips[0], as_failure(error, known), known)]
        finally:
            for clip_parts in parts:
                for part in clip_parts.values():
                    part.unlink(missing_ok=True)

    def given_up(self, clips: Sequence[Clip], message: str) -> list[Outcome]:
        """Return the outcomes of clips whose workers die of them."""
        return [
            self._failed(clip, ClipFailure(FailureKind.ERROR, f"{clip.clip_id}: {message}"), {})
            for clip in clips
        ]

    def _outcome(self, clip: Clip, parts: Parts, result: ClipFailure | Facts | None) -> Outcome:
        if isinstance(result, ClipFailure):
            return self._failed(clip, result, parts)
        checksums: dict[str, str] = {}
        for final, part in parts.items():
            if not part.is_file() and (result or {}).get("in_place") and final.is_file():
                checksums[final.relative_to(self.root).as_posix()] = sha256_of(final)
                continue
            if not part.is_file():
                missing = ClipFailure(FailureKind.ERROR, f"{final}: the stage did not write it")
                return self._failed(clip, missing, parts)
            checksums[final.relative_to(self.root).as_posix()] = sha256_of(part)
            publish(part, final)
        facts: dict[str, Any] = dict(result or {})
        return Outcome(clip.clip_id, self.stage.name, "done", checksums=checksums, facts=facts)

    def _failed(self, clip: Clip, failure: ClipFailure, parts: Parts) -> Outcome:
        message = failure.message
        for final, part in parts.items():  # a tool's own words have the name that it was given
            message = message.replace(part.name, final.name)
        return Outcome(
            clip.clip_id,
            self.stage.name,
            "failed",
            kind=failure.kind,
            message=message,
            facts=dict(failure.facts),
        )


def _machine() -> str:
    import platform

    return platform.node() or "this machine"


def remove_left_overs(stage: Stage, clips: Sequence[Clip], *, only_theirs: bool) -> None:
    """Remove the temporary files of a run that was killed.

    Parameters
    ----------
    only_theirs : bool
        Leave the files of other clips alone, on which another process may be at work.
    """
    names: dict[Path, set[str]] = {}
    for clip in clips:
        for path in stage.outputs(clip):
            names.setdefault(path.parent, set()).add(path.name.partition(".")[0])
    for folder, stems in names.items():
        for part in folder.glob(f"{PART_PREFIX}*"):
            # `.part-<random>-<final name>`, to which a tool may have added suffixes of its own.
            final = part.name.removeprefix(PART_PREFIX).partition("-")[2]
            if only_theirs and final.partition(".")[0] not in stems:
                continue
            if part.is_dir() and not part.is_symlink():
                shutil.rmtree(part, ignore_errors=True)
            else:
                part.unlink(missing_ok=True)
