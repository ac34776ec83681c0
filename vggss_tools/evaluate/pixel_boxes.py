"""Boxes in pixels: the JSON files of IS3, VPO and AVSBench (kaistmm/SSLalignment, ``metadata/``).

A list of ``{"image", "audio", "gt_box": [xmin, ymin, xmax, ymax]}``, in pixels of a 224 x 224
frame, fractions dropped; paths are those of the machine on which the file was made. Of both paths
the file's stem is the id: its last part without its last suffix (``rq5RDUm2Hnk_1.mp4_1`` in
AVSBench's multi-source set). The stem of the image is the sample's name; in all five files no two
entries share one.

Samples whose names differ only in what follows the last ``_`` are one group, as in SSLalignment's
``test.py``: the sounds of one IS3 or VPO scene, the five frames of one AVSBench video.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vggss_tools.annotate.json_values import is_number_row, shown
from vggss_tools.errors import InvalidInput
from vggss_tools.evaluate.masks import GRID
from vggss_tools.evaluate.sample_ids import is_sample_id, stem_of
from vggss_tools.evaluate.test_sets import Sample, TestSet

BOX_KEY = "gt_box"

# The published files by what they say (`fingerprint`): users put other folders before the names.
_PUBLISHED = {
    "927b9054238bb173c59b9eb2d883b8bc42ceb73a19168325938c7e2b43ff1cf9": "is3",
    "657ff9d9d3886a30497b5ee486630d79e23c0313d4fd942740eae3ca0d507cb5": "vpo-ss",
    "e61f65a656a8b95f9f1e30d3724d3a4192386465cdcd4c3a04d78916aec67445": "vpo-ms",
    "9ab36acb83d74c8a8b529881467c4f767bd6136e73454e05367c793e084a4f62": "avs-s4",
    "47c12750fb34ee26ccde50e90ddb75cd2f1e13b935212a1c7de2dc15037e8cf4": "avs-ms3",
}

_Row = tuple[str, str, tuple[int, int, int, int]]


def read_pixel_boxes(path: Path, data: bytes, items: Sequence[Any]) -> TestSet:
    """Return the test set of a JSON file that was already parsed.

    Boxes are cut to the frame. Those without an area, all zeros in the published files where
    nothing is to be seen, give no pixel; they are kept, and counted in a note.

    Raises
    ------
    InvalidInput
        At an entry that has no image, audio or box of four finite numbers, or the image and the
        audio of one before; and if no box covers a pixel.
    """
    rows: list[_Row] = []
    seen: dict[tuple[str, str], int] = {}
    outside = 0
    for index, item in enumerate(items):
        try:
            image, audio, box = _entry(item)
        except ValueError as error:
            raise InvalidInput(f"{path}: entry {index}: {error}") from None
        if (image, audio) in seen:
            raise InvalidInput(
                f"{path}: entry {index}: {image} with {audio} stands there already, as entry "
                f"{seen[image, audio]}; keep one of them"
            )
        seen[image, audio] = index
        xmin, ymin, xmax, ymax = (int(min(max(value, 0), GRID)) for value in box)
        outside += min(box) < 0 or max(box) > GRID
        rows.append((image, audio, (xmin, ymin, xmax, ymax)))
    empty = sum(xmin >= xmax or ymin >= ymax for _, _, (xmin, ymin, xmax, ymax) in rows)
    if empty == len(rows):
        raise InvalidInput(
            f"{path}: no box covers a pixel; {BOX_KEY} is in pixels of a {GRID} x {GRID} frame"
        )
    images = Counter(image for image, _, _ in rows)
    notes = []
    if outside:
        notes.append(f"{outside} box(es) left the frame and were cut to it")
    if empty:
        notes.append(
            f"{empty} of {len(rows)} samples have a box without an area: the truth is empty, and "
            "their cIoU is 0"
        )
    sha256 = hashlib.sha256(data).hexdigest()
    return TestSet(
        _PUBLISHED.get(fingerprint(rows)) or path.stem,
        sha256,
        tuple(
            Sample(
                name=image if images[image] == 1 else f"{image}+{audio}",
                image_id=image,
                audio_id=audio,
                label="",
                edges=np.array([edges], dtype=np.int64),
                group=image.rpartition("_")[0],
            )
            for image, audio, edges in rows
        ),
        notes=tuple(notes),
        sources=(sha256,),
    )


def fingerprint(rows: Sequence[_Row]) -> str:
    """Return the sha256 of what a file says: its sorted names and boxes."""
    text = "\n".join(sorted(f"{image}\t{audio}\t{edges}" for image, audio, edges in rows))
    return hashlib.sha256(text.encode()).hexdigest()


def _entry(item: Any) -> tuple[str, str, list[float]]:
    if not isinstance(item, dict):
        raise ValueError(f"not an object with image, audio and {BOX_KEY}")
    missing = [key for key in ("image", "audio", BOX_KEY) if key not in item]
    if missing:
        raise ValueError(
            f"no {' and no '.join(missing)}; each entry has image, audio and {BOX_KEY}"
        )
    stems = []
    for key in ("image", "audio"):
        value = item[key]
        stem = stem_of(value) if isinstance(value, str) else ""
        if not is_sample_id(stem):
            raise ValueError(f"{key} {shown(value)} is not the path of a file")
        stems.append(stem)
    box = item[BOX_KEY]
    if isinstance(box, str):
        raise ValueError(
            f"{stems[0]}: {BOX_KEY} is the path of a mask, and masks are not read; give the file "
            "with boxes (…_bbox.json, …_box.json)"
        )
    if not is_number_row(box):
        raise ValueError(
            f"{stems[0]}: {BOX_KEY} is {shown(box)}, not four finite numbers "
            "[xmin, ymin, xmax, ymax]"
        )
    return stems[0], stems[1], box
