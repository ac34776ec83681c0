"""What is where in a data directory: per stage and split, with counts by outcome.

Nothing is changed by looking: no file is made, and none is repaired.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vggss_tools.atomic import PART_PREFIX
from vggss_tools.clips import Clip
from vggss_tools.errors import InvalidInput, not_readable
from vggss_tools.workspace import Workspace

SCHEMA = "vggss-status/1"

# Stages in the order in which clips flow; any others follow by name.
STAGE_ORDER = ("sample", "fetch", "extract", "propose", "predict")

# What a clip may have, whoever put it there.
MEDIA: dict[str, Callable[[Workspace, str], Path]] = {
    "video": Workspace.clip_path,
    "frame": Workspace.frame_path,
    "sound": Workspace.audio_path,
}

Counts = dict[str, int]
Splits = dict[str, list[Clip]]


def survey(workspace: Workspace) -> dict[str, Any]:
    """Look through a data directory, which may be empty or missing.

    Returns
    -------
    dict
        ``vggss-status/1``, ready for JSON:

        - ``data``, ``exists``: the directory;
        - ``clips``: split to clips in the clip table;
        - ``media``: ``video``, ``frame``, ``sound`` to split to clips that have the file;
        - ``stages``: stage to split to ``done``, ``failed`` (by kind), ``gone`` (done once, but
          a file is no longer there) and ``missing`` (never tried);
        - ``proposals``: split to ``detections``, ``clips`` and ``clips_with_candidate``, or null;
        - ``annotations``: ``events`` and split to clips by where they stand, or null;
        - ``releases``: by name, the newest marked;
        - ``runs``: the folders of ``runs/`` with a checkpoint, by name;
        - ``predictions``: the folders of maps that ``vggss predict`` keeps, one map a clip;
        - ``bytes``: folder to size; ``left_over``: temporary files that a kill left behind.

    Raises
    ------
    InvalidInput
        If a table, the ledger or the log is there and cannot be read.
    """
    splits = _by_split(workspace.clips() if workspace.clips_table.is_file() else [])
    files = _Files()
    report = {
        "schema": SCHEMA,
        "data": str(workspace.root),
        "exists": workspace.root.is_dir(),
        "clips": {split: len(clips) for split, clips in splits.items()},
        "media": {
            kind: {
                split: sum(files.has(path_of(workspace, clip.clip_id)) for clip in clips)
                for split, clips in splits.items()
            }
            for kind, path_of in MEDIA.items()
        },
        "stages": _stages(workspace, splits, files),
        "proposals": _proposals(workspace, splits),
        "annotations": _annotations(workspace, splits),
        "releases": _releases(workspace),
        "runs": _runs(workspace, files),
        "predictions": _predictions(workspace, files),
    }
    return {**report, "bytes": files.sizes(workspace.root), "left_over": files.left_over()}


@dataclass
class _Files:
    """The folders that were looked into, each listed once, however many clips it holds."""

    folders: dict[Path, Counts] = field(default_factory=dict)

    def of(self, folder: Path) -> Counts:
        """Return the files of a folder, name to bytes; none if there is no folder."""
        if folder not in self.folders:
            self.folders[folder] = _sizes(folder)
        return self.folders[folder]

    def has(self, path: Path) -> bool:
        """Whether a file is there."""
        return path.name in self.of(path.parent)

    def sizes(self, root: Path) -> Counts:
        """Return the size of each folder in bytes, by its path from ``root``."""
        return {
            folder.relative_to(root).as_posix(): sum(found.values())
            for folder, found in sorted(self.folders.items())
            if found
        }

    def left_over(self) -> int:
        """Count the temporary files of runs that were killed, or that go on right now."""
        return sum(
            name.startswith(PART_PREFIX) for found in self.folders.values() for name in found
        )


def _sizes(folder: Path) -> Counts:
    """List the files of a folder; what cannot be looked at, such as a loop of links, is none."""
    found: Counts = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    if entry.is_file():
                        found[entry.name] = entry.stat().st_size
                except PermissionError:
                    raise
                except OSError:
                    continue
    except PermissionError:
        raise
    except OSError:
        return {}
    return found


def _by_split(clips: Iterable[Clip]) -> Splits:
    """Group clips by split; the splits are sorted by name."""
    groups: Splits = defaultdict(list)
    for clip in clips:
        groups[clip.split].append(clip)
    return dict(sorted(groups.items()))


def _stages(workspace: Workspace, splits: Splits, files: _Files) -> dict[str, Any]:
    """Count the outcomes of each stage that the ledger knows."""
    from vggss_tools.ledger import Ledger, Outcome

    if not workspace.ledger_path.is_file():
        return {}
    by_stage: dict[str, dict[str, Outcome]] = defaultdict(dict)
    with Ledger(workspace.ledger_path) as ledger:
        for outcome in ledger.outcomes():
            by_stage[outcome.stage][outcome.clip_id] = outcome

    def count(clips: list[Clip], known: dict[str, Outcome]) -> dict[str, Any]:
        totals: Counter[str] = Counter()
        failed: Counter[str] = Counter()
        for clip in clips:
            outcome = known.get(clip.clip_id)
            if outcome is None:
                totals["missing"] += 1
            elif not outcome.done:
                failed[str(outcome.kind)] += 1
            elif all(files.has(workspace.root / path) for path in outcome.checksums):
                totals["done"] += 1
            else:
                totals["gone"] += 1
        return {
            "done": totals["done"],
            "failed": dict(sorted(failed.items())),
            "gone": totals["gone"],
            "missing": totals["missing"],
        }

    order = {name: place for place, name in enumerate(STAGE_ORDER)}
    names = sorted(by_stage, key=lambda name: (order.get(name, len(order)), name))
    return {
        name: {split: count(clips, by_stage[name]) for split, clips in splits.items()}
        for name in names
    }


def _proposals(workspace: Workspace, splits: Splits) -> dict[str, Any] | None:
    """Count detections, and the clips where one of them was matched to the clip's own class."""
    path = workspace.proposals_table
    if not path.is_file():
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=["clip_id", "sound_class"])
        rows = zip(table["clip_id"].to_pylist(), table["sound_class"].to_pylist(), strict=True)
    except PermissionError as error:
        raise not_readable(path, error) from None
    except (pa.ArrowException, OSError, KeyError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InvalidInput(
            f"{path}: not a readable proposals table ({reason}); "
            "make it again with `vggss propose-boxes`"
        ) from None
    found: dict[str, list[str | None]] = defaultdict(list)
    for clip_id, sound_class in rows:
        found[clip_id].append(sound_class)

    def count(clips: list[Clip]) -> Counts:
        there = [clip for clip in clips if clip.clip_id in found]
        return {
            "detections": sum(len(found[clip.clip_id]) for clip in there),
            "clips": len(there),
            "clips_with_candidate": sum(clip.label in found[clip.clip_id] for clip in there),
        }

    return {split: count(clips) for split, clips in splits.items()}


def _annotations(workspace: Workspace, splits: Splits) -> dict[str, Any] | None:
    """Count the clips of each split by where they stand on their own class."""
    from vggss_tools.annotate.fold import fold, outcome
    from vggss_tools.annotate.log import read_events

    if not workspace.annotations_log.is_file():
        return None
    events = read_events(workspace.annotations_log)
    states = fold(events)

    def count(clips: list[Clip]) -> Counts:
        stands = Counter(outcome(states.get(clip.clip_id), clip.label) for clip in clips)
        return dict(sorted(stands.items()))

    return {
        "events": len(events),
        "reviewers": sorted({event.reviewer for event in events}),
        "splits": {split: count(clips) for split, clips in splits.items()},
    }


def _releases(workspace: Workspace) -> list[dict[str, Any]]:
    """List the releases by name, with what their manifests say."""
    newest = workspace.newest_release()
    releases = []
    for path in sorted((workspace.root / "releases").glob("*/vggss.json")):
        folder = path.parent
        try:
            manifest = json.loads((folder / "release.json").read_text(encoding="utf-8"))
            says = {key: manifest[key] for key in ("split", "stand_in", "counts")}
        except (OSError, ValueError, KeyError, TypeError):
            # Boxes that somebody else put there: still a release, about which nothing is known.
            says = {"split": None, "stand_in": None, "counts": None}
        releases.append({"name": folder.name, "newest": folder == newest, **says})
    return releases


def _runs(workspace: Workspace, files: _Files) -> list[dict[str, Any]]:
    """List the training runs: the folders with a checkpoint. Hidden files do not count."""
    return [
        {"name": folder.name, "files": sum(not name.startswith(".") for name in files.of(folder))}
        for folder in _run_folders(workspace)
        if files.has(folder / "checkpoint.pth")
    ]


def _predictions(workspace: Workspace, files: _Files) -> list[dict[str, Any]]:
    """List the folders in which the predicting stages keep the map of each clip."""
    listed = []
    for folder in _run_folders(workspace):
        maps = [n for n in files.of(folder) if n.endswith(".npy") and not n.startswith(".")]
        if maps and not files.has(folder / "checkpoint.pth"):
            listed.append({"name": folder.name, "maps": len(maps)})
    return listed


def _run_folders(workspace: Workspace) -> list[Path]:
    return sorted(path for path in (workspace.root / "runs").glob("*") if path.is_dir())
