"""The formats by name; a format's module is imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vggss_tools.annotate.formats.exchange import Format
from vggss_tools.errors import InvalidInput

# How a project may refer to its media (`--media`).
RELATIVE, COPY, URL, INLINE = "relative", "copy", "url", "inline"
_ANY = (RELATIVE, COPY, URL, INLINE)

_FORMATS = "vggss_tools.annotate.formats"


@dataclass(frozen=True, slots=True)
class Registered:
    """Where a format is, what it is for, and how it may refer to media.

    Attributes
    ----------
    media : tuple of str
        Ways that can be chosen; empty where the format holds its media itself, or none.
    default_media : str
        The way that is taken where none is chosen.
    """

    module: str
    summary: str
    media: tuple[str, ...] = ()
    default_media: str = RELATIVE


REGISTERED: dict[str, Registered] = {
    "vggss": Registered(
        f"{_FORMATS}.vggss_format", "the published json of VGG-SS: what sounds, of every yes"
    ),
    "csv": Registered(f"{_FORMATS}.csv_format", "a table with one row a box"),
    "coco": Registered(f"{_FORMATS}.coco", "COCO json of the frames", _ANY),
    "webdataset": Registered(
        f"{_FORMATS}.webdataset", "tar shards: frame, sound, boxes and class of each clip"
    ),
    "parquet": Registered(
        f"{_FORMATS}.parquet_format", "a table with frame, sound, boxes and class (Hugging Face)"
    ),
    "fiftyone": Registered(
        f"{_FORMATS}.fiftyone_folder",
        "a folder for FiftyOne: groups of frame and clip",
        (RELATIVE, COPY),
    ),
    "via2": Registered(f"{_FORMATS}.via2", "an image project of VIA 2", _ANY),
    "via3": Registered(f"{_FORMATS}.via3", "a video project of VIA 3", _ANY),
    "lisa": Registered(f"{_FORMATS}.lisa", "a project of LISA 0.0.3", _ANY),
    "review-page": Registered(
        "vggss_tools.annotate.review_page", "a folder with one HTML page of questions"
    ),
}


class _Formats(Mapping[str, Format]):
    """``FORMATS["coco"]`` is that module's ``FORMAT``."""

    def __getitem__(self, name: str) -> Format:
        if name not in REGISTERED:
            known = ", ".join(REGISTERED)
            raise InvalidInput(f"{name}: no such format; one of {known}")
        format_: Format = importlib.import_module(REGISTERED[name].module).FORMAT
        return format_

    def __iter__(self) -> Iterator[str]:
        return iter(REGISTERED)

    def __len__(self) -> int:
        return len(REGISTERED)

    def __contains__(self, name: object) -> bool:
        return name in REGISTERED


FORMATS: Mapping[str, Format] = _Formats()
