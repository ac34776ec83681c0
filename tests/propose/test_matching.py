"""Which detector classes a sound class is matched to."""

from __future__ import annotations

import csv
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vggss_tools.classes import openimages_classes, vggsound_classes
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.propose.class_tables import REVIEWED_TABLE
from vggss_tools.propose.coco_card import CLASSES as COCO_CLASSES
from vggss_tools.propose.matching import (
    FirstMatcher,
    Matcher,
    NameMatcher,
    TableMatcher,
    load_matcher,
    outside_of_table,
    similarity,
    singular,
    synonyms,
)
from vggss_tools.resources import resource
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
    with pytest.raises(VggssError, match="choose one of: auto, table, word2vec, names"):
        load_matcher("fasttext")


def test_the_shipped_table_has_every_class_once_for_each_vocabulary() -> None:
    """All 309 classes, ranks from 1, similarities that fall, objects of the vocabulary."""
    rows: dict[tuple[str, str], list[dict[str, str]]] = {}
    text = resource(REVIEWED_TABLE).read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        rows.setdefault((row["sound_class"], row["detector"]), []).append(row)
    vocabularies = {"openimages": openimages_classes(), "coco": COCO_CLASSES}
    assert set(rows) == {(sound, name) for sound in vggsound_classes() for name in vocabularies}
    for (_, detector), found in rows.items():
        assert [row["rank"] for row in found] == [str(n) for n in range(1, len(found) + 1)]
        objects = [row["object"] for row in found]
        assert objects == [""] or set(objects) <= set(vocabularies[detector])
        assert len(objects) == len(set(objects))
        values = [float(row["similarity"]) for row in found if row["object"]]
        assert values == sorted(values, reverse=True)
        assert all(0.5 <= value <= 1 for value in values)
        assert all(row["source"] in ("word2vec", "review") and row["reason"] for row in found)


@pytest.mark.parametrize("vocabulary", [openimages_classes(), COCO_CLASSES])
def test_the_shipped_table_decides_for_its_vocabularies(vocabulary: tuple[str, ...]) -> None:
    """Every class of VGG-Sound is answered by the table, "none" too; other rules are not asked."""
    for name in ("auto", "table"):
        matcher = load_matcher(name)
        assert all(matcher.decides(sound, vocabulary) for sound in vggsound_classes())
        assert matcher.match("thunder", vocabulary) == []
        assert {match.source for match in matcher.match("dog barking", vocabulary)} == {"table"}


def test_part_of_a_vocabulary_is_answered_within_it() -> None:
    """A detector of 23 OpenImages classes gets the next best of those that it has."""
    few = ["Person", "Vehicle", "Dog", "Car", "Computer mouse", "Cattle"]
    auto = load_matcher("auto")
    assert [m.detector_class for m in auto.match("reversing beeps", few)] == ["Car", "Vehicle"]
    assert [m.detector_class for m in auto.match("mouse clicking", few)] == ["Computer mouse"]
    assert auto.match("playing violin, fiddle", few) == []


def test_older_and_bare_spellings_are_the_same_classes() -> None:
    """Lists of OpenImages without brackets and with older names are recognised."""
    older = ["Organ", "Horn", "Bat", "Lifejacket", "Squash", "Dog"]
    found = load_matcher("table").match("playing french horn", older)
    assert [m.detector_class for m in found] == ["Horn"]
    found = load_matcher("table").match("playing hammond organ", older)
    assert [m.detector_class for m in found] == ["Organ"]


def test_spelling_tells_the_mouse_from_the_mouse() -> None:
    """``mouse`` is COCO's computer mouse, ``Mouse`` OpenImages' animal."""
    table = load_matcher("table")
    assert [m.detector_class for m in table.match("mouse clicking", ["mouse", "dog"])] == ["mouse"]
    assert table.match("mouse squeaking", ["mouse", "dog"]) == []
    assert [m.detector_class for m in table.match("mouse squeaking", ["Mouse", "Dog"])] == ["Mouse"]
    assert table.match("mouse clicking", ["Mouse", "Dog"]) == []


def test_another_vocabulary_is_not_the_tables() -> None:
    """A detector with a class of its own is matched by the words, and finds that class."""
    vocabulary = ["Guitar", "Ukulele", "Theremin"]
    auto = load_matcher("auto")
    assert [m.detector_class for m in auto.match("playing ukulele", vocabulary)] == ["Ukulele"]
    assert auto.match("playing theremin", vocabulary)[0].source == "names"


@pytest.mark.parametrize("vocabulary", [openimages_classes(), COCO_CLASSES])
def test_a_few_classes_more_leave_the_table_in_force(vocabulary: tuple[str, ...]) -> None:
    """It answers as before, and what it does not know is matched by the next."""
    auto, more = load_matcher("auto"), ["background", "N/A", *vocabulary]
    for sound in vggsound_classes():
        assert auto.match(sound, more) == auto.match(sound, vocabulary)
    assert outside_of_table(auto, more) == ["background", "N/A"]
    assert outside_of_table(auto, vocabulary) == []
    found = auto.match("playing theremin", ["Theremin", *more])
    assert [found[0].detector_class, found[0].source] == ["Theremin", "names"]
    assert {match.source for match in found[1:]} <= {"table"}


def test_ones_own_table_goes_first(tmp_path: Path) -> None:
    """It is marked, and an empty object says that nothing matches."""
    path = tmp_path / "mine.csv"
    path.write_text(
        "sound_class,object,similarity,reason\ncow lowing,Bull,0.8,mine are bulls\nrapping,,,\n"
    )
    matcher = load_matcher("auto", overrides=path)
    (match,) = matcher.match("cow lowing", openimages_classes())
    assert (match.detector_class, match.similarity, match.source) == ("Bull", 0.8, "override")
    assert match.reason == "table mine.csv: mine are bulls"
    assert matcher.match("rapping", openimages_classes()) == []
    assert matcher.match("dog barking", openimages_classes())[0].source == "table"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"sound_class,object,similarity\ndog barking,Dog,1.5\n", "row 2"),
        (b"sound_class,object,similarity\ndog barking,Dog,nan\n", "row 2"),
        (b"\xff\xfe\x00", "not a table"),
        (b"", "no column object, sound_class"),
    ],
)
def test_a_broken_table_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    """The file and the row are named."""
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=message) as caught:
        load_matcher("auto", overrides=path)
    assert "mine.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_table_agrees_with_the_reference_judgement(reference_data: Path) -> None:
    """The first class is acceptable, or both are empty, for at least 97 % of the judged classes."""
    path = reference_data / "openimages" / "class_matches_dev.csv"
    with path.open(encoding="utf-8", newline="") as handle:
        judged = list(csv.DictReader(handle))
    table = load_matcher("table")
    right = 0
    for row in judged:
        found = table.match(row["vggsound_class"], openimages_classes())
        acceptable = row["acceptable"].split("|")
        right += (found[0].detector_class if found else "") in acceptable
    assert len(judged) == 150
    assert right >= 0.97 * len(judged)
