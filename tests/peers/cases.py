"""Clips with their boxes and maps, and the files that the repositories read the boxes from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vggss_tools.annotate.vggss_json import Entry, write_vggss_json

Map = NDArray[np.float32]
Box = Sequence[float]


@dataclass(frozen=True, slots=True)
class Case:
    """One clip.

    Attributes
    ----------
    name : clip id, or id of a Flickr photo
    boxes : VGG-SS: fractions of the frame. Flickr: several people's, pixels 1..256
    sound : raw map (h, w), in the scale of the protocol
    prior : object prior (h, w)
    """

    name: str
    boxes: Sequence[Box]
    sound: Map
    prior: Map


@dataclass(frozen=True, slots=True)
class Cases:
    """The clips of one run, all of VGG-SS or all of Flickr-SoundNet."""

    flickr: bool
    items: Sequence[Case]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def set_name(self) -> str:
        """What most repositories call the test set."""
        return "flickr" if self.flickr else "vggss"

    def write_vggss_json(self, path: Path) -> None:
        """Write the annotations as the published file has them."""
        boxes = [tuple((b[0], b[1], b[2], b[3]) for b in case.boxes) for case in self.items]
        write_vggss_json(
            path, [Entry(c.name, "owl hooting", b) for c, b in zip(self.items, boxes, strict=True)]
        )

    def write_votes(self, folder: Path) -> None:
        """Write the XML files of Flickr-SoundNet, one a photo, one annotator a box."""
        folder.mkdir(parents=True)
        for case in self.items:
            people = "".join(
                f"<person><bbox><label>0</label>{_corners([int(v) for v in box])}</bbox></person>"
                for box in case.boxes
            )
            (folder / f"{case.name}.xml").write_text(f"<annotations>{people}</annotations>")

    def write_fractions(self, folder: Path) -> None:
        """Write XML files with fractions of the frame, SSL-TIE's form of VGG-SS."""
        folder.mkdir(parents=True)
        for case in self.items:
            boxes = "".join(f"<box>{_corners([float(v) for v in b])}</box>" for b in case.boxes)
            (folder / f"{case.name}.xml").write_text(
                f"<annotations><bbox>{boxes}</bbox></annotations>"
            )


@dataclass(frozen=True, slots=True)
class Score:
    """What a repository makes of a run.

    Attributes
    ----------
    cious : each clip's cIoU; NaN where an empty truth meets an empty prediction
    ciou, auc : what it reports, fractions of 1
    digits : to how many decimals it reports them, where it prints no more
    extra : whatever else it reports
    """

    cious: list[float]
    ciou: float
    auc: float
    digits: int = 12
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; NaN becomes null."""
        return json.loads(
            json.dumps(
                {
                    "ciou": round(self.ciou, self.digits),
                    "auc": round(self.auc, self.digits),
                    "digits": self.digits,
                    "cious": [None if np.isnan(one) else round(one, 9) for one in self.cious],
                    **self.extra,
                }
            )
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What a repository says about a run, one score for each threshold that it tries.

    Attributes
    ----------
    plain : of the sound's maps
    guided : of the maps with the object prior; None where the repository has no such thing
    """

    plain: list[Score]
    guided: list[Score] | None = None


def _corners(values: Sequence[float]) -> str:
    return "".join(
        f"<{tag}>{value!r}</{tag}>"
        for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), values, strict=True)
    )
