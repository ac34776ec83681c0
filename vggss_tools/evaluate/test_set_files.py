"""Reading test sets: which of the field's annotation files a file is, told by its content.

- ``vggss.json``: the published VGG-SS, or a release of one's own (`annotate.vggss_json`);
- Flickr-SoundNet: boxes as JSON, or the folder of official XML files (`flickr_soundnet`);
- IS3, VPO and AVSBench: JSON of boxes in pixels (`pixel_boxes`);
- negatives beside any of them: pictures with sounds that nothing in them makes (`negatives`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vggss_tools.annotate.json_values import cause, shown
from vggss_tools.annotate.vggss_json import read_vggss_json
from vggss_tools.errors import InvalidInput, VggssError, not_readable
from vggss_tools.evaluate.flickr_soundnet import (
    BOXES_KEY,
    read_flickr_folder,
    read_flickr_items,
)
from vggss_tools.evaluate.negatives import add_negatives
from vggss_tools.evaluate.pixel_boxes import BOX_KEY, read_pixel_boxes
from vggss_tools.evaluate.test_sets import TestSet, test_set_of

_FORMS = (
    "known are file, class, bbox (VGG-SS and releases), "
    f"id, {BOXES_KEY} (Flickr-SoundNet) and image, audio, {BOX_KEY} (IS3, VPO, AVSBench)"
)


def read_test_set(
    path: Path | str, *, check_classes: bool = True, negatives: Path | str | None = None
) -> TestSet:
    """Read a test set, whole or not at all.

    Parameters
    ----------
    path : an annotation file of any form above, a release's folder, or a folder of XML files
    check_classes : bool
        Refuse classes that VGG-Sound does not have. Forms without classes are not concerned.
    negatives : path of a csv ``video,audio,label``, optional
        Its pairs become negative samples, and the name ``<name>-extended``.

    Raises
    ------
    VggssError
        If there is nothing at ``path``, or it may not be read.
    InvalidInput
        If it is refused; the message names the file, the entry (counted from 0) and the cause.
    """
    path = Path(path)
    release = path / "vggss.json"
    if not path.is_dir():
        test_set = _read_file(path, check_classes)
    elif release.is_file():
        test_set = _read_file(release, check_classes)
    else:
        test_set = read_flickr_folder(path)
    if not test_set.samples:
        raise InvalidInput(f"{path}: no annotated clips; give a file that has some")
    return test_set if negatives is None else add_negatives(test_set, Path(negatives))


def _read_file(path: Path, check_classes: bool) -> TestSet:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise VggssError(f"{path}: no such file; give an annotation file (vggss.json)") from None
    except OSError as error:
        raise not_readable(path, error) from None
    try:
        items = json.loads(data, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: not JSON ({cause(error)}); give an annotation file") from None
    first: Any = items[0] if isinstance(items, list) and items else None
    if isinstance(first, dict):
        if BOXES_KEY in first:
            return read_flickr_items(path, data, items)
        if BOX_KEY in first:
            return read_pixel_boxes(path, data, items)
        if not {"file", "class", "bbox"} & set(first):
            keys = ", ".join(sorted(first)) or "nothing"
            raise InvalidInput(f"{path}: entry 0 has {shown(keys)}; {_FORMS}")
    test_set = test_set_of(read_vggss_json(path, check_classes=check_classes))
    boxes = [edges for sample in test_set.samples for edges in sample.edges.tolist()]
    if boxes and all(xmin >= xmax or ymin >= ymax for xmin, ymin, xmax, ymax in boxes):
        raise InvalidInput(
            f"{path}: no box covers a pixel; bbox is in fractions of the frame, 0..1"
        )
    return test_set


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that says two things under one key; JSON itself would keep the last."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same key twice")
    return value
