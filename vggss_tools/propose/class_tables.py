"""Matches that people have made: the shipped reviewed table, and tables of one's own."""

from __future__ import annotations

import csv
import difflib
import hashlib
import math
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

from vggss_tools.classes import close_classes, openimages_classes, vggsound_classes
from vggss_tools.errors import InvalidInput, VggssError, not_readable
from vggss_tools.propose.matches import Match, Source

REVIEWED_TABLE = "class_matches.csv"
# Share of a detector's classes that the reviewed table has to know.
ENOUGH = 0.5

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
        What the matches say of themselves. Those of an ``override`` keep the order of their rows,
        others are ordered by similarity.
    share : float
        How much of a detector's vocabulary has to be of the table's for it to be answered.
    """

    def __init__(
        self,
        table: Mapping[str, Sequence[str | TableMatch]],
        origin: str,
        vocabulary: Collection[str] | None = None,
        source: Source = "table",
        share: float = 1.0,
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
        self.share = share
        self._keys = None if vocabulary is None else {class_key(name) for name in vocabulary}

    @classmethod
    def read(
        cls,
        file: Traversable | Path,
        detector: str | None = None,
        vocabulary: Collection[str] | None = None,
        source: Source = "table",
        share: float = 1.0,
    ) -> TableMatcher:
        """Read a CSV with the columns ``sound_class`` and ``object``, one row a match, best first.

        An empty ``object`` says that nothing matches. ``similarity`` (0..1, else 1) and ``reason``
        may be there; with ``detector``, only the rows of that detector are read.

        Raises
        ------
        VggssError
            If there is no such file.
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
            raise VggssError(f"{file}: no such file; give a table of class matches") from None
        except PermissionError as error:
            raise not_readable(str(file), error) from None
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InvalidInput(f"{file}: not a table of class matches ({error})") from None
        return cls(table, file.name, vocabulary, source, share)

    def covers(self, detector_classes: Sequence[str]) -> bool:
        """Whether the table was made for enough of these classes, or for any."""
        if self.vocabulary is None:
            return True
        n_known = len(detector_classes) - len(self.unknown(detector_classes))
        return bool(detector_classes) and n_known >= self.share * len(detector_classes)

    def unknown(self, detector_classes: Sequence[str]) -> list[str]:
        """Return the detector's classes that are not of the table's vocabulary."""
        if self._keys is None:
            return []
        return [name for name in detector_classes if class_key(name) not in self._keys]

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
        if self.source == "override":  # people have put them in order
            return list(found.values())
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

    It answers detectors of whose classes at least half are of one of the two vocabularies, and of
    the others (``background``, say) it says nothing.
    """

    def __init__(self) -> None:
        from vggss_tools.propose.coco_card import CLASSES as COCO_CLASSES
        from vggss_tools.resources import resource

        file = resource(REVIEWED_TABLE)
        self.tables = (
            TableMatcher.read(file, "openimages", openimages_classes(), share=ENOUGH),
            TableMatcher.read(file, "coco", COCO_CLASSES, share=ENOUGH),
        )

    def match(self, sound_class: str, detector_classes: Sequence[str]) -> list[Match]:
        """Return the reviewed matches, best first."""
        table = self._choose(detector_classes)
        return table.match(sound_class, detector_classes) if table else []

    def decides(self, sound_class: str, detector_classes: Sequence[str]) -> bool:
        """Whether the class is VGG-Sound's and the vocabulary mostly of OpenImages or COCO."""
        table = self._choose(detector_classes)
        return table is not None and table.decides(sound_class, detector_classes)

    def unknown(self, detector_classes: Sequence[str]) -> list[str]:
        """Return the classes that a detector of this vocabulary has besides; none for others."""
        table = self._choose(detector_classes)
        return table.unknown(detector_classes) if table else []

    def settings(self) -> dict[str, Any]:
        """Return the name and checksums of the table's parts."""
        return {
            "table": REVIEWED_TABLE,
            "sha256": [table.settings()["sha256"] for table in self.tables],
        }

    def _choose(self, detector_classes: Sequence[str]) -> TableMatcher | None:
        """Return the part that knows most; else spelling decides (``Mouse``, ``mouse``)."""
        fit = [table for table in self.tables if table.covers(detector_classes)]

        def known(table: TableMatcher) -> tuple[int, int]:
            exact = (table.vocabulary or frozenset()) & set(detector_classes)
            return -len(table.unknown(detector_classes)), len(exact)

        return max(fit, key=known, default=None)


def check_overrides(file: Path, detector_classes: Collection[str] | None = None) -> None:
    """Make sure that the rows of a user's table name classes that there are.

    Parameters
    ----------
    file : Path
        A table that :meth:`TableMatcher.read` takes.
    detector_classes : collection of str, optional
        The detector's vocabulary; None: objects are not checked.

    Raises
    ------
    InvalidInput
        Naming the first wrong row and the names that are spelt nearly so.
    """
    sounds = {name.casefold(): name for name in vggsound_classes()}
    objects = {class_key(name): name for name in detector_classes or ()}
    rows = csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines())
    for number, row in enumerate(rows, 2):
        sound, name = (row["sound_class"] or "").strip(), (row["object"] or "").strip()
        if sound.casefold() not in sounds:
            remedy = _nearest(close_classes(sound, 1), "the names are in vggsound_classes.csv")
            raise InvalidInput(
                f"{file}: row {number}: sound_class {sound!r} is not one of VGG-Sound's 309 "
                f"classes; {remedy}"
            )
        if name and detector_classes is not None and class_key(name) not in objects:
            near = difflib.get_close_matches(class_key(name), objects, n=1)
            remedy = _nearest([objects[key] for key in near], "correct it")
            raise InvalidInput(
                f"{file}: row {number}: object {name!r} is not a class of the detector; {remedy}"
            )


def _nearest(names: Sequence[str], otherwise: str) -> str:
    return f"did you mean {names[0]!r}?" if names else otherwise


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
