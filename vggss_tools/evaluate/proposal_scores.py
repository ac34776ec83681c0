"""Proposed boxes against annotated ones: precision and recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from vggss_tools.annotate.vggss_json import Annotations, box_defect
from vggss_tools.boxes import Box, match_boxes
from vggss_tools.errors import InvalidInput, VggssError

IOU = 0.5
COLUMNS = ("clip_id", "xmin", "ymin", "xmax", "ymax", "sound_class")


@dataclass(frozen=True, slots=True)
class ProposedBox:
    """A detection: its box, and the sound class it was matched to, if any."""

    box: Box
    sound_class: str | None


class ProposalScores(TypedDict):
    """Precision and recall of the candidates; None where there is nothing to count."""

    precision: float | None
    recall: float | None
    n_proposals: int
    n_truth: int
    n_clips: int
    iou: float


def read_proposals(path: Path | str) -> dict[str, list[ProposedBox]]:
    """Read a proposals table, by clip.

    Raises
    ------
    VggssError
        If the file is missing.
    InvalidInput
        If it is not such a table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    if not path.is_file():
        raise VggssError(f"{path}: no such proposals table; make one with `vggss propose-boxes`")
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise InvalidInput(f"{path}: not a readable Parquet file ({reason})") from None
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise InvalidInput(f"{path}: no column {', '.join(missing)}; give a proposals.parquet")
    proposals: dict[str, list[ProposedBox]] = {}
    rows = zip(*(table.column(name).to_pylist() for name in COLUMNS), strict=True)
    for row, (clip_id, *edges, sound_class) in enumerate(rows):
        try:
            box = Box.from_sequence(edges)
        except ValueError as error:
            raise InvalidInput(f"{path}: row {row} ({clip_id}): {error}") from None
        proposals.setdefault(clip_id, []).append(ProposedBox(box, sound_class))
    return proposals


def score_proposals(
    proposals: Mapping[str, Sequence[ProposedBox]], annotations: Annotations
) -> ProposalScores:
    """Compare the candidates of each annotated clip with its boxes, one to one at IoU 0.5.

    A candidate is a detection that was matched to the clip's own sound class. Annotated boxes
    without an area are left out; a clip without a candidate has all its boxes missed.
    """
    n_matched = n_proposals = n_truth = 0
    for entry in annotations.entries:
        truth = [Box.from_sequence(box) for box in entry.boxes if box_defect(box) is None]
        candidates = [p.box for p in proposals.get(entry.file, ()) if p.sound_class == entry.label]
        n_matched += len(match_boxes(candidates, truth, IOU))
        n_proposals += len(candidates)
        n_truth += len(truth)
    return {
        "precision": n_matched / n_proposals if n_proposals else None,
        "recall": n_matched / n_truth if n_truth else None,
        "n_proposals": n_proposals,
        "n_truth": n_truth,
        "n_clips": len(annotations.entries),
        "iou": IOU,
    }
