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
from vggss_tools.coverage import coverage
from vggss_tools.errors import InvalidInput, not_readable
from vggss_tools.many_objects import no_search_for_circles
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


@no_search_for_circles()
def survey(workspace: Workspace) -> dict[str, Any]:
    """Look through a data directory, which may be empty or missing.

    Returns
    -------
    dict
        ``vggss-status/1``, ready for JSON:

        - ``data``, ``exists``: the directory;
        - ``clips``: split to clips in the clip table;
        - ``media``: ``video``, ``frame``, ``sound`` to split to clips that have the file;
        - ``coverage``: what is here, what can be had and what is gone, see
          :func:`~vggss_tools.coverage.coverage`;
        - ``refused_by``: source to split to kind of failure to clips that are not here and that
          it has refused for good, before another source was asked for them;
        - ``outcomes``: rows of the ledger, also of clips that the clip table does not name;
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
    clips = workspace.clips() if workspace.clips_table.is_file() else []
    splits = _by_split(clips)
    files = _Files(workspace.root)
    media = {kind: _finder(files, workspace, path_of) for kind, path_of in MEDIA.items()}
    stages, fetched = _stages(workspace, splits, files)
    report = {
        "schema": SCHEMA,
        "data": str(workspace.root),
        "exists": workspace.root.is_dir(),
        "clips": {split: len(clips) for split, clips in splits.items()},
        "media": {
            kind: {
                split: sum(has(clip.clip_id) for clip in clips) for split, clips in splits.items()
            }
            for kind, has in media.items()
        },
        "coverage": coverage(clips, media["video"], fetched.kinds),
        "refused_by": fetched.refused,
        "outcomes": fetched.outcomes,
        "stages": stages,
        "proposals": _proposals(workspace, splits),
        "annotations": _annotations(workspace, splits),
        "releases": _releases(workspace),
        "runs": _runs(workspace, files),
        "predictions": _predictions(workspace, files),
    }
    return {**report, "bytes": files.sizes(), "left_over": files.left_over()}


@dataclass
class _Files:
    """The folders that were looked into, each listed once, however many clips it holds.

    Folders go by their path from the data directory, as text: a Path a file would take longer
    than looking.
    """

    root: Path
    folders: dict[str, Counts] = field(default_factory=dict)

    def of(self, folder: str) -> Counts:
        """Return the files of a folder, name to bytes; none if there is no folder."""
        if folder not in self.folders:
            self.folders[folder] = _sizes(self.root / folder)
        return self.folders[folder]

    def has(self, path: str) -> bool:
        """Whether a file is there, by its path from the data directory."""
        folder, _, name = path.rpartition("/")
        return name in self.of(folder)

    def sizes(self) -> Counts:
        """Return the size of each folder in bytes."""
        return {
            folder: sum(found.values()) for folder, found in sorted(self.folders.items()) if found
        }

    def left_over(self) -> int:
        """Count the temporary files of runs that were killed, or that go on right now."""
        return sum(
            name.startswith(PART_PREFIX) for found in self.folders.values() for name in found
        )


def _finder(
    files: _Files, workspace: Workspace, path_of: Callable[[Workspace, str], Path]
) -> Callable[[str], bool]:
    """Return what says whether a clip has its file of one kind."""
    folder, _, suffix = (
        path_of(workspace, "*").relative_to(workspace.root).as_posix().partition("*")
    )
    names = files.of(folder.rstrip("/"))
    return lambda clip_id: f"{clip_id}{suffix}" in names


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


@dataclass
class _Fetched:
    """What the ledger says of ``fetch``.

    Attributes
    ----------
    kinds : dict
        Clip → kind of failure, None where it is done.
    refused : dict
        Source → split → kind → clips that it has refused before another source was asked.
    outcomes : int
        Outcomes of all stages, also of clips that no table names.
    """

    kinds: dict[str, str | None] = field(default_factory=dict)
    refused: dict[str, dict[str, Counts]] = field(default_factory=dict)
    outcomes: int = 0

    def refuse(self, split: str, earlier: str) -> None:
        """Count what other sources have said of a clip."""
        for refusal in json.loads(earlier):
            source = dict(refusal["source"])
            where = source.get("template") or source.get("folder") or source.get("archive") or ""
            name = f"{source.get('name', 'unknown')}:{where}".rstrip(":")
            kinds = self.refused.setdefault(name, {}).setdefault(split, {})
            kinds[refusal["kind"]] = kinds.get(refusal["kind"], 0) + 1


def _stages(workspace: Workspace, splits: Splits, files: _Files) -> tuple[dict[str, Any], _Fetched]:
    """Count the outcomes of each stage that the ledger knows; and return those of `fetch`."""
    from vggss_tools.ledger import Ledger

    fetched = _Fetched()
    if not workspace.ledger_path.is_file():
        return {}, fetched
    split_of = {clip.clip_id: split for split, clips in splits.items() for clip in clips}
    totals: dict[str, dict[str, Counter[str]]] = {}
    failed: dict[str, dict[str, Counter[str]]] = {}
    decode = json.JSONDecoder().raw_decode  # json.loads takes longer for a short text
    with Ledger(workspace.ledger_path, for_reading=True) as ledger:
        for stage, clip_id, status, kind, checksums, earlier in ledger.standings():
            fetched.outcomes += 1
            if stage not in totals:
                totals[stage] = {split: Counter() for split in splits}
                failed[stage] = {split: Counter() for split in splits}
            split = split_of.get(clip_id)
            if split is None:
                continue
            if stage == "fetch":
                fetched.kinds[clip_id] = kind
                if earlier is not None and status != "done":
                    fetched.refuse(split, earlier)
            if status != "done":
                state = "failed"
                failed[stage][split][ledger.kind_of(clip_id, stage, kind)] += 1
            else:
                state = "done"
                for name in decode(checksums)[0]:
                    folder, _, file = name.rpartition("/")
                    if file not in files.of(folder):
                        state = "gone"
            totals[stage][split][state] += 1

    def counts(stage: str, split: str) -> dict[str, Any]:
        found = totals[stage][split]
        return {
            "done": found["done"],
            "failed": dict(sorted(failed[stage][split].items())),
            "gone": found["gone"],
            "missing": len(splits[split]) - found.total(),
        }

    order = {name: place for place, name in enumerate(STAGE_ORDER)}
    names = sorted(totals, key=lambda name: (order.get(name, len(order)), name))
    return {name: {split: counts(name, split) for split in splits} for name in names}, fetched


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
        {"name": name, "files": sum(not file.startswith(".") for file in files.of(f"runs/{name}"))}
        for name in _run_names(workspace)
        if files.has(f"runs/{name}/checkpoint.pth")
    ]


def _predictions(workspace: Workspace, files: _Files) -> list[dict[str, Any]]:
    """List the folders in which the predicting stages keep the map of each clip."""
    listed = []
    for name in _run_names(workspace):
        found = files.of(f"runs/{name}")
        maps = [file for file in found if file.endswith(".npy") and not file.startswith(".")]
        if maps and "checkpoint.pth" not in found:
            listed.append({"name": name, "maps": len(maps)})
    return listed


def _run_names(workspace: Workspace) -> list[str]:
    return sorted(path.name for path in (workspace.root / "runs").glob("*") if path.is_dir())
