"""VGGSounder's labels: what is heard and what is seen in a clip of VGG-Sound's test split.

Source: the label table of the package ``vggsounder`` on PyPI, which labels each clip with all
classes that sound or are seen in it, each audible (A), visible (V) or both (AV), and says of each
clip whether music was put under it, whether the picture is a still image, and whether a voice
speaks over it. Only the table is read: nothing of the package is imported, since what it needs
(``datasets``) is heavy.

Clips with background music are left out, as the package's own default does, of everything but
``background-music``: the labels say little about what can be heard there.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

from vggss_tools.annotate.json_values import cause, shown
from vggss_tools.errors import InvalidInput, MissingExtra, VggssError, not_readable

PACKAGE = "vggsounder"
TABLE = "data/vggsounder+background-music.csv"
COLUMNS = ("video_id", "label", "modality", "background_music", "static_image", "voice_over")

_REMEDY = "install vggsounder 1.0 or later"

Modality = Literal["A", "V", "AV"]

# What a subset of the labels is called, and what it holds.
LABEL_SUBSETS: Mapping[str, str] = MappingProxyType(
    {
        "covered": "clips that VGGSounder labels (without background music)",
        "audible-visible": "the clip's own class is among its labels, audible and visible",
        "audible-only": "the clip's own class is audible and not visible",
        "visible-only": "the clip's own class is visible and not audible",
        "other-labels": "the clip's own class is not among its labels",
        "static-image": "the picture is a still image",
        "voice-over": "a voice speaks over it",
        "background-music": "music was put under it",
        "several-sources": "more than one label",
        "one-source": "one label",
    }
)


@dataclass(frozen=True, slots=True)
class SounderClip:
    """The labels of one clip.

    Attributes
    ----------
    labels : mapping
        VGG-Sound class -> ``A`` audible, ``V`` visible, ``AV`` both.
    background_music, static_image, voice_over : bool
    """

    labels: Mapping[str, Modality]
    background_music: bool
    static_image: bool
    voice_over: bool

    def holds(self, subset: str, label: str) -> bool | None:
        """Say whether a clip of class ``label`` is in a subset; None where nothing is said of it.

        Parameters
        ----------
        subset : a key of ``LABEL_SUBSETS``
        """
        if subset == "background-music":
            return self.background_music
        if self.background_music:
            return None
        own = self.labels.get(label)
        return {
            "covered": True,
            "audible-visible": own == "AV",
            "audible-only": own == "A",
            "visible-only": own == "V",
            "other-labels": own is None,
            "static-image": self.static_image,
            "voice-over": self.voice_over,
            "several-sources": len(self.labels) > 1,
            "one-source": len(self.labels) == 1,
        }[subset]


@dataclass(frozen=True, slots=True)
class VGGSounder:
    """The label table.

    Attributes
    ----------
    version : str
        Of the package; the labels differ between versions. A file's name where one was read.
    clips : mapping
        Clip id -> labels, those with background music included.
    """

    version: str
    clips: Mapping[str, SounderClip]


def read_vggsounder(path: Path | None = None) -> VGGSounder:
    """Read the label table of the installed package, or a copy of it.

    Raises
    ------
    MissingExtra
        If ``path`` is not given and the package is not installed.
    VggssError
        If the table may not be read.
    InvalidInput
        If it is no such table; the message names file, line and cause.
    """
    if path is None:
        path, source = _installed()
    else:
        source = path.name
    clips: dict[str, SounderClip] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ValueError(f"no column {', '.join(missing)}")
            for row in reader:
                _add(clips, row, reader.line_num)
    except FileNotFoundError:
        raise VggssError(f"{path}: no such file; {_REMEDY}") from None
    except OSError as error:
        raise not_readable(path, error) from None
    except (ValueError, csv.Error) as error:
        raise InvalidInput(
            f"{path}: not VGGSounder's label table ({cause(error)}); {_REMEDY}"
        ) from None
    return VGGSounder(source, MappingProxyType(clips))


def _installed() -> tuple[Path, str]:
    # A top-level package is found without importing it.
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtra(PACKAGE, PACKAGE)
    folder = Path(spec.submodule_search_locations[0])
    # What is said of the package beside that folder: another one may lie further along sys.path.
    beside = next(iter(distributions(name=PACKAGE, path=[str(folder.parent)])), None)
    version = beside.version if beside is not None else "of an unknown version"
    return folder / TABLE, f"{PACKAGE} {version}"


def _add(clips: dict[str, SounderClip], row: Mapping[str, str | None], line: int) -> None:
    clip_id, label, modality = row["video_id"], row["label"], row["modality"]
    if not clip_id or not label or modality not in ("A", "V", "AV"):
        raise ValueError(
            f"line {line}: {shown([clip_id, label, modality])} is no clip, class and A, V or AV"
        )
    flags = [_flag(row[name], name, line) for name in COLUMNS[3:]]
    known = clips.get(clip_id)
    labels = dict(known.labels) if known is not None else {}
    if label in labels:
        raise ValueError(f"line {line}: {clip_id} has the label {shown(label)} twice")
    labels[label] = cast(Modality, modality)
    if known is not None and flags != [
        known.background_music,
        known.static_image,
        known.voice_over,
    ]:
        raise ValueError(f"line {line}: {clip_id} is described in two ways")
    clips[clip_id] = SounderClip(labels, *flags)


def _flag(value: str | None, name: str, line: int) -> bool:
    if value not in ("True", "False"):
        raise ValueError(f"line {line}: {name} is {shown(value)}, not True or False")
    return value == "True"
