"""Matching by spelling alone, for detectors that no table knows and where there are no vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vggss_tools.propose.class_words import similarity, synonyms
from vggss_tools.propose.matches import Match


class NameMatcher:
    """Matches by the words that the two names share.

    Commas separate synonyms ("playing violin, fiddle"), of which the best counts. Words in
    brackets and words of sound ("siren") are context, words of action end in *-ing* and count
    only where the detector's class has them too ("sewing machine"), and a plural is its singular.
    The similarity is Tversky's index of the two sets of words, see
    :func:`vggss_tools.propose.class_words.similarity`.
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

    def decides(self, sound_class: str, detector_classes: Sequence[str]) -> bool:
        """Whether any name shares a word."""
        return bool(self.match(sound_class, detector_classes))

    def settings(self) -> dict[str, Any]:
        """Return the rule's version: a change of the rule changes matches."""
        return {"names": 2}
