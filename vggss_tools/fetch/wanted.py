"""Which clips are asked for: from a named set or a list, and how they come into the clip table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vggss_tools.classes import vggsound_classes
from vggss_tools.clip_lists import ClipList, read_clip_list
from vggss_tools.clips import COLUMNS, Clip, read_clips, write_clips
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.fetch.lists import list_path
from vggss_tools.locks import only_one
from vggss_tools.many_objects import no_search_for_circles
from vggss_tools.workspace import Workspace

# train and test are VGG-Sound's splits; vggss is the part of test that VGG-SS has boxes for.
SplitName = Literal["train", "test", "vggss"]
LIST_OF: dict[str, str] = {"train": "vggsound.csv", "test": "test.csv", "vggss": "vggss.json"}
# The class or split of a clip that no list names; replaced once one does.
UNKNOWN = "unknown"
# Stands in the place of a class in lists of pairs whose sound is not of the picture.
NO_CLASS = "non-sounding"


@dataclass(frozen=True)
class Wanted:
    """The clips that are asked for.

    Attributes
    ----------
    clips : list of Clip
        In the list's order.
    source : str
        Where they are named: a file, or the clip table.
    notes : list of str
        What the list repeats, contradicts or lacks, one line each.
    report : dict
        The same as JSON.
    """

    clips: list[Clip]
    source: str
    notes: list[str] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)


@no_search_for_circles()
def wanted_clips(
    workspace: Workspace,
    split: SplitName | None = None,
    clips_file: Path | None = None,
    limit: int | None = None,
) -> Wanted:
    """Return the clips of a split, of a list, or, without either, of the clip table.

    Of a list that says the splits of its clips, ``split`` takes its own; where a list does not,
    its clips are of that split.

    Raises
    ------
    VggssError
        If there is nothing to go by, or no clip is left.
    """
    if split is None and clips_file is None:
        if not workspace.clips_table.is_file():
            raise VggssError(
                f"{workspace.root}: no clips yet; say which with --split test, train or vggss "
                "(after `vggss fetch --lists`), or with --clips FILE"
            )
        return Wanted(read_clips(workspace.clips_table)[:limit], str(workspace.clips_table))
    path = clips_file or _official(workspace, split or "test")
    listed = read_clip_list(path)
    clips = _clips_of(workspace, listed, split, own=clips_file is not None)
    others = [clip_id for clip_id in listed.ids if clip_id not in clips.known]
    chosen = [clip for clip in clips.found if _is_of(clip, split)]
    if split == "vggss" and clips_file is not None:
        chosen = _in_vggss(workspace, chosen)
    notes, report = _notes(path, listed, others)
    if not chosen:
        what = f"no clip of {split}" if split else "no clip id"
        raise InvalidInput(
            f"{path}: {what} in it (such as zpWuikVorYg_000032); give a list that has some"
        )
    return Wanted(chosen[:limit], str(path), notes, report)


def _official(workspace: Workspace, split: str) -> Path:
    path = list_path(workspace, LIST_OF[split])
    if path is None:
        raise VggssError(
            f"{workspace.root}/lists/{LIST_OF[split]}: not there, and --split {split} needs it; "
            "get it with `vggss fetch --lists`, or give a list of your own with --clips FILE"
        )
    return path


@dataclass(frozen=True)
class _Found:
    found: list[Clip]
    known: set[str]


def _clips_of(workspace: Workspace, listed: ClipList, split: str | None, *, own: bool) -> _Found:
    """Give each clip of a list its class and split, from the list or from what else is there."""
    said = {"train": "train", "test": "test", "vggss": "test", None: None}[split]
    splits: dict[str, str] = dict(listed.splits)
    labels = {i: label for i, label in listed.labels.items() if _bare(label) != _bare(NO_CLASS)}
    if own:
        _look_up(workspace, listed, labels, splits)
    classes = vggsound_classes()
    spellings = {_bare(name): name for name in classes}
    found: list[Clip] = []
    for clip_id in listed.ids:
        label = labels.get(clip_id, UNKNOWN)
        if label not in classes:
            label = spellings.get(_bare(label), label)
        try:
            found.append(Clip(clip_id, label, splits.get(clip_id) or said or UNKNOWN))
        except ValueError:
            continue  # a photo or another data set's clip; counted by the caller
    return _Found(found, {clip.clip_id for clip in found})


def _silent(listed: ClipList) -> list[str]:
    return [i for i, label in listed.labels.items() if _bare(label) == _bare(NO_CLASS)]


def _bare(label: str) -> str:
    """Return a class without what some lists spell otherwise: commas, hyphens, underscores."""
    return re.sub(r"[\W_]+", " ", label).strip().casefold()


def _look_up(
    workspace: Workspace, listed: ClipList, labels: dict[str, str], splits: dict[str, str]
) -> None:
    """Take from the clip table and the official lists what a list does not say."""
    for path in (
        workspace.clips_table,
        list_path(workspace, "test.csv"),
        list_path(workspace, "vggsound.csv"),
    ):
        lacking = [i for i in listed.ids if i not in labels or i not in splits]
        if not lacking:
            return
        if path is None or not path.is_file():
            continue
        for clip_id, (label, split) in _said_by(path, lacking):
            if label != UNKNOWN:
                labels.setdefault(clip_id, label)
            if split != UNKNOWN:
                splits.setdefault(clip_id, split)


def _said_by(path: Path, ids: Sequence[str]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield class and split of the clips that a table has."""
    if path.suffix == ".parquet":
        rows = {clip.clip_id: (clip.label, clip.split) for clip in read_clips(path)}
    else:
        listed = read_clip_list(path)
        rest = "test" if path.name == "test.csv" else UNKNOWN
        rows = {i: (listed.labels.get(i, UNKNOWN), listed.splits.get(i, rest)) for i in listed.ids}
    yield from ((i, rows[i]) for i in ids if i in rows)


def _is_of(clip: Clip, split: str | None) -> bool:
    return split is None or clip.split == ("train" if split == "train" else "test")


def _in_vggss(workspace: Workspace, clips: list[Clip]) -> list[Clip]:
    """Keep the clips of VGG-SS, where its list is there to say which they are."""
    path = list_path(workspace, LIST_OF["vggss"])
    if path is None:
        return clips
    ids = set(read_clip_list(path).ids)
    return [clip for clip in clips if clip.clip_id in ids]


def _notes(path: Path, listed: ClipList, others: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    notes = [f"{path}: {note}" for note in listed.notes]

    def say(clips: Sequence[str], what: str) -> None:
        if clips:
            more = ", …" if len(clips) > 3 else ""
            notes.append(f"{path}: {len(clips):,} {what} ({', '.join(clips[:3])}{more})")

    say(listed.duplicates, "clip(s) stand there more than once")
    say(listed.conflicts, "clip(s) have two classes or splits there; the first counts")
    say(_silent(listed), f"clip(s) have the word {NO_CLASS!r} for a class; left without one")
    say(others, "id(s) are no clips of the form <youtube_id>_<start, 6 digits>; left out")
    report = {
        "file": str(path),
        "sha256": listed.sha256,
        "rows": listed.n_rows,
        "duplicates": list(listed.duplicates),
        "conflicts": list(listed.conflicts),
        "left_out": list(others),
    }
    return notes, report


def merge_clips(workspace: Workspace, clips: Sequence[Clip]) -> tuple[list[Clip], list[str]]:
    """Put clips into the clip table; rows that are there stay, and come first.

    An unknown class or split is filled in. Another class than the table's is a contradiction: the
    table's stays.

    Returns
    -------
    The clips as the table has them, in the order given; and the contradictions, one line each.
    """
    if _has_all(workspace.clips_table, clips):
        return list(clips), []
    lock = workspace.root / ".clips.lock"
    with only_one(lock, f"{workspace.root}: another process writes the clip table", wait=True):
        before = read_clips(workspace.clips_table) if workspace.clips_table.is_file() else []
        rows = {clip.clip_id: clip for clip in before}
        contradictions: list[str] = []
        changed = False
        for clip in clips:
            known = rows.get(clip.clip_id)
            if known == clip:
                continue
            if known is not None:
                merged = _filled_in(known, clip)
                for name in ("label", "split"):
                    have, said = getattr(merged, name), getattr(clip, name)
                    if have != said != UNKNOWN:
                        contradictions.append(
                            f"{clip.clip_id}: {have!r} in the clip table, {said!r} in the list"
                        )
                if merged == known:
                    continue
                clip = merged
            rows[clip.clip_id] = clip
            changed = True
        if changed:
            write_clips(workspace.clips_table, rows.values())
    return [rows[clip.clip_id] for clip in clips], contradictions


def _has_all(path: Path, clips: Sequence[Clip]) -> bool:
    """Whether a clip table has these rows; quick, because it is asked of 200,000 at each start."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=list(COLUMNS))
    except (OSError, pa.ArrowException):
        return False  # reading it properly says why
    columns = [table[name].to_pylist() for name in COLUMNS]
    rows = dict(zip(columns[0], zip(columns[1], columns[2], strict=True), strict=True))
    return len(rows) == table.num_rows and all(
        rows.get(clip.clip_id) == (clip.label, clip.split) for clip in clips
    )


def _filled_in(known: Clip, said: Clip) -> Clip:
    label = said.label if known.label == UNKNOWN else known.label
    split = said.split if known.split == UNKNOWN else known.split
    return Clip(known.clip_id, label, split)
