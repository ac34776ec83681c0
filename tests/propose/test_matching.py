"""Which detector classes a sound class is matched to."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vggss_tools.classes import openimages_classes, vggsound_classes
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.propose.matching import (
    FirstMatcher,
    Matcher,
    NameMatcher,
    TableMatcher,
    load_matcher,
    similarity,
    singular,
    synonyms,
)
from vggss_tools.sample.world import CLASSES

names = st.text(string.ascii_letters + " ,()-", min_size=1, max_size=30)
vocabularies = st.lists(names, min_size=1, max_size=8, unique_by=str.casefold)
words = st.frozensets(
    st.sampled_from(["dog", "hot", "car", "fire", "truck", "ringing"]), max_size=4
)


def best(matcher: Matcher, sound_class: str) -> list[str]:
    """OpenImages classes that the matcher would use."""
    found = matcher.match(sound_class, openimages_classes())
    return [match.detector_class for match in found if match.similarity >= 0.5]


@pytest.mark.parametrize(
    ("sound_class", "expected"),
    [
        ("dog barking", "Dog"),
        ("playing violin, fiddle", "Violin"),
        ("playing snare drum", "Drum"),
        ("car engine idling", "Car"),
        ("fire truck siren", "Truck"),
        ("ambulance siren", "Ambulance"),
        ("alarm clock ringing", "Alarm clock"),
        ("helicopter", "Helicopter"),
        ("driving buses", "Bus"),
        ("using sewing machines", "Sewing machine"),
        ("police car (siren)", "Car"),
        ("people slurping", "Person"),
        ("female speech, woman speaking", "Woman"),
    ],
)
def test_names_are_matched_by_their_nouns(sound_class: str, expected: str) -> None:
    """Verbs, context, number and synonyms do not stand in the way of the thing itself."""
    assert best(NameMatcher(), sound_class)[0] == expected


@pytest.mark.parametrize(
    ("sound_class", "wrong"),
    [("dog barking", "Hot dog"), ("fire truck siren", "Fire hydrant")],
)
def test_a_word_more_is_another_thing(sound_class: str, wrong: str) -> None:
    """A detector class with a word of its own is not used."""
    assert wrong not in best(NameMatcher(), sound_class)


def test_no_shared_word_is_no_match() -> None:
    """Nothing is guessed."""
    assert NameMatcher().match("thunder", ["Dog", "Car"]) == []


def test_a_reason_says_which_words() -> None:
    """People can see why a class was matched."""
    (match,) = NameMatcher().match("alarm clock ringing", ["Alarm clock"])
    assert match.reason == "names share alarm, clock"
    assert match.similarity == 1


@pytest.mark.parametrize(
    ("plural", "expected"),
    [
        ("bees", "bee"),
        ("buses", "bus"),
        ("canaries", "canary"),
        ("boxes", "box"),
        ("bus", "bus"),
        ("glass", "glass"),
        ("glasses", "glass"),
        ("horses", "horse"),
        ("wolves", "wolf"),
        ("people", "person"),
        ("dog", "dog"),
    ],
)
def test_plurals(plural: str, expected: str) -> None:
    """The plurals of class names become singulars."""
    assert singular(plural) == expected


@settings(deadline=None)
@given(names, vocabularies)
def test_case_does_not_matter(sound_class: str, vocabulary: list[str]) -> None:
    """Names in capitals, on either side, are matched alike."""
    plain = NameMatcher().match(sound_class, vocabulary)
    assert NameMatcher().match(sound_class.upper(), vocabulary) == plain
    shouted = NameMatcher().match(sound_class, [name.upper() for name in vocabulary])
    assert [m.detector_class for m in shouted] == [m.detector_class.upper() for m in plain]
    assert [m.similarity for m in shouted] == [m.similarity for m in plain]


@settings(deadline=None)
@given(names, vocabularies)
def test_matches_are_of_the_vocabulary(sound_class: str, vocabulary: list[str]) -> None:
    """A detector is never asked for a class that it does not have; the best comes first."""
    found = NameMatcher().match(sound_class, vocabulary)
    assert {match.detector_class for match in found} <= set(vocabulary)
    assert len(found) == len({match.detector_class for match in found})
    values = [match.similarity for match in found]
    assert values == sorted(values, reverse=True)
    assert all(0 < value <= 1 for value in values)


@settings(deadline=None)
@given(names.filter(lambda name: any(synonyms(name))))
def test_a_name_matches_itself(name: str) -> None:
    """The same words are the same thing."""
    (match,) = NameMatcher().match(name, [name])
    assert match.similarity == 1


@settings(deadline=None)
@given(words, words)
def test_similarity_is_one_only_for_what_sounds_the_same(
    a: frozenset[str], b: frozenset[str]
) -> None:
    """It stays within 0..1; 1 means no noun on either side is without its fellow."""
    value = similarity(a, b)
    assert 0 <= value <= 1
    if value == 1:
        assert b <= a
        assert all(word.endswith("ing") for word in a - b)


def test_every_vggsound_class_can_be_asked_for() -> None:
    """No class name of VGG-Sound breaks the rule, and a good part of them finds something."""
    found = [name for name in vggsound_classes() if best(NameMatcher(), name)]
    assert len(found) > 90


def test_a_table_is_taken_at_its_word() -> None:
    """Rows become matches, in their order, in the detector's spelling."""
    table = TableMatcher({"Dog Barking": ("Puppy", "dog", "Wolf")}, "pets.csv")
    found = table.match("dog barking", ["Wolf", "Dog"])
    assert [(m.detector_class, m.similarity) for m in found] == [("Dog", 1), ("Wolf", 1)]
    assert found[0].reason == "table pets.csv"
    assert table.match("cat purring", ["Dog"]) == []


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    """The message names the file and the column."""
    path = tmp_path / "matches.csv"
    path.write_text("sound_class,thing\ndog barking,Dog\n")
    with pytest.raises(InvalidInput, match=r"matches\.csv: no column object"):
        TableMatcher.read(path)


def test_a_changed_table_changes_the_settings(tmp_path: Path) -> None:
    """What was matched with another table can be told apart."""
    one = TableMatcher({"dog barking": ["Dog"]}, "t.csv")
    other = TableMatcher({"dog barking": ["Wolf"]}, "t.csv")
    assert one.settings() != other.settings()
    assert one.settings() == TableMatcher({"dog barking": ["Dog"]}, "t.csv").settings()


def test_auto_asks_the_table_first() -> None:
    """What the table does not know, or knows for other detectors, is matched by name."""
    table = TableMatcher({"dog barking": ["Hound"]}, "t.csv")
    auto = FirstMatcher([table, NameMatcher()])
    assert [m.detector_class for m in auto.match("dog barking", ["Hound", "Dog"])] == ["Hound"]
    assert [m.detector_class for m in auto.match("dog barking", ["Dog"])] == ["Dog"]
    assert [m.detector_class for m in auto.match("owl hooting", ["Owl"])] == ["Owl"]


@pytest.mark.parametrize("name", ["auto", "table"])
def test_the_sample_world_matches_exactly(name: str) -> None:
    """Each sample class has its own object, and no other of the sample world's."""
    matcher = load_matcher(name)
    vocabulary = [kind.object_class for kind in CLASSES]
    for kind in CLASSES:
        (match,) = matcher.match(kind.sound_class, vocabulary)
        assert (match.detector_class, match.similarity) == (kind.object_class, 1)


def test_an_unknown_matcher_is_one_line() -> None:
    """The message lists those there are."""
    with pytest.raises(VggssError, match="choose one of: auto, table, names"):
        load_matcher("word2vec")
