"""Reading word vectors, and matching by them."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_vectors import write_vectors

from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.propose.matching import load_matcher
from vggss_tools.propose.word_matching import WordVectorMatcher
from vggss_tools.propose.word_vectors import WordVectors, read_keyed_vectors, read_vectors

pytest.importorskip("gensim")


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> WordVectors:
    """The tiny vectors, read from word2vec's binary form."""
    return read_vectors([write_vectors(tmp_path_factory.mktemp("v") / "tiny.bin", binary=True)])


@pytest.fixture
def matcher(vectors: WordVectors) -> WordVectorMatcher:
    """A matcher by the tiny vectors."""
    return WordVectorMatcher(vectors)


def names(matcher: WordVectorMatcher, sound_class: str, vocabulary: list[str]) -> list[str]:
    return [match.detector_class for match in matcher.match(sound_class, vocabulary)]


@pytest.mark.parametrize(("binary", "header"), [(True, True), (False, True), (False, False)])
@pytest.mark.parametrize("suffix", [".bin", ".txt", ".dat"])
@pytest.mark.parametrize("zipped", [True, False])
def test_the_form_is_told_by_the_content(
    tmp_path: Path, binary: bool, header: bool, suffix: str, zipped: bool
) -> None:
    """Binary or text, with or without a header, zipped or not: the name does not matter."""
    path = write_vectors(tmp_path / f"tiny{suffix}", binary=binary, header=header)
    if zipped:
        whole = path.with_name(path.name + ".gz")
        whole.write_bytes(gzip.compress(path.read_bytes()))
        path = whole
    read = read_vectors([path])
    value = read.vector("dog")
    assert value is not None
    np.testing.assert_allclose(value @ value, 1)
    np.testing.assert_allclose(value[0] / value[1], 5, rtol=1e-5)


def test_gensims_own_form_is_read(tmp_path: Path) -> None:
    """What ``KeyedVectors.save`` writes."""
    text = write_vectors(tmp_path / "tiny.txt")
    path = tmp_path / "tiny.kv"
    read_keyed_vectors(text).save(str(path))
    assert read_vectors([path]).vector("cow") is not None


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"3 5\n", b"PK\x03\x04 not vectors", b"\x80\x04broken", b"0 5\n", b"2 2\na 1 x\n"],
)
def test_a_file_without_vectors_is_one_line(tmp_path: Path, content: bytes) -> None:
    """The message names the file; nothing of gensim comes through."""
    path = tmp_path / "vectors.bin"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"vectors\.bin: not word vectors") as caught:
        read_vectors([path])
    assert "\n" not in str(caught.value)


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    """A vector of nan would make every similarity nan."""
    path = tmp_path / "vectors.txt"
    path.write_text("1 2\ndog nan 1\n")
    with pytest.raises(InvalidInput, match="not all finite"):
        read_vectors([path])


def test_a_missing_file_and_a_folder_are_one_line(tmp_path: Path) -> None:
    """They are told apart."""
    with pytest.raises(VggssError, match="no such file"):
        read_vectors([tmp_path / "none.bin"])
    with pytest.raises(VggssError, match="is a folder"):
        read_vectors([tmp_path])


def test_words_are_found_in_other_forms(vectors: WordVectors) -> None:
    """Plurals and names with a capital letter stand for the word; others are unknown."""
    assert vectors.vector("volvo") is not None
    assert vectors.vector("theremin") is None


def test_the_next_file_has_what_the_first_lacks(tmp_path: Path) -> None:
    """Vectors of two files are not compared with each other."""
    first = write_vectors(tmp_path / "tiny.bin", binary=True)
    second = tmp_path / "second.txt"
    second.write_text("3 2\ntheremin 1 0\nsynth 0.9 0.1\ndog 0 1\n")
    both = WordVectorMatcher(read_vectors([first, second]))
    assert both.cosine("theremin", "synth") > 0.9
    assert both.cosine("theremin", "cat") == 0
    assert names(both, "theremin", ["Synth", "Dog"]) == ["Synth"]


def test_meaning_is_matched(matcher: WordVectorMatcher) -> None:
    """Another word for the same thing is found, in the detector's spelling."""
    (match,) = matcher.match("lorry passing", ["TRUCK", "cat"])
    assert (match.detector_class, match.source, match.reason) == (
        "TRUCK",
        "word2vec",
        "lorry ~ truck",
    )
    assert 0.9 < match.similarity <= 1


def test_the_name_itself_is_best(matcher: WordVectorMatcher) -> None:
    """Also where no file has the word."""
    assert names(matcher, "dog barking", ["Puppies", "Dog"])[0] == "Dog"
    assert names(matcher, "dog barking", ["Hot dog", "Cat", "Dog", "Dog bed"]) == ["Dog"]
    assert names(matcher, "zebra braying", ["Dog", "Zebra"]) == ["Zebra"]
    assert matcher.match("zebra braying", ["Zebra"])[0].similarity == 1


def test_sisters_give_way_to_the_broad_class(matcher: WordVectorMatcher) -> None:
    """Where two classes are as near, neither is meant."""
    vocabulary = ["Trombone", "Cello", "Musical instrument"]
    (match,) = matcher.match("playing clarinet", vocabulary)
    assert match.detector_class == "Musical instrument"
    assert match.reason == "nothing nearer; VGG-Sound has it among music"
    assert names(matcher, "playing clarinet", ["Trombone", "Dog"]) == ["Trombone"]


@pytest.mark.parametrize(
    ("sound_class", "vocabulary", "expected"),
    [
        ("cow lowing", ["Sheep", "Cattle"], "Cattle"),
        ("motorboat, speedboat acceleration", ["Truck", "Boat"], "Boat"),
        ("francolin calling", ["Dog", "Animal", "Bird"], "Bird"),
        ("swimming", ["Dog", "Person"], "Person"),
        ("chainsawing trees", ["Tree", "Chainsaw"], "Chainsaw"),
    ],
)
def test_general_rules_where_vectors_say_nothing(
    matcher: WordVectorMatcher, sound_class: str, vocabulary: list[str], expected: str
) -> None:
    """Kinds, tails of compounds, verbs of birds, actions of people, tools of actions."""
    assert names(matcher, sound_class, vocabulary)[0] == expected


def test_no_class_is_an_answer(matcher: WordVectorMatcher) -> None:
    """What has no source that can be boxed is not guessed."""
    assert matcher.match("thunder", ["Dog", "Truck", "Person"]) == []
    assert matcher.match("anything else", []) == []


def test_the_threshold_is_kept(vectors: WordVectors) -> None:
    """Nothing below it comes out, broad classes included."""
    strict = WordVectorMatcher(vectors, 0.95)
    assert strict.match("playing clarinet", ["Trombone", "Musical instrument"]) == []
    assert names(strict, "dog barking", ["Dog", "Cat"]) == ["Dog"]


def test_settings_change_with_the_vectors(tmp_path: Path, vectors: WordVectors) -> None:
    """What was matched with other vectors can be told apart, and no path is in them."""
    path = tmp_path / "tiny.bin"
    path.write_text("1 2\ndog 1 0\n")
    other = WordVectorMatcher(read_vectors([path])).settings()
    assert other != WordVectorMatcher(vectors).settings()
    assert str(tmp_path) not in str(other)


def test_settings_do_not_read_the_vectors(tmp_path: Path) -> None:
    """They are the same before and after, and a missing file is found at once."""
    path = write_vectors(tmp_path / "tiny.bin", binary=True)
    rule = load_matcher("word2vec", vectors=[path])
    before = rule.settings()
    rule.match("dog barking", ["Dog"])
    assert rule.settings() == before == WordVectorMatcher(read_vectors([path])).settings()
    with pytest.raises(VggssError, match="no such file"):
        load_matcher("auto", vectors=[tmp_path / "none.bin"])


def test_auto_asks_vectors_for_what_no_table_knows(tmp_path: Path) -> None:
    """A detector of neither OpenImages nor COCO."""
    path = write_vectors(tmp_path / "tiny.bin", binary=True)
    auto = load_matcher("auto", vectors=[path])
    (match,) = auto.match("lorry passing", ["Truck", "Cat"])
    assert match.source == "word2vec"
    assert auto.match("dog barking", ["Dog", "Cat"])[0].source == "table"


def test_the_default_vectors_need_a_network_or_a_file(tmp_path: Path) -> None:
    """Where there is neither, one line says what to do; a proxy that is not there stands for it."""
    code = (
        "from vggss_tools.propose.word_vectors import download_default_vectors\n"
        "from vggss_tools.errors import VggssError\n"
        "try: download_default_vectors()\n"
        "except VggssError as error: raise SystemExit(str(error))\n"
    )
    environment = {
        "GENSIM_DATA_DIR": str(tmp_path),
        "https_proxy": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    line = done.stderr.strip().splitlines()[-1]
    assert "cannot be downloaded" in line
    assert "--vectors PATH" in line
    assert done.stdout == ""
