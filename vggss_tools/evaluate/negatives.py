"""Negatives: pictures with sounds that nothing in them makes (SLAVC's extended test sets).

A csv with the header ``video,audio,label``: the picture of ``video`` with the sound of ``audio``;
``label`` is ``non-sounding`` in every row. Where both are one clip, it is one whose own sound comes
from outside of the picture.

Of the published pairs of VGG-SS 1,185 join a picture and a sound of one class. They are marked
(``same_class``): what sounds may well be seen there.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from vggss_tools.annotate.json_values import cause, shown
from vggss_tools.errors import InvalidInput, VggssError, not_readable
from vggss_tools.evaluate.sample_ids import is_sample_id
from vggss_tools.evaluate.test_sets import EXTENDED_SUFFIX, Sample, TestSet, canonical_id

LABEL = "non-sounding"
_HEADER = ("video", "audio", "label")
_REMEDY = "give a csv with the header video,audio,label, such as vggss_test_plus_silent.csv"


def add_negatives(test_set: TestSet, path: Path) -> TestSet:
    """Return the test set with the pairs of a csv as negative samples, after its own.

    Raises
    ------
    VggssError
        If the file is missing or may not be read.
    InvalidInput
        If it is no such csv, holds a pair twice or one of the test set, or none of its pictures
        and sounds is in the test set.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise VggssError(f"{path}: no such file; give a csv of negatives") from None
    except OSError as error:
        raise not_readable(path, error) from None
    labels = {sample.image_id: sample.label for sample in test_set.samples}
    taken = {(s.image_id, s.audio_id) for s in test_set.samples}
    names = {sample.name for sample in test_set.samples}
    negatives: dict[tuple[str, str], Sample] = {}
    for where, image, audio in _rows(path, data):
        if (image, audio) in taken:
            raise InvalidInput(f"{path}: {where}: {image} with {audio} sounds in {test_set.name}")
        if (image, audio) in negatives:
            raise InvalidInput(f"{path}: {where}: {image} with {audio} stands there already")
        name = image if image == audio and image not in names else f"{image}+{audio}"
        same = image != audio and bool(labels.get(image)) and labels[image] == labels.get(audio)
        negatives[image, audio] = Sample(
            name, image, audio, "", np.empty((0, 4), dtype=np.int64), negative=True, same_class=same
        )
    if not any(image in labels or audio in labels for image, audio in negatives):
        raise InvalidInput(
            f"{path}: none of its pictures and sounds is in {test_set.name}; give the negatives of "
            "that test set"
        )
    both = (test_set.sha256, hashlib.sha256(data).hexdigest())
    return replace(
        test_set,
        name=test_set.name + EXTENDED_SUFFIX,
        sha256=hashlib.sha256("".join(both).encode()).hexdigest(),
        samples=(*test_set.samples, *negatives.values()),
        notes=(*test_set.notes, _note(negatives)),
        sources=(*test_set.sources, both[1]),
    )


def _note(negatives: dict[tuple[str, str], Sample]) -> str:
    own = sum(image == audio for image, audio in negatives)
    same = sum(sample.same_class for sample in negatives.values())
    note = f"{len(negatives):,} negatives: {own:,} clips with their own sound"
    note += f", {len(negatives) - own:,} pictures with another clip's"
    return note + (f", {same:,} of these of the same class" if same else "")


def _rows(path: Path, data: bytes) -> Iterator[tuple[str, str, str]]:
    """Yield where a row stands, its picture and its sound."""
    try:
        text = data.decode("utf-8-sig")
        rows = list(csv.reader(text.splitlines(), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{path}: not a csv ({cause(error)}); {_REMEDY}") from None
    header = [cell.strip().casefold() for cell in rows[0]] if rows else []
    missing = [name for name in _HEADER if name not in header]
    if missing:
        raise InvalidInput(f"{path}: no column {', '.join(missing)}; {_REMEDY}")
    columns = [header.index(name) for name in _HEADER]
    for number, row in enumerate(rows[1:], 2):
        where = f"line {number}"
        if not row:
            continue
        if len(row) != len(header):
            raise InvalidInput(f"{path}: {where}: {len(row)} cells under {len(header)} columns")
        image, audio, label = (row[column].strip() for column in columns)
        if label != LABEL:
            raise InvalidInput(f"{path}: {where}: label {shown(label)}; negatives are {LABEL!r}")
        for name in (image, audio):
            if not is_sample_id(name):
                raise InvalidInput(f"{path}: {where}: {shown(name)} is not a clip id")
        yield where, canonical_id(image), canonical_id(audio)
