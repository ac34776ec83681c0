"""What is wrong in a file of boxes, found by looking at the file alone.

================  =================================================================
kind              what
================  =================================================================
``sentinel``      a coordinate outside the frame, such as the published -2.9e16
``empty_box``     a box without width or height
``empty_mask``    no box of the clip covers anything, so no map can score there
``duplicate``     a box that nearly is another of the clip, or an entry that stands
                  there twice
``full_frame``    a box that covers the frame, so that it points at nothing
``not_in_test``   a clip outside of VGG-Sound's test split
================  =================================================================

What the published file is known to hold is in ``annotations/errata.csv``; this finds the same, and
the like in any other file of the format.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from vggss_tools.annotate.vggss_json import Annotations, Entry, RawBox, box_defect
from vggss_tools.boxes import Box, iou

FindingKind = Literal[
    "sentinel", "empty_box", "empty_mask", "duplicate", "full_frame", "not_in_test"
]
KINDS: tuple[FindingKind, ...] = get_args(FindingKind)

# Two boxes of one clip that overlap by more (intersection over union) are one object drawn twice:
# of the 1,136 pairs in the published file 11 do, and those were looked at.
DUPLICATE_IOU = 0.8
# Half a step of the grid of 1/320 on which VGG-SS was drawn: a box that is this near to all four
# sides covers the frame.
AT_THE_SIDE = 1 / 640

_DEFECTS = {
    "sentinel": "a coordinate lies outside the frame",
    "empty_box": "no width or no height",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    box_index : int or None
        Counted from 0 within the clip's entry; None where it is about the clip.
    message : str
        For people, in one line.
    """

    clip_id: str
    kind: FindingKind
    box_index: int | None
    message: str


def audit(
    annotations: Annotations,
    test_clips: Container[str] | None,
    *,
    duplicate_iou: float = DUPLICATE_IOU,
) -> list[Finding]:
    """Look through a file of boxes, in its own order.

    Parameters
    ----------
    test_clips : container of str, or None
        The clips that may be annotated; None asks nothing.
    duplicate_iou : float
        Intersection over union above which two boxes are the same.
    """
    found: list[Finding] = []
    seen: dict[tuple[str, str], int] = {}
    for index, entry in enumerate(annotations.entries):
        first = seen.setdefault((entry.file, entry.label), index)
        if first != index:
            message = f"entry {index} is about the same clip and class as entry {first}"
            found.append(Finding(entry.file, "duplicate", None, message))
        found += _of_boxes(entry, duplicate_iou)
        if test_clips is not None and entry.file not in test_clips:
            message = "not among the clips of the test split"
            found.append(Finding(entry.file, "not_in_test", None, message))
    return found


def counts(findings: list[Finding]) -> dict[str, int]:
    """Return how many there are of each kind, 0 where none, in the order of the table above."""
    number = Counter(finding.kind for finding in findings)
    return {kind: number[kind] for kind in KINDS}


def _of_boxes(entry: Entry, duplicate_iou: float) -> Iterator[Finding]:
    whole: list[tuple[int, Box]] = []
    for index, raw in enumerate(entry.boxes):
        defect = box_defect(raw)
        if defect is not None:
            message = f"box {index} {_shown(raw)}: {_DEFECTS[defect]}"
            yield Finding(entry.file, defect, index, message)
            continue
        box = Box.from_sequence(raw)
        if max(box.xmin, box.ymin, 1 - box.xmax, 1 - box.ymax) < AT_THE_SIDE:
            message = f"box {index} is the whole frame"
            yield Finding(entry.file, "full_frame", index, message)
        for other, earlier in whole:
            overlap = iou(box, earlier)
            if overlap > duplicate_iou:
                message = f"box {index} is nearly box {other} (IoU {overlap:.3f})"
                yield Finding(entry.file, "duplicate", index, message)
        whole.append((index, box))
    if not whole:
        message = "no box covers anything: cIoU is 0 whatever is predicted"
        yield Finding(entry.file, "empty_mask", None, message)


def _shown(raw: RawBox) -> str:
    return "[" + ", ".join(f"{value:.4g}" for value in raw) + "]"
