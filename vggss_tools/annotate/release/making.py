"""Releases: the fold of the event log, frozen under a name.

``releases/<name>/`` holds

- ``vggss.json``: what sounds, in the published format, one entry a clip: the sounding boxes of
  the clips whose decision on their own class is yes;
- ``silent.json``: what is visible and silent, in the same schema, one entry a clip and class: the
  silent boxes of the decisions that say no;
- ``decisions.csv``: where every clip of the split stands, and why it is left out;
- ``coco.json`` (where all frames are there) and ``boxes.parquet``: the same boxes;
- ``datasheet.md``, three PNG and ``statistics.html``: what is in it, for people;
- ``changes.json``: what changed since an earlier release, where there is one;
- ``release.json``: counts, checksums, and who and what the boxes come from;
- ``SHA256SUMS``: for ``sha256sum --check``.

Equal annotations give equal bytes: no file holds the time at which it was made. The date of a
release is that of its newest event, unless one is given.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date
from pathlib import Path
from typing import Any

from vggss_tools import __version__
from vggss_tools.annotate.agreement import agreement
from vggss_tools.annotate.events import STAND_IN_REVIEWER, Event
from vggss_tools.annotate.fold import ClipState, conflicting_ids, fold, in_order
from vggss_tools.annotate.log import Report, read_events, report_on_stderr
from vggss_tools.annotate.release.changes import (
    DECISIONS_FILE,
    Earlier,
    changes_since,
    count_changes,
    find_earlier,
    newest_earlier,
)
from vggss_tools.annotate.release.contents import Contents, collect, stage_counts
from vggss_tools.annotate.release.datasheet import Datasheet, format_datasheet
from vggss_tools.annotate.release.files import (
    BOXES_FILE,
    COCO_FILE,
    NoFrame,
    boxes_parquet,
    coco_json,
    decisions_csv,
    outcomes,
)
from vggss_tools.annotate.release.folder import (
    CHECKSUMS_FILE,
    MANIFEST_FILE,
    Release,
    check_name,
    file_facts,
    format_checksums,
    publish,
)
from vggss_tools.annotate.statistics.counting import statistics
from vggss_tools.annotate.statistics.files import statistics_files
from vggss_tools.annotate.vggss_json import format_vggss_json
from vggss_tools.classes import UnknownClass
from vggss_tools.clips import Clip
from vggss_tools.errors import VggssError
from vggss_tools.locks import only_one
from vggss_tools.workspace import Workspace

SCHEMA = "vggss-release/1"

SOUNDING_FILE = "vggss.json"
SILENT_FILE = "silent.json"
DATASHEET_FILE = "datasheet.md"
CHANGES_FILE = "changes.json"


def make_release(
    workspace: Workspace,
    name: str,
    *,
    split: str = "test",
    folder: Path | None = None,
    force: bool = False,
    needed: int | None = None,
    against: str | None = None,
    dated: date | None = None,
    licence: str | None = None,
    report: Report = report_on_stderr,
) -> Release:
    """Release the annotations of one split under ``name``.

    Parameters
    ----------
    split : str
        Split of the clip table; events on other clips are left alone.
    folder : Path, optional
        Where to; default ``releases/<name>`` of the data directory.
    force : bool
        Replace a release there with other contents; the old one is moved to ``.replaced/``
        beside it, nothing is deleted.
    needed : int, optional
        Release the consensus of at least so many reviewers (``annotate.consensus``) instead of
        the newest decisions.
    against : str, optional
        Name or path of the release to compare with; default: the newest earlier one.
    dated : date, optional
        Default: the day (UTC) of the newest event.
    licence : str, optional
        Of the boxes, to stand in the datasheet.
    report : callable
        Takes notes for people, one line each.

    Raises
    ------
    VggssError
        If there is nothing to release, the split is unknown, the name is taken by other
        contents, the folder holds files that are no release, or there is no such earlier release.
    InvalidInput
        If the log cannot be read, or holds a class that VGG-Sound does not have.
    """
    check_name(name)
    clips = workspace.clips(split)
    events = _read(workspace, report)
    states = fold(events)
    contents = _contents(workspace, clips, states, needed, split)
    data = {
        SOUNDING_FILE: format_vggss_json(contents.sounding).encode(),
        SILENT_FILE: format_vggss_json(contents.silent).encode(),
        DECISIONS_FILE: decisions_csv(contents.clips).encode(),
    }
    manifest = describe(name, split, contents)
    manifest["date"] = _date(contents, dated).isoformat()
    manifest["consensus"] = needed
    manifest["licence"] = licence
    manifest["stages"] = stage_counts(clips, events, contents)
    own = {clip.clip_id: states[clip.clip_id] for clip in clips if clip.clip_id in states}
    manifest["agreement"] = agreement(own, split)["overall"]
    earlier = find_earlier(workspace, against) if against is not None else None

    def make_files() -> tuple[dict[str, Any], dict[str, bytes]]:
        newest_event = manifest["sources"]["newest_event"]
        since = earlier or newest_earlier(workspace, split, newest_event, but=name)
        return _all_files(workspace, manifest, contents, data, since)

    # In the data directory, so that a folder of the user's own gets no lock file.
    lock = workspace.root / ".release.lock"
    with only_one(lock, f"{workspace.root}: another process makes a release", wait=True):
        if folder is None:
            return publish(workspace.release_dir(name), manifest, data, make_files, force=force)
        return publish(folder, manifest, data, make_files, force=force, another="--out")


def describe(name: str, split: str, contents: Contents) -> dict[str, Any]:
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
    }


def _read(workspace: Workspace, report: Report) -> list[Event]:
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
    return events


def _contents(
    workspace: Workspace,
    clips: list[Clip],
    states: Mapping[str, ClipState],
    needed: int | None,
    split: str,
) -> Contents:
    try:
        contents = collect(clips, states, needed)
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
    return contents


def _date(contents: Contents, dated: date | None) -> date:
    newest = contents.newest
    assert newest is not None  # there are boxes, so there are events
    day = newest.time.astimezone(UTC).date()
    if dated is not None and dated < day:
        raise VggssError(
            f"--date {dated.isoformat()}: earlier than the newest annotation "
            f"({day.isoformat()} UTC); give that day or a later one"
        )
    return dated or day


def _all_files(
    workspace: Workspace,
    manifest: Mapping[str, Any],
    contents: Contents,
    data: Mapping[str, bytes],
    earlier: Earlier | None,
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Make every file, and the manifest that knows them."""
    whole = dict(manifest)
    files = dict(data)
    left_out: dict[str, str] = {}
    try:
        files[COCO_FILE] = coco_json(workspace, contents.sounding, manifest["split"])
    except NoFrame as reason:
        left_out[COCO_FILE] = str(reason)
    files[BOXES_FILE] = boxes_parquet(contents, manifest["split"])
    changes = None
    if earlier is not None:
        changes = changes_since(earlier, contents.sounding, outcomes(contents.clips))
        files[CHANGES_FILE] = _json(changes)
        whole["changes"] = {"against": changes["against"], **count_changes(changes)}
    counts = statistics(contents.sounding)
    files |= statistics_files(f"{manifest['name']}: {len(contents.sounding):,} clips", counts)
    sheet = Datasheet(whole, counts, contents, changes, left_out)
    files[DATASHEET_FILE] = format_datasheet(sheet, files).encode()
    whole["left_out"] = left_out
    whole["files"] = file_facts(files)
    whole["tool"] = {"name": "vggss-tools", "version": __version__}
    files[MANIFEST_FILE] = _json(whole)
    files[CHECKSUMS_FILE] = format_checksums(files).encode()
    return whole, files


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _tally(values: Iterable[str] | Iterable[int]) -> dict[str, int]:
    return {str(value): count for value, count in sorted(Counter(values).items())}
