"""What a stage has to do: which clips are settled, and which of the others are chosen."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vggss_tools.clips import Clip
from vggss_tools.errors import Action, FailureKind, VggssError
from vggss_tools.ledger import Ledger, Outcome, Row, settings_text
from vggss_tools.many_objects import no_search_for_circles

if TYPE_CHECKING:
    from vggss_tools.stages import Stage

BLOCKED = frozenset(str(kind) for kind in FailureKind if kind.action is Action.PAUSE)
Signature = list[list[int] | None]
Shard = tuple[int, int]


def select_shard(clips: Sequence[Clip], shard: Shard | None) -> list[Clip]:
    """Return the clips of the i-th of n parts, counted from 1, in their order.

    A clip's part follows from its id alone (the first 8 bytes of its sha256, modulo n), so it
    stays the same in a longer list, on another machine, and for every stage.
    """
    if shard is None:
        return list(clips)
    number, parts = shard
    if not 1 <= number <= parts:
        raise VggssError(
            f"shard {number}/{parts}: there are the shards 1/{parts} to {parts}/{parts}"
        )
    return [clip for clip in clips if _place(clip.clip_id) % parts == number - 1]


def _place(clip_id: str) -> int:
    return int.from_bytes(hashlib.sha256(clip_id.encode()).digest()[:8], "big")


def retried_kinds(retry: str) -> frozenset[str]:
    """Return the kinds of failure that are tried again.

    Parameters
    ----------
    retry : 'all', a kind, or an action such as 'transient'

    Raises
    ------
    VggssError
        If there is no such kind.
    """
    kinds = frozenset(
        str(kind) for kind in FailureKind if retry in ("all", str(kind), str(kind.action))
    )
    if not kinds:
        known = ", ".join(["all", *map(str, Action), *map(str, FailureKind)])
        raise VggssError(f"--retry {retry}: no such kind of failure; there are: {known}")
    return kinds


@dataclass
class Plan:
    """What has to be done, and what stands.

    Attributes
    ----------
    todo : list of Clip
    signatures : dict
        Clip of ``todo`` → its inputs as they are before the work.
    attempts : dict
        Clip → how often it was tried before, of those that were.
    failures : list of Outcome
        Failures that stand.
    skipped : int
        Clips that are done.
    left : int
        Clips that have to be done, but only failures were asked for.
    """

    todo: list[Clip] = field(default_factory=list)
    signatures: dict[str, Signature] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    failures: list[Outcome] = field(default_factory=list)
    skipped: int = 0
    left: int = 0


class Folders:
    """Which files there are, each folder listed once, however many clips it holds."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}

    def has(self, path: Path | str) -> bool:
        """Whether a file is there; a broken link is none."""
        folder, _, name = str(path).rpartition(os.sep)
        return name in self.of(folder)

    def of(self, folder: str) -> set[str]:
        """Return the names of the files in a folder."""
        names = self._names.get(folder)
        if names is None:
            names = self._names[folder] = _file_names(folder or os.sep)
        return names


def _file_names(folder: str) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if _is_file(entry)}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a loop of links
        return False


_decode = json.JSONDecoder().raw_decode  # json.loads takes longer for a short text


class _Made:
    """Whether the files of done clips are there, without asking the stage for every clip's.

    Paths are slow to make by the 100,000, and the ledger has them as text. So the stage is asked
    once for each pattern (``frames/*.jpg``) in which the recorded files are named.
    """

    def __init__(self, stage: Stage, root: Path) -> None:
        self._stage = stage
        self._root = str(root)
        self._files = Folders()
        self._patterns: dict[tuple[str, ...], bool] = {}

    def has_all(self, clip: Clip, row: Row) -> bool:
        """Whether all that the stage would make of a clip is recorded, and there."""
        recorded = list(_decode(row.checksums)[0])
        pattern = tuple(name.replace(clip.clip_id, "*") for name in recorded)
        if pattern not in self._patterns:
            wanted = {
                os.path.relpath(path, self._root).replace(os.sep, "/")
                for path in self._stage.outputs(clip)
            }
            self._patterns[pattern] = wanted <= set(recorded)
        if not self._patterns[pattern]:
            return False
        for name in recorded:
            folder, _, file = name.rpartition("/")
            if file not in self._files.of(f"{self._root}/{folder}" if folder else self._root):
                return False
        return True


def signature(paths: Sequence[Path]) -> Signature:
    """Return size and modification time of each file; None where there is none to be had.

    A file that cannot be looked at, such as a loop of links, is left to the stage, where it fails
    as one clip. Missing rights would fail every clip and are raised.
    """
    signatures: Signature = []
    for path in paths:
        try:
            stat = os.stat(path)
        except PermissionError:
            raise
        except OSError:
            signatures.append(None)
        else:
            signatures.append([stat.st_size, stat.st_mtime_ns])
    return signatures


def wanted_settings(stage: Stage) -> Callable[[Clip, Signature], dict[str, Any]]:
    """Return what gives the settings that an outcome must have to be up to date."""
    settings = stage.settings()
    return lambda clip, inputs: {**settings, **stage.clip_settings(clip), "inputs": inputs}


class _WantedText:
    """The settings that an outcome must have, as the ledger has them: as text.

    All but the inputs is the same for most clips, and is made into text once.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._settings = stage.settings()
        # What a clip's own settings are -> the text before and after its inputs. Settings are
        # told apart by being the same object where they are no plain values.
        self._around: dict[Any, tuple[str, str]] = {}
        self._alive: list[Any] = []

    def of(self, clip: Clip, inputs: Signature) -> str:
        """Return the text for a clip."""
        own = self._stage.clip_settings(clip)
        key = tuple((k, id(v) if isinstance(v, dict | list) else v) for k, v in own.items())
        around = self._around.get(key)
        if around is None:
            whole = settings_text({**self._settings, **own, "inputs": _MARK})
            before, _, after = whole.partition(f'"{_MARK}"')
            around = self._around[key] = (before, after)
            self._alive.append(own)  # or another object might get its id
        return f"{around[0]}{_inputs_text(inputs)}{around[1]}"


_MARK = "*the inputs*"


def _inputs_text(inputs: Signature) -> str:
    """Return inputs as :func:`settings_text` writes them."""
    return str(inputs).replace("None", "null")


@no_search_for_circles()
def make_plan(
    stage: Stage, clips: Sequence[Clip], ledger: Ledger, retry: str | None = None
) -> Plan:
    """Compare the clips with what the ledger says, in one pass over its rows.

    A clip is settled when its outcome has the same settings and inputs, and is either done with
    its files there, or failed for good.
    """
    plan = Plan()
    wanted = _WantedText(stage)
    kinds = None if retry is None else retried_kinds(retry)
    made = _Made(stage, ledger.path.absolute().parent)
    by_id = {clip.clip_id: clip for clip in clips}
    known: set[str] = set()
    chosen: set[str] = set()
    blocked: set[str] = set()
    for row in ledger.rows(stage.name):
        clip = by_id.get(row.clip_id)
        if clip is None:
            continue
        known.add(row.clip_id)
        inputs = signature(stage.inputs(clip))
        if row.status == "done":
            if row.settings == wanted.of(clip, inputs) and made.has_all(clip, row):
                plan.skipped += 1
                continue
            take = kinds is None
            plan.left += not take
        else:
            outcome = ledger.outcome(row)
            if kinds is not None:
                take = row.kind in kinds
            else:
                final = outcome.final and row.settings == wanted.of(clip, inputs)
                take = not (final or stage.gave_up(clip))
            if not take:
                plan.failures.append(outcome)
        if take:
            chosen.add(row.clip_id)
            plan.signatures[row.clip_id] = inputs
            plan.attempts[row.clip_id] = row.attempts
            if row.kind in BLOCKED:
                blocked.add(row.clip_id)
    for clip in clips:
        if clip.clip_id in known:
            if clip.clip_id in chosen:
                plan.todo.append(clip)
        elif kinds is None:
            plan.todo.append(clip)
            plan.signatures[clip.clip_id] = signature(stage.inputs(clip))
        else:
            plan.left += 1
    if blocked:  # last: what stopped the run before must not keep the others from coming
        plan.todo.sort(key=lambda clip: clip.clip_id in blocked)
    return plan
