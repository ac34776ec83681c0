"""Class lists of the field: VGG-Sound's sound classes, VGG-SS's part of them, OpenImages' objects.

The lists and where they come from are in ``annotations/`` (see its README.md). Names are spelt
as their authors spell them, mistakes included ("eletric blender running"), because they are keys.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from vggss_tools.errors import InvalidInput
from vggss_tools.resources import resource


class SoundClass(NamedTuple):
    """One VGG-Sound class.

    Attributes
    ----------
    clips : int
        Clips of the class in the whole of VGG-Sound.
    group : str
        VGG-Sound's own grouping: animals, home, music, nature, others, people, sports, tools
        or vehicle.
    """

    name: str
    clips: int
    group: str


def _rows(name: str) -> list[dict[str, str]]:
    text = resource(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def vggss_classes() -> Mapping[str, int]:
    """Return the 221 classes of VGG-SS and their clips (5,158 in all), in the paper's order.

    Source: Chen et al., *Localizing Visual Sounds the Hard Way*, CVPR 2021, Appendix B.3. The
    text of the paper says 220; the appendix lists 221, and the published file has 221.
    """
    return MappingProxyType({row["class"]: int(row["clips"]) for row in _rows("vggss_classes.csv")})


@cache
def removed_classes() -> tuple[str, ...]:
    """Return the 49 classes that were removed as hard to localise (Appendix B.4), in its order."""
    return tuple(row["class"] for row in _rows("vggss_removed_classes.csv"))


@cache
def vggsound_classes() -> Mapping[str, SoundClass]:
    """Return the 309 classes of VGG-Sound by name, in the order of its ``stat.csv``."""
    return MappingProxyType(
        {
            row["class"]: SoundClass(row["class"], int(row["clips"]), row["group"])
            for row in _rows("vggsound_classes.csv")
        }
    )


@cache
def openimages_classes() -> tuple[str, ...]:
    """Return the 601 boxable classes of OpenImages V6; the position is the class index from 0."""
    return tuple(resource("openimages_classes.txt").read_text(encoding="utf-8").splitlines())


def close_classes(name: str, limit: int = 3) -> list[str]:
    """Return VGG-Sound classes whose spelling is near ``name``, nearest first."""
    import difflib

    # "playing violin, fiddle" is one name with two synonyms; either alone should find it.
    by_key = {part.strip(): known for known in vggsound_classes() for part in known.split(",")}
    by_key |= {known: known for known in vggsound_classes()}
    near = difflib.get_close_matches(name.casefold(), by_key, n=2 * limit, cutoff=0.6)
    return list(dict.fromkeys(by_key[key] for key in near))[:limit]


class UnknownClass(InvalidInput):
    """A class that VGG-Sound does not have."""


def check_class(name: str) -> str:
    """Return ``name`` if it is one of VGG-Sound's 309 classes.

    Raises
    ------
    UnknownClass
        Naming the classes that are spelt nearly so.
    """
    if name in vggsound_classes():
        return name
    near = close_classes(name)
    remedy = (
        f"did you mean {' or '.join(repr(other) for other in near)}?"
        if near
        else "the names are in annotations/vggsound_classes.csv"
    )
    raise UnknownClass(f"class {name!r}: not one of VGG-Sound's 309 classes; {remedy}")
