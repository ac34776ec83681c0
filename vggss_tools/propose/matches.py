"""What a matcher answers with, and the interface of matchers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

# A match below this is not used: at 0.5, "car engine idling" still finds "Car" (0.67) and
# "dog barking" does not find "Hot dog" (0.33).
SIMILARITY_THRESHOLD = 0.5

Source = Literal["table", "override", "word2vec", "names"]


@dataclass(frozen=True, slots=True)
class Match:
    """One detector class that a sound class was matched to.

    Attributes
    ----------
    similarity : float
        0..1; 1 is the same thing.
    reason : str
        Where the match comes from, for people.
    source : str
        The shipped ``table``, the user's own table (``override``), ``word2vec`` vectors, or the
        words that the two ``names`` share.
    """

    detector_class: str
    similarity: float
    reason: str
    source: Source = "names"


class Matcher(Protocol):
    """A rule that matches sound classes to detector classes."""

    def match(self, sound_class: str, detector_classes: Sequence[str]) -> list[Match]:
        """Return the matches, best first; ties keep the vocabulary's order; maybe none."""
        ...

    def decides(self, sound_class: str, detector_classes: Sequence[str]) -> bool:
        """Whether this rule's answer stands, an empty one too, and no other rule is asked."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return what the matches depend on, as JSON."""
        ...
