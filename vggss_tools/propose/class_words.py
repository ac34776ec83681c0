"""The words of class names: what is a thing, what is an action, and what is only heard.

A class name such as "fire truck siren" or "playing violin, fiddle" holds synonyms (between
commas), things (fire truck, violin), actions (words in *-ing*) and words of sound (siren). The
things are what a detector can find.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

# Words that say what is heard, or how, and never what is seen.
HEARD = (
    *("siren", "sound", "noise", "voice", "song", "speech", "music", "singing"),
    *("acceleration", "beep", "bounce", "chatter", "cry", "impact", "laughter", "vroom"),
)
FUNCTION_WORDS = ("a", "an", "and", "by", "etc", "in", "of", "on", "or", "the", "to", "with")
PLACES = ("in", "on")
# Words for many things of one purpose, which say less than the words before them.
GENERIC = frozenset(("equipment", "kit", "set"))
CONTEXT = frozenset((*HEARD, *FUNCTION_WORDS))

# Misspellings and rarer spellings in the class names of VGG-Sound.
SPELLINGS = {
    "aeroplane": "airplane",
    "eletric": "electric",
    "tympani": "timpani",
    "yodelling": "yodeling",
}

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

# Words that detectors seldom have as classes, under the wider word that they often have. Vectors
# cannot tell a kind from a sister (a cow is as near to a pig as to cattle), and lack rare words.
_KINDS = {
    "bird": "blackbird chickadee crow cuckoo dove finch francolin gull heron jackdaw lark mynah "
    "nightingale oriole peacock pheasant pigeon quail robin seagull starling swallow thrush "
    "vulture warbler wren",
    "bee": "bumblebee wasp hornet",
    "boat": "canoe dinghy ferry kayak motorboat rowboat sailboat ship speedboat yacht",
    "car": "cab convertible hatchback jeep limousine sedan taxi",
    "cattle": "bull calf cow ox",
    "chicken": "cockerel hen rooster",
    "crocodile": "alligator caiman",
    "deer": "elk moose reindeer",
    "dog": "hound poodle puppy terrier",
    "drum": "bodhran bongo cajon conga djembe snare tabla taiko timbale timpani tomtom",
    "guitar": "banjolele ukulele",
    "horse": "foal mare pony stallion",
    "insect": "cicada cricket fly grasshopper housefly locust mosquito",
    "monkey": "ape baboon chimpanzee gibbon macaque",
    "rifle": "carbine musket",
    "squirrel": "chipmunk marmot",
    "telephone": "cellphone phone smartphone",
    "train": "locomotive metro railcar railroad railway subway tram underground",
    "trumpet": "bugle cornet flugelhorn",
    "violin": "fiddle viola",
}
KINDS = {word: kind for kind, found in _KINDS.items() for word in found.split()}

# Tversky's weights. A word that only the detector's class has means another thing ("Hot dog",
# "Fire hydrant"); one that only the sound class has narrows it down ("snare drum").
ONLY_DETECTOR = 2.0
ONLY_SOUND = 0.5

_WORD = re.compile(r"[^\W\d_]+")
_BRACKETS = re.compile(r"\([^)]*\)")


class Phrase(NamedTuple):
    """One synonym of a class name, its words as singulars in lower case.

    Attributes
    ----------
    things : tuple of str
        Words for what can be seen, in their order; the last is the head. If the phrase has none,
        its actions or, failing these, all its words.
    actions : tuple of str
        Words in *-ing*.
    leading : str
        The action that the phrase begins with ("chainsawing trees"), else empty.
    """

    things: tuple[str, ...]
    actions: tuple[str, ...]
    leading: str = ""


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


def words(phrase: str) -> list[str]:
    """Return the words of a phrase in order, as singulars; what is in brackets is context."""
    bare = _BRACKETS.sub(" ", phrase.casefold())
    return [SPELLINGS.get(word, word) for word in map(singular, _WORD.findall(bare))]


def phrases(name: str) -> list[Phrase]:
    """Return the synonyms of a class name, at least one.

    What stands before the action does it ("people eating apple": people); else what stands
    behind "with" does it ("eating with cutlery"); else what it is done to sounds ("playing cello").
    A place ("on snow") is context.
    """
    found = []
    for part in name.split(","):
        every = words(part)
        actions = tuple(word for word in every if is_action(word) and word not in CONTEXT)
        things = _things(every)
        leading = every[0] if actions and every[0] == actions[0] else ""
        found.append(Phrase(things or actions or tuple(every), actions, leading))
    # "bee, wasp, etc. buzzing": a part without a thing of its own names no synonym.
    named = [phrase for phrase in found if set(phrase.things) - set(phrase.actions) - CONTEXT]
    return named or found


def _things(every: Sequence[str]) -> tuple[str, ...]:
    """Return the words of a phrase that name what sounds."""

    def named(part: Sequence[str]) -> tuple[str, ...]:
        found = tuple(word for word in part if word not in CONTEXT and not is_action(word))
        return without_generic(found)

    first = next((i for i, word in enumerate(every) if is_action(word)), len(every))
    if before := named(every[:first]):
        place = next((i for i, word in enumerate(every[:first]) if word in PLACES), first)
        return named(every[:place]) or before
    if "with" in every and (tool := named(every[every.index("with") :])):
        return tool
    return named(every[first:])


def without_generic(found: Sequence[str]) -> tuple[str, ...]:
    """Leave out words for many things ("drum kit": drum), unless there are no others."""
    return tuple(word for word in found if word not in GENERIC) or tuple(found)


def is_action(word: str) -> bool:
    """Whether a word is a verb in *-ing* (five letters or more: "ring" and "king" are things)."""
    return len(word) > 4 and word.endswith("ing")


def synonyms(name: str) -> list[frozenset[str]]:
    """Return the sets of words of a class name, one for each synonym; at least one set.

    Context is dropped unless nothing else is left: the class "Siren" is a siren.
    """
    sets = []
    for phrase in name.split(","):
        every = set(words(phrase))
        sets.append(frozenset(every - CONTEXT or every))
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
