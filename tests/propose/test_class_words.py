"""What the words of a class name are."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.classes import openimages_classes, vggsound_classes
from vggss_tools.propose.class_words import KINDS, phrases, singular, words


@pytest.mark.parametrize(
    ("name", "things"),
    [
        ("dog barking", [("dog",)]),
        ("playing violin, fiddle", [("violin",), ("fiddle",)]),
        ("police car (siren)", [("police", "car")]),
        ("fire truck siren", [("fire", "truck")]),
        ("eletric blender running", [("electric", "blender")]),
        ("alligators, crocodiles hissing", [("alligator",), ("crocodile",)]),
        ("people eating apple", [("person",)]),
        ("woodpecker pecking tree", [("woodpecker",)]),
        ("eating with cutlery", [("cutlery",)]),
        ("footsteps on snow", [("footstep",)]),
        ("typing on computer keyboard", [("computer", "keyboard")]),
        ("playing drum kit", [("drum",)]),
        ("singing bowl", [("bowl",)]),
        ("swimming", [("swimming",)]),
        ("bee, wasp, etc. buzzing", [("bee",), ("wasp",)]),
        ("engine accelerating, revving, vroom", [("engine",)]),
        ("playing tympani", [("timpani",)]),
    ],
)
def test_things_are_told_from_actions_and_context(name: str, things: list[tuple[str]]) -> None:
    """Synonyms, who acts, what is acted with, and what is acted on, in this order."""
    assert [phrase.things for phrase in phrases(name)] == things


def test_the_action_in_front_is_known() -> None:
    """It may name the tool; an action behind its agent does not."""
    assert phrases("chainsawing trees")[0].leading == "chainsawing"
    assert phrases("elephant trumpeting")[0].leading == ""


@pytest.mark.parametrize("names", [vggsound_classes(), openimages_classes()])
def test_every_class_has_a_word(names: tuple[str, ...]) -> None:
    """No class name is emptied by the rules."""
    for name in names:
        assert all(phrase.things for phrase in phrases(name)), name


@given(st.text(string.printable, max_size=40))
def test_any_text_has_a_phrase(name: str) -> None:
    """Whatever is asked for, there is an answer."""
    assert phrases(name)
    assert all(word == word.casefold() for word in words(name))


def test_kinds_are_singular_words() -> None:
    """A plural in the list would never be found."""
    for word, kind in KINDS.items():
        assert singular(word) == word or word == "timpani"
        assert singular(kind) == kind
        assert word != kind
