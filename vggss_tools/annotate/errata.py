"""Documented errors of published annotations, and what is done about each.

``annotations/errata.csv`` has one row an error: the sha256 of the annotation file, the clip, the
box (counted from 0; empty where it is about the clip), the kind, the action and the reason.

==============  ===============================================  ===========
kind            what                                             action
==============  ===============================================  ===========
``sentinel``    a coordinate far outside of the frame            drop_box
``empty_box``   no width or no height                            drop_box
``empty_mask``  no box of the clip covers a pixel                drop_clip
==============  ===============================================  ===========

No score depends on the boxes that are dropped: as the released code reads them, they cover no
pixel. The clips that are dropped can never succeed, whatever is predicted.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Literal, Protocol, cast, get_args

from vggss_tools.resources import resource

TABLE = "errata.csv"

ErratumKind = Literal["sentinel", "empty_box", "empty_mask"]
ErratumAction = Literal["drop_box", "drop_clip"]


@dataclass(frozen=True, slots=True)
class Erratum:
    """One documented error.

    Attributes
    ----------
    annotation_sha256 : str
        Of the annotation file that it is in.
    clip_id : str
    box_index : int or None
        Counted from 0; None where it is about the whole clip.
    kind, action : str
        As in the table above.
    reason : str
    """

    annotation_sha256: str
    clip_id: str
    box_index: int | None
    kind: ErratumKind
    action: ErratumAction
    reason: str


@dataclass(frozen=True, slots=True)
class Errata:
    """What the errata take out of one annotation file.

    Attributes
    ----------
    dropped_clips : frozenset of str
        Clips that are not scored.
    dropped_boxes : mapping
        Clip id -> indices of its broken boxes, ascending.
    """

    dropped_clips: frozenset[str] = frozenset()
    dropped_boxes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.dropped_clips or self.dropped_boxes)


class HasSources(Protocol):
    """What was read from annotation files: a test set."""

    @property
    def sources(self) -> Iterable[str]:
        """Sha256 of each file."""
        ...


@cache
def read_errata() -> tuple[Erratum, ...]:
    """Return all documented errata, in the table's order.

    Raises
    ------
    ValueError
        At a row of another form: the table comes with the tool.
    """
    rows = csv.DictReader(resource(TABLE).read_text(encoding="utf-8").splitlines())
    return tuple(_erratum(row, number) for number, row in enumerate(rows, 2))


def errata_of(annotations: HasSources) -> Errata:
    """Return the errata of what was read: nothing for files without documented errors."""
    sources = set(annotations.sources)
    clips: set[str] = set()
    boxes: dict[str, list[int]] = {}
    for erratum in read_errata():
        if erratum.annotation_sha256 not in sources:
            continue
        if erratum.box_index is None:
            clips.add(erratum.clip_id)
        else:
            boxes.setdefault(erratum.clip_id, []).append(erratum.box_index)
    return Errata(
        frozenset(clips),
        MappingProxyType({clip: tuple(sorted(found)) for clip, found in sorted(boxes.items())}),
    )


def _erratum(row: Mapping[str, str], line: int) -> Erratum:
    kind, action, index = row["kind"], row["action"], row["box_index"]
    if (
        kind not in get_args(ErratumKind)
        or action != ("drop_clip" if kind == "empty_mask" else "drop_box")
        or (index == "") != (action == "drop_clip")
    ):
        raise ValueError(f"{TABLE}: line {line}: {dict(row)} is no erratum of a known kind")
    return Erratum(
        row["annotation_sha256"],
        row["clip_id"],
        int(index) if index else None,
        cast(ErratumKind, kind),
        cast(ErratumAction, action),
        row["reason"],
    )
