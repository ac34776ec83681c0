"""Which of a detector's classes can be the source of a sound class.

A matcher is given the detector's whole vocabulary and never answers outside of it. There are
tables that people made (:mod:`.class_tables`), word vectors (:mod:`.word_matching`) and the words
of the names (:mod:`.name_matching`); :func:`load_matcher` puts them together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vggss_tools.checksums import sha256_of
from vggss_tools.errors import VggssError
from vggss_tools.propose.class_tables import ReviewedTable, TableMatcher, check_overrides
from vggss_tools.propose.class_words import similarity, singular, synonyms
from vggss_tools.propose.matches import SIMILARITY_THRESHOLD, Match, Matcher, Source
from vggss_tools.propose.name_matching import NameMatcher
from vggss_tools.propose.word_matching import RULE_VERSION, WordVectorMatcher
from vggss_tools.propose.word_vectors import (
    DEFAULT_VECTORS,
    cached_default_vectors,
    check_vectors,
    download_default_vectors,
    read_vectors,
)

__all__ = [
    "MATCHERS",
    "SIMILARITY_THRESHOLD",
    "FirstMatcher",
    "Match",
    "Matcher",
    "NameMatcher",
    "ReviewedTable",
    "Source",
    "TableMatcher",
    "Word2vecMatcher",
    "load_matcher",
    "outside_of_table",
    "similarity",
    "singular",
    "synonyms",
]

MATCHERS = ("auto", "table", "word2vec", "names")
SAMPLE_TABLE = "sample_world.csv"


class FirstMatcher:
    """The first of several matchers that has an answer."""

    def __init__(self, matchers: Iterable[Matcher]) -> None:
        self.matchers = tuple(matchers)

    def match(self, sound_class: str, detector_classes: Sequence[str]) -> list[Match]:
        """Return the matches of the first matcher that decides, none included.

        Detector classes that the reviewed table does not know are left to the matchers after it.
        """
        for number, matcher in enumerate(self.matchers):
            if not matcher.decides(sound_class, detector_classes):
                continue
            found = matcher.match(sound_class, detector_classes)
            if isinstance(matcher, ReviewedTable) and (others := matcher.unknown(detector_classes)):
                found += FirstMatcher(self.matchers[number + 1 :]).match(sound_class, others)
                found.sort(key=lambda match: -match.similarity)  # stable
            return found
        return []

    def decides(self, sound_class: str, detector_classes: Sequence[str]) -> bool:
        """Whether one of them decides."""
        return any(matcher.decides(sound_class, detector_classes) for matcher in self.matchers)

    def settings(self) -> dict[str, Any]:
        """Return the settings of all, in order."""
        return {"first_of": [matcher.settings() for matcher in self.matchers]}


class Word2vecMatcher:
    """Word vectors that are read, or downloaded, when a match is first asked for.

    Parameters
    ----------
    paths : sequence of Path
        Files of vectors; a word that the first lacks is looked for in the next. None: the default
        vectors.
    threshold : float
        Classes that are less similar are no match.
    """

    def __init__(self, paths: Sequence[Path] = (), threshold: float = SIMILARITY_THRESHOLD) -> None:
        self.paths = tuple(paths)
        self.threshold = threshold
        self._matcher: Matcher | None = None
        for path in self.paths:  # now, and not when the first detector class is unknown
            check_vectors(path)

    def match(self, sound_class: str, detector_classes: Sequence[str]) -> list[Match]:
        """Return the classes of the same meaning, most similar first."""
        return self._loaded().match(sound_class, detector_classes)

    def decides(self, sound_class: str, detector_classes: Sequence[str]) -> bool:
        """Vectors have the last word."""
        return True

    def settings(self) -> dict[str, Any]:
        """Return the rule, the threshold and the vectors, which need not be read for it."""
        return {
            "word2vec": RULE_VERSION,
            "threshold": self.threshold,
            "vectors": [path.name for path in self.paths] or [DEFAULT_VECTORS],
            "sha256": [sha256_of(path) for path in self.paths],
        }

    def _loaded(self) -> Matcher:
        if self._matcher is None:
            vectors = read_vectors(self.paths or (download_default_vectors(),))
            self._matcher = WordVectorMatcher(vectors, self.threshold)
        return self._matcher


def load_matcher(
    name: str,
    *,
    vectors: Sequence[Path] = (),
    overrides: Path | None = None,
    detector_classes: Sequence[str] | None = None,
    threshold: float = SIMILARITY_THRESHOLD,
) -> Matcher:
    """Return a matcher by name.

    Parameters
    ----------
    name : str
        ``table``: the shipped tables; ``word2vec``: word vectors; ``names``: the words of the
        names; ``auto``: the tables, for what they do not know word vectors if some are given or
        the default ones are on this machine, else the names.
    vectors : sequence of Path
        Files of word vectors, for ``auto`` and ``word2vec``.
    overrides : Path, optional
        A table of the user's, asked before everything else.
    detector_classes : sequence of str, optional
        The vocabulary that the objects of ``overrides`` have to be of; None: any.
    threshold : float
        Of the word vectors.

    Raises
    ------
    VggssError
        If there is no such matcher, or no such file.
    InvalidInput
        If a file is not what it should be.
    """
    if name not in MATCHERS:
        raise VggssError(f"matcher {name!r}: unknown; choose one of: {', '.join(MATCHERS)}")
    matchers: list[Matcher] = []
    if overrides is not None:
        matchers.append(TableMatcher.read(overrides, source="override"))
        check_overrides(overrides, detector_classes)
    if name in ("auto", "table"):
        matchers += _shipped_tables()
    if name == "word2vec" or (name == "auto" and (vectors or _default_vectors_are_here())):
        matchers.append(Word2vecMatcher(vectors, threshold))
    elif name in ("auto", "names"):
        matchers.append(NameMatcher())
    return matchers[0] if len(matchers) == 1 else FirstMatcher(matchers)


def outside_of_table(matcher: Matcher, detector_classes: Sequence[str]) -> list[str]:
    """Return the detector's classes that the reviewed table, if it answers, does not know."""
    matchers = matcher.matchers if isinstance(matcher, FirstMatcher) else (matcher,)
    for one in matchers:
        if isinstance(one, ReviewedTable):
            return one.unknown(detector_classes)
        if isinstance(one, TableMatcher) and one.vocabulary and one.covers(detector_classes):
            break  # the sample world's, which has its own
    return []


def _shipped_tables() -> tuple[Matcher, Matcher]:
    from vggss_tools.resources import resource

    sample = TableMatcher.read(resource(SAMPLE_TABLE))
    objects = {found.name for matches in sample.table.values() for found in matches}
    return TableMatcher(sample.table, SAMPLE_TABLE, objects), ReviewedTable()


def _default_vectors_are_here() -> bool:
    from importlib.util import find_spec

    return cached_default_vectors() is not None and find_spec("gensim") is not None
