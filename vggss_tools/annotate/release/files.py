"""The files of a release that tell the same boxes in other forms: COCO, Parquet, decisions."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from vggss_tools.annotate.events import Decision, EventBox
from vggss_tools.annotate.formats.exchange import Item
from vggss_tools.annotate.frame_sizes import NotAJpeg, jpeg_size
from vggss_tools.annotate.release.contents import ClipDecision, Contents
from vggss_tools.annotate.vggss_json import Entry
from vggss_tools.boxes import Box
from vggss_tools.workspace import Workspace

COCO_FILE = "coco.json"
BOXES_FILE = "boxes.parquet"


class NoFrame(Exception):
    """A clip whose frame's size is not known."""


class _InWorkspace:
    """Media as a data directory has them, wherever the release lies."""

    def frame(self, item: Item, beside: Path) -> str:
        return f"frames/{item.clip_id}.jpg"

    def clip(self, item: Item, beside: Path) -> str:
        return f"clips/{item.clip_id}.mp4"

    def audio(self, item: Item, beside: Path) -> str:
        return f"audio/{item.clip_id}.wav"


def coco_json(workspace: Workspace, sounding: Iterable[Entry], split: str) -> bytes:
    """Return the boxes of what sounds as COCO, in pixels of the frames.

    Raises
    ------
    NoFrame
        Naming the first clip whose frame is missing or unreadable; COCO cannot be written then.
    """
    from vggss_tools.annotate.formats.registry import FORMATS

    items = [_item(workspace, entry, split) for entry in sounding]
    with TemporaryDirectory() as folder:
        path = Path(folder) / COCO_FILE
        FORMATS["coco"].write(items, path, _InWorkspace())
        return path.read_bytes()


def boxes_parquet(contents: Contents, split: str) -> bytes:
    """Return a table of all boxes, one a row.

    Columns: ``clip_id, class, split, box`` (counted from 0 in its list), ``xmin, ymin, xmax, ymax``
    (fractions of the frame, y down), ``sounding``, ``opinions`` (persons who decided about the
    clip's own class; null for other classes).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    opinions = {(clip.clip_id, clip.label): clip.n_opinions for clip in contents.clips}
    rows = [
        (entry.file, entry.label, index, box, sounding)
        for entries, sounding in ((contents.sounding, True), (contents.silent, False))
        for entry in sorted(entries, key=lambda entry: (entry.file, entry.label))
        for index, box in enumerate(entry.boxes)
    ]
    columns: dict[str, pa.Array] = {
        "clip_id": pa.array([row[0] for row in rows], pa.string()),
        "class": pa.array([row[1] for row in rows], pa.string()),
        "split": pa.array([split] * len(rows), pa.string()),
        "box": pa.array([row[2] for row in rows], pa.int32()),
    }
    for axis, name in enumerate(("xmin", "ymin", "xmax", "ymax")):
        columns[name] = pa.array([row[3][axis] for row in rows], pa.float64())
    columns["sounding"] = pa.array([row[4] for row in rows], pa.bool_())
    columns["opinions"] = pa.array([opinions.get(row[:2]) for row in rows], pa.int32())
    written = io.BytesIO()
    pq.write_table(pa.table(columns), written)
    return written.getvalue()


def decisions_csv(clips: Sequence[ClipDecision]) -> str:
    """Return where every clip of the split stands, sorted by clip, and why it is left out.

    Columns: ``clip_id, class, outcome, reviewers`` (apart by ``; ``), ``opinions`` (persons who
    decided), ``sounding, silent`` (boxes as they stand), ``dropped`` (boxes that too few reviewers
    drew, with a consensus), ``reason`` (empty for clips of the release).
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    counts = ("opinions", "sounding", "silent", "dropped")
    rows.writerow(("clip_id", "class", "outcome", "reviewers", *counts, "reason"))
    for clip in sorted(clips, key=lambda clip: clip.clip_id):
        rows.writerow(
            (
                clip.clip_id,
                clip.label,
                clip.outcome,
                "; ".join(clip.reviewers),
                clip.n_opinions,
                clip.n_sounding,
                clip.n_silent,
                clip.n_dropped,
                clip.reason,
            )
        )
    return text.getvalue()


def outcomes(clips: Iterable[ClipDecision]) -> Mapping[str, str]:
    """Return where each clip stands, by id."""
    return {clip.clip_id: clip.outcome for clip in clips}


def _item(workspace: Workspace, entry: Entry, split: str) -> Item:
    frame = workspace.frame_path(entry.file)
    try:
        width, height = jpeg_size(frame)
    except FileNotFoundError:
        raise NoFrame(f"{entry.file} has no frame; run `vggss extract`") from None
    except (NotAJpeg, OSError) as error:
        raise NoFrame(f"{frame}: {error}") from None
    return Item(
        clip_id=entry.file,
        label=entry.label,
        split=split,
        decision=Decision.YES,
        boxes=tuple(EventBox(Box(*box)) for box in entry.boxes),
        width=width,
        height=height,
        frame=frame,
    )
