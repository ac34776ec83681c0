"""Matches that people have made: the shipped reviewed table, and tables of one's own."""

from __future__ import annotations

import csv
import hashlib
import math
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from vggss_tools.classes import openimages_classes
from vggss_tools.errors import InvalidInput, not_readable
from vggss_tools.propose.matches import Match, Source

REVIEWED_TABLE = "class_matches.csv"

_BRACKETS = re.compile(r"\s*\([^)]*\)")
# Names of OpenImages classes in its older lists, where more than the brackets is different.
OLDER_NAMES = {
    "asparagus": "garden asparagus",
    "dairy": "dairy product",
    "horn": "french horn",
    "lifejacket": "personal flotation device",
    "sunflower": "common sunflower",
}


class TableMatch(NamedTuple):
    """One row of a table of matches."""

    name: str
    similarity: float = 1.0
    reason: str = ""


@cache
def class_key(name: str) -> str:
    """Return what names of one class have in common: no capitals, no brackets, the newer name."""
    bare = _BRACKETS.sub("", name).strip().casefold() or name.casefold()
    return OLDER_NAMES.get(bare, bare)


class TableMatcher:
    """Matches read from a table.

    Parameters
    ----------
    table : mapping
        Sound class → its detector classes, best first; none: nothing matches.
    origin : str
        Name of the table, for the reasons.
    vocabulary : collection of str, optional
        The classes that the table was made for. Detectors with others are not answered, and for
        the others the table has the last word. Without it, every detector is answered.
    source : str
        What the matches say of themselves.
    """

    def __init__(
        self,
        table: Mapping[str, Sequence[str | TableMatch]],
        origin: str,
        vocabulary: Collection[str] | None = None,
        source: Source = "table",
    ) -> None:
        self.table = {
            sound.casefold(): tuple(
                TableMatch(found) if isinstance(found, str) else found for found in matches
            )
            for sound, matches in table.items()
        }
        self.origin = origin
        self.vocabulary = None if vocabulary is None else frozenset(vocabulary)
        self.source: Source = source

    @classmethod
    def read(
        cls,
        file: Traversable | Path,
        detector: str | None = None,
        vocabulary: Collection[str] | None = None,
        source: Source = "table",
    ) -> TableMatcher:
        """Read a CSV with the columns ``sound_class`` and ``object``, one row a match, best first.

        An empty ``object`` says that nothing matches. ``similarity`` (0..1, else 1) and ``reason``
        may be there; with ``detector``, only the rows of that detector are read.

        Raises
        ------
        InvalidInput
            If it is not such a table.
        """
        try:
            rows = csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines())
            missing = {"sound_class", "object"} - set(rows.fieldnames or ())
            if missing:
                raise InvalidInput(
                    f"{file.name}: no column {', '.join(sorted(missing))}; a table of class "
                    "matches has sound_class and object"
                )
            table: dict[str, list[TableMatch]] = {}
            for number, row in enumerate(rows, 2):
                if detector is not None and row.get("detector") != detector:
                    continue
                found = table.setdefault((row["sound_class"] or "").strip(), [])
                if name := (row["object"] or "").strip():
                    value = _similarity(row.get("similarity"), file.name, number)
                    found.append(TableMatch(name, value, (row.get("reason") or "").strip()))
        except FileNotFoundError:
            raise InvalidInput(f"{file}: no such file; give a table of class matches") from None
        except PermissionError as error:
            raise not_readable(str(file), error) from None
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InvalidInput(f"{file}: not a table of class matches ({error})") from None
        return cls(table, file.name, vocabulary, source)

    def covers(self, detector_classes: Sequence[str]) -> bool:
        """Whether the table was made for these classes, or for any."""
        if self.vocabulary is None:
            return True
        known = {class_key(name) for name in self.vocabulary}
        return bool(detector_classes) and all(class_key(name) in known for name in detector_classes)

    def match(self, sound_class: str, detector_classes: Sequence[str]) -> list[Match]:
        """Return the table's classes, as far as the detector knows them."""
        if not self.covers(detector_classes):
            return []
        spelling = {class_key(name): name for name in reversed(detector_classes)}
        found: dict[str, Match] = {}
        for name, value, why in self.table.get(sound_class.casefold(), ()):
            known = spelling.get(class_key(name))
            if known is not None and known not in found:
                reason = f"table {self.origin}" + (f": {why}" if why else "")
                found[known] = Match(known, value, reason, self.source)
        return sorted(found.values(), key=lambda match: -match.similarity)  # stable

    def decides(self, sound_class: str, detector_classes: Sequence[str]) -> bool:
        """Whether the table knows the class, and what it says holds for this detector."""
        known = self.table.get(sound_class.casefold())
        if known is None or not self.covers(detector_classes):
            return False
        if self.vocabulary is not None or not known:
            return True
        return bool(self.match(sound_class, detector_classes))

    def settings(self) -> dict[str, Any]:
        """Return the table's name and checksum."""
        rows = [(sound, *map(tuple, found)) for sound, found in self.table.items()]
        content = repr(sorted(rows)).encode()
        return {"table": self.origin, "sha256": hashlib.sha256(content).hexdigest()}


class ReviewedTable:
    """The shipped table: VGG-Sound's 309 classes, for OpenImages' and COCO's vocabularies.

    It answers detectors all of whose classes are of one of the two vocabularies.
    """

    def __init__(self) -> None:
        from vggss_tools.propose.coco_card import CLASSES as COCO_CLASSES
        from vggss_tools.resources import resource

        file = resource(REVIEWED_TABLE)
        self.tables = (
            TableMatcher.read(file, "openimages", openimages_classes()),
            TableMatcher.read(file, "coco", COCO_CLASSES),
        )

    def match(self, sound_class: str, detector_classes: Sequence[str]) -> list[Match]:
        """Return the reviewed matches, best first."""
        table = self._choose(detector_classes)
        return table.match(sound_class, detector_classes) if table else []

    def decides(self, sound_class: str, detector_classes: Sequence[str]) -> bool:
        """Whether the class is VGG-Sound's and the vocabulary is of OpenImages or COCO."""
        table = self._choose(detector_classes)
        return table is not None and table.decides(sound_class, detector_classes)

    def settings(self) -> dict[str, Any]:
        """Return the name and checksums of the table's parts."""
        return {
            "table": REVIEWED_TABLE,
            "sha256": [table.settings()["sha256"] for table in self.tables],
        }

    def _choose(self, detector_classes: Sequence[str]) -> TableMatcher | None:
        """Return the vocabulary's part; where both fit, spelling decides (``Mouse``, ``mouse``)."""
        fit = [table for table in self.tables if table.covers(detector_classes)]
        exact = [len((table.vocabulary or frozenset()) & set(detector_classes)) for table in fit]
        return fit[exact.index(max(exact))] if fit else None


def _similarity(text: str | None, name: str, row: int) -> float:
    """Read a similarity; 1 where there is none."""
    if not (text or "").strip():
        return 1.0
    try:
        value = float(text or "")
        if not (math.isfinite(value) and 0 <= value <= 1):
            raise ValueError
    except ValueError:
        raise InvalidInput(
            f"{name}: similarity {text!r} in row {row} is not a number from 0 to 1; correct it"
        ) from None
    return value
