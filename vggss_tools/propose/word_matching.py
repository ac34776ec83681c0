"""Matching by word vectors: sound classes to the detector's classes that mean the same.

As in the paper (section 4.1, after Chen et al. 2020), with the rules that it leaves open said
here. They are general: none names a class of VGG-Sound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vggss_tools.classes import vggsound_classes
from vggss_tools.propose.class_words import (
    KINDS,
    ONLY_DETECTOR,
    ONLY_SOUND,
    Phrase,
    phrases,
    without_generic,
    words,
)
from vggss_tools.propose.matches import SIMILARITY_THRESHOLD, Match

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vggss_tools.propose.word_vectors import WordVectors

# Changes when a change of the rules changes matches.
RULE_VERSION = 1

# What it weighs more that the head of the sound's phrase is not the detector's, than another word.
HEAD = 1.0
# The similarity of a kind ("cow") to its class ("Cattle"). The tail of a compound is its kind, too:
# a "fireboat" is a boat.
KIND = 0.9
# Tails shorter than this are chance ("pheasant" is no ant).
SHORTEST_TAIL = 4
# A verb is named after its tool ("hammering") where the vectors say so; "boxing" is no box.
TOOL_OF_ACTION = 0.4
# Before 1, so that the tool precedes what it is used on ("chainsawing trees"); 1 when it is given.
TOOL = 1.01

# A class that shares no word with the sound has to be nearer than the next by this; else it is a
# sister among sisters (clarinet: trombone 0.72, cello 0.70), and the broad class is right.
TIE = 0.05
# Classes that are so much less similar than the best are another thing: where there is "Dog",
# neither "Hot dog" (0.60) nor "Cat" (0.57) is meant.
GAP = 0.2

# Verbs of birds: where no word names a bird that the detector knows, it is some bird.
BIRD_VERBS = frozenset(
    (
        *("calling", "cawing", "chirping", "clucking", "cooing", "crowing", "gobbling"),
        *("hooting", "quacking", "squawking", "tweeting", "warbling"),
    )
)
# VGG-Sound's own groups, and the broad class of detectors that covers what is in them.
BROAD_CLASSES: Mapping[str, tuple[str, ...]] = {
    "animals": ("Animal",),
    "home": ("Home appliance",),
    "music": ("Musical instrument",),
    "people": ("Person",),
    "sports": ("Sports equipment",),
    "tools": ("Tool",),
    "vehicle": ("Vehicle", "Land vehicle"),
}
# The similarity of a broad class: at the threshold, and below everything that is named.
BROAD = SIMILARITY_THRESHOLD


class WordVectorMatcher:
    """Matches by similarity of word vectors.

    Parameters
    ----------
    vectors : WordVectors
    threshold : float
        Classes that are less similar are no match.
    """

    def __init__(self, vectors: WordVectors, threshold: float = SIMILARITY_THRESHOLD) -> None:
        self.vectors = vectors
        self.threshold = threshold
        self._cosines: dict[tuple[str, str], float] = {}

    def match(self, sound_class: str, detector_classes: Sequence[str]) -> list[Match]:
        """Return the classes of the same meaning, else the broad class, most similar first."""
        sounds = phrases(sound_class)
        group = getattr(vggsound_classes().get(sound_class), "group", None)
        values = {name: self._compare(sounds, name) for name in detector_classes}
        best_first = sorted(values, key=lambda name: -values[name][0])  # stable
        found = [
            Match(name, round(min(values[name][0], 1.0), 4), values[name][1], "word2vec")
            for name in best_first
            if values[name][0] >= max(self.threshold, values[best_first[0]][0] - GAP)
        ]
        if found and not self._undecided(sounds, found):
            return found
        return self._broad(sounds, group, detector_classes)

    def _undecided(self, sounds: Sequence[Phrase], found: Sequence[Match]) -> bool:
        """Whether several classes are about as near, and none shares a word with the sound."""
        said = {word for phrase in sounds for word in phrase.things}
        best = found[0]
        near = [match for match in found if match.similarity > best.similarity - TIE]
        kind = best.similarity >= KIND
        return len(near) > 1 and not kind and said.isdisjoint(words(best.detector_class))

    def decides(self, sound_class: str, detector_classes: Sequence[str]) -> bool:
        """Vectors have the last word: what they do not find is not there."""
        return True

    def settings(self) -> dict[str, Any]:
        """Return the rule's version, the threshold and the vectors."""
        return {"word2vec": RULE_VERSION, "threshold": self.threshold, **self.vectors.settings()}

    def similarity(self, sound_class: str, detector_class: str) -> float:
        """Return the similarity of two names, whatever the threshold."""
        return self._compare(phrases(sound_class), detector_class)[0]

    def _broad(
        self, sounds: Sequence[Phrase], group: str | None, detector_classes: Sequence[str]
    ) -> list[Match]:
        spelling = {name.casefold(): name for name in reversed(detector_classes)}
        wanted: tuple[str, ...] = BROAD_CLASSES.get(group or "", ())
        because = f"nothing nearer; VGG-Sound has it among {group}"
        acts = all(phrase.things == phrase.actions for phrase in sounds)
        if acts and group in (None, "people", "sports"):
            wanted, because = ("Person", *wanted), "only an action is named; people do it"
        if group in (None, "animals") and any(
            BIRD_VERBS.intersection(phrase.actions) for phrase in sounds
        ):
            wanted, because = ("Bird", *wanted), "nothing nearer; the verb is a bird's"
        for name in wanted:
            if name.casefold() in spelling and self.threshold <= BROAD:
                return [Match(spelling[name.casefold()], BROAD, because, "word2vec")]
        return []

    def _compare(self, sounds: Sequence[Phrase], name: str) -> tuple[float, str]:
        best, reason = 0.0, ""
        for part in name.split(","):
            every = words(part)
            thing = without_generic([word for word in every if word != "and"] or every)
            for sound in sounds:
                for value, why in self._candidates(sound, thing):
                    if value > best:
                        best, reason = value, why
        return best, reason

    def _candidates(self, sound: Phrase, thing: Sequence[str]) -> list[tuple[float, str]]:
        named = [word for word in sound.actions if word in thing]
        if sound.things == sound.actions:
            seen = named or [*sound.things]
        else:
            seen = [*named, *sound.things]
        said = " ".join(seen)
        meant = " ".join(thing)
        value = 0.5 * (self._aligned(seen, thing) + self._phrase_cosine(seen, thing))
        found = [(value, f"{said} ~ {meant}")]
        if len(thing) == 1:
            head, tail = sound.things[-1], thing[0]
            is_tail = head != tail and head.endswith(tail) and len(tail) >= SHORTEST_TAIL
            if KINDS.get(head) == tail or is_tail:
                found.append((KIND, f"{head} is a kind of {tail}"))
            action = sound.leading
            if tail in _stems(action) and self.cosine(action, tail, 1.0) >= TOOL_OF_ACTION:
                found.append((TOOL, f"{action} is done with {tail}"))
        return found

    def _aligned(self, sound: Sequence[str], thing: Sequence[str]) -> float:
        """Tversky's index, as for names, with cosines in place of same-or-not."""
        of_thing = [max(self.cosine(a, b) for a in sound) for b in thing]
        of_sound = [max(self.cosine(a, b) for b in thing) for a in sound]
        shared = sum(of_thing)
        if shared <= 0:
            return 0.0
        only_thing = len(thing) - shared + (1 - of_thing[-1]) * HEAD
        # The head says what it is: an "ice cream truck" is no ice cream.
        only_sound = len(sound) - sum(of_sound) + (1 - of_sound[-1]) * HEAD
        return shared / (shared + ONLY_DETECTOR * only_thing + ONLY_SOUND * only_sound)

    def _phrase_cosine(self, sound: Sequence[str], thing: Sequence[str]) -> float:
        """Cosine of the sums of the words' vectors, or of "fire_truck" where the file has it.

        A word that the file lacks has a direction of its own: equal to itself and to no other.
        """
        if list(sound) == list(thing):
            return 1.0
        for model in range(len(self.vectors.models)):
            one, one_unknown = self._phrase(sound, model)
            other, other_unknown = self._phrase(thing, model)
            if one is not None and other is not None:
                product = float(one @ other) + len(one_unknown & other_unknown)
                square = float(one @ one) + len(one_unknown)
                other_square = float(other @ other) + len(other_unknown)
                return max(0.0, product / math.sqrt(square * other_square))
        shared = len(set(sound) & set(thing))
        return shared / math.sqrt(len(set(sound)) * len(set(thing)))

    def _phrase(
        self, parts: Sequence[str], model: int
    ) -> tuple[NDArray[np.floating[Any]] | None, frozenset[str]]:
        """Return the sum of the known words' vectors, and the unknown words."""
        if len(parts) > 1:
            joined = self.vectors.vector("_".join(parts), model)
            if joined is not None:
                return joined, frozenset()
        vectors = {part: self.vectors.vector(part, model) for part in parts}
        unknown = frozenset(part for part, vector in vectors.items() if vector is None)
        known = [vector for vector in vectors.values() if vector is not None]
        return (sum(known[1:], known[0]) if known else None), unknown

    def cosine(self, one: str, other: str, unknown: float = 0.0) -> float:
        """Return the cosine of two words, not below 0; ``unknown`` where no file has both."""
        if one == other:
            return 1.0
        key = (one, other)
        if key not in self._cosines:
            value = -1.0
            for model in range(len(self.vectors.models)):
                a, b = self.vectors.vector(one, model), self.vectors.vector(other, model)
                if a is not None and b is not None:
                    value = max(0.0, float(a @ b))
                    break
            self._cosines[key] = value
        found = self._cosines[key]
        return unknown if found < 0 else found


def _stems(action: str) -> tuple[str, ...]:
    """What a word in -ing may come from: hammering: hammer; shaving: shave; tapping: tap."""
    stem = action.removesuffix("ing")
    doubled = (stem[:-1],) if len(stem) > 2 and stem[-1] == stem[-2] else ()
    return (stem, stem + "e", *doubled)
