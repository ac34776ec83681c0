"""Which of a detector's classes can be the source of a sound class.

A matcher is given the detector's whole vocabulary and never answers outside of it.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any, Protocol

from vggss_tools.errors import InvalidInput, VggssError

# A match below this is not used: at 0.5, "car engine idling" still finds "Car" (0.67) and
# "dog barking" does not find "Hot dog" (0.33).
SIMILARITY_THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Match:
    """One detector class that a sound class was matched to.

    Attributes
    ----------
    similarity : float
        0..1; 1 is the same thing.
    reason : str
        Where the match comes from, for people.
    """

    detector_class: str
    similarity: float
    reason: str


class Matcher(Protocol):
    """A rule that matches sound classes to detector classes."""

    def match(self, sound_class: str, detector_classes: Sequence[str]) -> list[Match]:
        """Return the matches, best first; ties keep the vocabulary's order; maybe none."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return what the matches depend on, as JSON."""
        ...


class TableMatcher:
    """Matches read from a table; similarity 1.

    Parameters
    ----------
    table : mapping
        Sound class → its detector classes, best first.
    source : str
        Name of the table, for the reasons.
    """

    def __init__(self, table: Mapping[str, Sequence[str]], source: str) -> None:
        self.table = {sound.casefold(): tuple(objects) for sound, objects in table.items()}
        self.source = source

    @classmethod
    def read(cls, file: Traversable) -> TableMatcher:
        """Read a CSV with the columns ``sound_class`` and ``object``, one row a match.

        Raises
        ------
        InvalidInput
            If a column is missing.
        """
        rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
        missing = {"sound_class", "object"} - set(rows.fieldnames or ())
        if missing:
            raise InvalidInput(
                f"{file.name}: no column {', '.join(sorted(missing))}; a table of class matches "
                "has sound_class and object"
            )
        table: dict[str, list[str]] = {}
        for row in rows:
            table.setdefault(row["sound_class"], []).append(row["object"])
        return cls(table, file.name)

    def match(self, sound_class: str, detector_classes: Sequence[str]) -> list[Match]:
        """Return the table's classes, as far as the detector knows them."""
        spelling = {name.casefold(): name for name in reversed(detector_classes)}
        return [
            Match(spelling[name.casefold()], 1.0, f"table {self.source}")
            for name in self.table.get(sound_class.casefold(), ())
            if name.casefold() in spelling
        ]

    def settings(self) -> dict[str, Any]:
        """Return the table's name and checksum."""
        content = repr(sorted(self.table.items())).encode()
        return {"table": self.source, "sha256": hashlib.sha256(content).hexdigest()}


class NameMatcher:
    """Matches by the words that the two names share.

    Commas separate synonyms ("playing violin, fiddle"), of which the best counts. Words in
    brackets and words of sound ("siren") are context, words of action end in *-ing* and count
    only where the detector's class has them too ("sewing machine"), and a plural is its singular.
    The similarity is Tversky's index of the two sets of words, see :func:`similarity`.
    """

    def match(self, sound_class: str, detector_classes: Sequence[str]) -> list[Match]:
        """Return the classes that share a word, most similar first."""
        sounds = synonyms(sound_class)
        matches = []
        for name in detector_classes:
            value, shared = max(
                (similarity(sound, thing), sorted(sound & thing))
                for sound in sounds
                for thing in synonyms(name)
            )
            if value > 0:
                words = ", ".join(shared)
                matches.append(Match(name, value, f"names share {words}"))
        return sorted(matches, key=lambda match: -match.similarity)  # stable

    def settings(self) -> dict[str, Any]:
        """Return the rule's version: a change of the rule changes matches."""
        return {"names": 1}


class FirstMatcher:
    """The first of several matchers that has an answer."""

    def __init__(self, matchers: Iterable[Matcher]) -> None:
        self.matchers = tuple(matchers)

    def match(self, sound_class: str, detector_classes: Sequence[str]) -> list[Match]:
        """Return the matches of the first matcher that has any."""
        for matcher in self.matchers:
            if matches := matcher.match(sound_class, detector_classes):
                return matches
        return []

    def settings(self) -> dict[str, Any]:
        """Return the settings of all, in order."""
        return {"first_of": [matcher.settings() for matcher in self.matchers]}


# Words that say what is heard, or how, and never what is seen.
HEARD = ("siren", "sound", "noise", "voice", "song", "speech", "singing", "music")
FUNCTION_WORDS = ("a", "an", "and", "by", "in", "of", "on", "or", "the", "to", "with")
CONTEXT = frozenset((*HEARD, *FUNCTION_WORDS))

# Plurals that no ending gives away.
SINGULARS = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "mice": "mouse",
    "geese": "goose",
    "wolves": "wolf",
    "calves": "calf",
    "knives": "knife",
    "buses": "bus",
}

# Tversky's weights. A word that only the detector's class has means another thing ("Hot dog",
# "Fire hydrant"); one that only the sound class has narrows it down ("snare drum").
ONLY_DETECTOR = 2.0
ONLY_SOUND = 0.5

_WORD = re.compile(r"[^\W\d_]+")
_BRACKETS = re.compile(r"\([^)]*\)")


def singular(word: str) -> str:
    """Return the singular of an English noun in lower case; other words come back as they are."""
    if word in SINGULARS:
        return SINGULARS[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def synonyms(name: str) -> list[frozenset[str]]:
    """Return the sets of words of a class name, one for each synonym; at least one set.

    Context is dropped unless nothing else is left: the class "Siren" is a siren.
    """
    sets = []
    for phrase in name.casefold().split(","):
        words = {singular(word) for word in _WORD.findall(_BRACKETS.sub(" ", phrase))}
        sets.append(frozenset(words - CONTEXT or words))
    return sets


def similarity(sound: frozenset[str], thing: frozenset[str]) -> float:
    """Return Tversky's index of two sets of words, 0..1; 1 where they are the same.

    shared / (shared + 2 x only the detector's + 0.5 x only the sound's), words of action (-ing)
    that only the sound has left out.
    """
    shared = len(sound & thing)
    if not shared:
        return 0.0
    only_sound = sum(not word.endswith("ing") for word in sound - thing)
    return shared / (shared + ONLY_DETECTOR * len(thing - sound) + ONLY_SOUND * only_sound)


MATCHERS = ("auto", "table", "names")
SAMPLE_TABLE = "sample_world.csv"


def load_matcher(name: str) -> Matcher:
    """Return a matcher by name: ``table``, ``names``, or ``auto`` (the table, else the names)."""
    from vggss_tools.resources import resource

    if name == "names":
        return NameMatcher()
    if name not in MATCHERS:
        raise VggssError(f"matcher {name!r}: unknown; choose one of: {', '.join(MATCHERS)}")
    table = TableMatcher.read(resource(SAMPLE_TABLE))
    return table if name == "table" else FirstMatcher((table, NameMatcher()))
