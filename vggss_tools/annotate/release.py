"""Releases: the fold of the event log, frozen under a name.

``releases/<name>/`` holds

- ``vggss.json``: what sounds, in the published format, one entry a clip: the sounding boxes of
  the clips whose newest decision on their own class is yes;
- ``silent.json``: what is visible and silent, in the same schema, one entry a clip and class: the
  silent boxes of the newest decisions that say no;
- ``release.json``: counts, checksums, and who and what the boxes come from.

Equal annotations give equal bytes: no file holds the time at which it was made.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal

from vggss_tools import __version__
from vggss_tools.annotate.events import STAND_IN_REVIEWER, Decision, Event
from vggss_tools.annotate.fold import (
    ClassState,
    ClipState,
    conflicting_ids,
    fold,
    in_order,
    outcome,
)
from vggss_tools.annotate.log import Report, read_events, report_on_stderr
from vggss_tools.annotate.vggss_json import Entry, format_vggss_json
from vggss_tools.atomic import sync_folder, write_text_atomic
from vggss_tools.boxes import Box
from vggss_tools.classes import UnknownClass, check_class
from vggss_tools.clips import Clip
from vggss_tools.errors import VggssError
from vggss_tools.locks import only_one
from vggss_tools.workspace import Workspace

SCHEMA = "vggss-release/1"

SOUNDING_FILE = "vggss.json"
SILENT_FILE = "silent.json"
MANIFEST_FILE = "release.json"

# Folders beside the releases: what is being made, and what a forced release replaced.
_MAKING = ".making"
_REPLACED = ".replaced"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

Action = Literal["made", "unchanged", "replaced"]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a release says, before it is written.

    Attributes
    ----------
    sounding : list of Entry
        One a clip.
    silent : list of Entry
        One a clip and class.
    sources : list of Event
        The events that the boxes of both come from.
    decisions : Counter
        The clips of the split by where they stand on their own class (``fold.outcome``).
    """

    sounding: list[Entry] = field(default_factory=list)
    silent: list[Entry] = field(default_factory=list)
    sources: list[Event] = field(default_factory=list)
    decisions: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Release:
    """A release on disk.

    Attributes
    ----------
    folder : Path
    manifest : dict
        What ``release.json`` holds.
    action : str
        ``made``, ``unchanged`` (it was there with the same contents) or ``replaced``.
    kept : Path or None
        Where the replaced one lies now.
    """

    folder: Path
    manifest: dict[str, Any]
    action: Action
    kept: Path | None = None


def make_release(
    workspace: Workspace,
    name: str,
    *,
    split: str = "test",
    folder: Path | None = None,
    force: bool = False,
    report: Report = report_on_stderr,
) -> Release:
    """Release the annotations of one split under ``name``.

    Parameters
    ----------
    folder : Path, optional
        Where to; default ``releases/<name>`` of the data directory.
    split : str
        Split of the clip table; events on other clips are left alone.
    force : bool
        Replace a release there with other contents; the old one is moved to ``.replaced/``
        beside it, nothing is deleted.
    report : callable
        Takes notes for people, one line each.

    Raises
    ------
    VggssError
        If there is nothing to release, the split is unknown, the name is taken by other
        contents, or the folder holds files that are no release.
    InvalidInput
        If the log cannot be read, or holds a class that VGG-Sound does not have.
    """
    if not _NAME.fullmatch(name):
        raise VggssError(
            f"release name {name!r}: must be letters, digits, '.', '_' or '-', such as 2026-03-v1"
        )
    clips = workspace.clips(split)
    events = read_events(workspace.annotations_log, report=report)
    if not events:
        raise VggssError(
            f"{workspace.annotations_log}: no annotations to release; they come from reviewers, "
            "or, for a sample world, from `vggss sample DIR`"
        )
    for event_id in conflicting_ids(events):
        report(
            f"{workspace.annotations_log}: event {event_id} stands there with different contents; "
            "the earliest counts"
        )
    try:
        contents = collect(clips, fold(events))
    except UnknownClass as error:
        raise UnknownClass(
            f"{workspace.annotations_log}: {error.message}; append an event that supersedes it"
        ) from None
    if not contents.sounding:
        decided = ", ".join(f"{n} {key}" for key, n in sorted(contents.decisions.items()))
        raise VggssError(
            f"{workspace.annotations_log}: no clip of split {split!r} has a yes with a sounding "
            f"box ({decided}); annotate some, or choose another --split"
        )
    files = {
        SOUNDING_FILE: format_vggss_json(contents.sounding),
        SILENT_FILE: format_vggss_json(contents.silent),
    }
    manifest = describe(name, split, contents, files)
    files[MANIFEST_FILE] = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    # In the data directory, so that a folder of the user's own gets no lock file.
    lock = workspace.root / ".release.lock"
    with only_one(lock, f"{workspace.root}: another process makes a release", wait=True):
        if folder is None:
            return _publish(workspace.release_dir(name), manifest, files, force=force)
        return _publish(folder, manifest, files, force=force, another="--out")


def collect(clips: Iterable[Clip], states: dict[str, ClipState]) -> Contents:
    """Take from the state of each clip what a release says about it."""
    contents = Contents()
    for clip in clips:
        state = states.get(clip.clip_id)
        own = state.classes.get(clip.label) if state else None
        contents.decisions[outcome(state, clip.label)] += 1
        if own is not None and own.decision is Decision.YES and own.sounding_boxes:
            contents.sounding.append(_entry(clip.clip_id, own, own.sounding_boxes))
            contents.sources.append(own.newest)
        for about in state.classes.values() if state else ():
            if about.decision is Decision.NO and about.silent_boxes:
                contents.silent.append(_entry(clip.clip_id, about, about.silent_boxes))
                contents.sources.append(about.newest)
    return contents


def _entry(clip_id: str, state: ClassState, boxes: Iterable[Box]) -> Entry:
    raw = ((box.xmin, box.ymin, box.xmax, box.ymax) for box in boxes)
    try:
        return Entry(clip_id, check_class(state.label), tuple(raw))
    except UnknownClass as error:
        raise UnknownClass(f"{clip_id}: {error.message}") from None


def describe(name: str, split: str, contents: Contents, files: dict[str, str]) -> dict[str, Any]:
    """Make the manifest: what is in the release, and where it comes from."""
    sources = in_order(contents.sources)
    return {
        "schema": SCHEMA,
        "name": name,
        "split": split,
        # True where boxes are a sample world's own truth, which stands in for people.
        "stand_in": any(event.reviewer == STAND_IN_REVIEWER for event in sources),
        "counts": {
            "clips": len(contents.sounding),
            "classes": len({entry.label for entry in contents.sounding}),
            "boxes": sum(len(entry.boxes) for entry in contents.sounding),
            "boxes_per_clip": _tally(len(entry.boxes) for entry in contents.sounding),
            "silent_clips": len({entry.file for entry in contents.silent}),
            "silent_boxes": sum(len(entry.boxes) for entry in contents.silent),
        },
        "decisions": dict(sorted(contents.decisions.items())),
        "classes": dict(sorted(Counter(entry.label for entry in contents.sounding).items())),
        "sources": {
            "reviewers": _tally(event.reviewer for event in sources),
            "stages": _tally(str(event.stage) for event in sources),
            "tools": _tally(event.tool for event in sources),
            "events": len(sources),
            "newest_event": sources[-1].as_json()["time"],
        },
        "files": {
            file: {
                "sha256": hashlib.sha256(text.encode()).hexdigest(),
                "bytes": len(text.encode()),
            }
            for file, text in files.items()
        },
        "tool": {"name": "vggss-tools", "version": __version__},
    }


def _tally(values: Iterable[str] | Iterable[int]) -> dict[str, int]:
    return {str(value): count for value, count in sorted(Counter(values).items())}


def _publish(
    folder: Path,
    manifest: dict[str, Any],
    files: dict[str, str],
    *,
    force: bool,
    another: str = "name",
) -> Release:
    """Write the folder whole under its name, or find that it stands there already."""
    place = folder.absolute()  # `--out .` and the like have no parent's name otherwise
    releases = place.parent
    releases.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(releases / _MAKING, ignore_errors=True)  # of a run that was killed
    if _says_the_same(place, files):
        return Release(folder, manifest, "unchanged")
    is_taken = place.exists() and not _is_empty(place)
    if is_taken and not (place / MANIFEST_FILE).is_file():
        raise VggssError(f"{folder}: holds other files and is no release; choose another {another}")
    if is_taken and not force:
        raise VggssError(
            f"{folder}: a release of that name has other contents; choose another {another}, "
            f"or --force (the old one is then kept in {releases.name}/{_REPLACED})"
        )
    making = releases / _MAKING / place.name
    try:
        for file, text in files.items():
            write_text_atomic(making / file, text)
        kept = _set_aside(place) if is_taken else None
        making.rename(place)
    finally:
        shutil.rmtree(releases / _MAKING, ignore_errors=True)
    sync_folder(releases)
    return Release(folder, manifest, "replaced" if is_taken else "made", kept)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())


def _says_the_same(folder: Path, files: dict[str, str]) -> bool:
    """Whether the release on disk has these contents; another version of the tool may differ."""
    try:
        found = {file: (folder / file).read_text(encoding="utf-8") for file in files}
        manifests = [json.loads(texts[MANIFEST_FILE]) for texts in (found, files)]
    except (OSError, ValueError):
        return False
    for manifest in manifests:
        if isinstance(manifest, dict):
            manifest.pop("tool", None)
    same_data = all(found[file] == files[file] for file in files if file != MANIFEST_FILE)
    return same_data and manifests[0] == manifests[1]


def _set_aside(folder: Path) -> Path:
    """Move a release out of the way, to a name that is free."""
    shelf = folder.parent / _REPLACED
    shelf.mkdir(exist_ok=True)
    for number in count(1):
        kept = shelf / f"{folder.name}-{number}"
        if not kept.exists():
            break
    folder.rename(kept)
    sync_folder(shelf)
    return kept
