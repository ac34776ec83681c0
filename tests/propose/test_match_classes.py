"""``vggss match-classes``."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tiny_vectors import write_vectors

from vggss_tools.classes import openimages_classes, vggsound_classes
from vggss_tools.cli import group
from vggss_tools.propose.coco_card import CLASSES as COCO_CLASSES


@pytest.fixture
def match_classes(tmp_path: Path) -> Callable[..., Result]:
    """Run the command away from any data directory."""

    def run(*arguments: str | Path) -> Result:
        given = ["--data", str(tmp_path / "none"), "match-classes", *map(str, arguments)]
        return CliRunner().invoke(group, given, prog_name="vggss")

    return run


def found(result: Result) -> dict[str, list[dict[str, Any]]]:
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert value["schema"] == "vggss-class-matches/1"
    return {row["sound_class"]: row["detector_classes"] for row in value["matches"]}


@pytest.mark.parametrize(
    ("detector", "vocabulary"),
    [("openimages", openimages_classes()), ("coco", COCO_CLASSES)],
)
def test_all_classes_are_matched_by_the_table(
    match_classes: Callable[..., Result], detector: str, vocabulary: tuple[str, ...]
) -> None:
    """In order of preference, within the vocabulary, empty where there is none."""
    matches = found(match_classes("--detector", detector, "--json", "-"))
    assert list(matches) == list(vggsound_classes())
    for classes in matches.values():
        assert {one["name"] for one in classes} <= set(vocabulary)
        assert all(one["source"] == "table" and one["reason"] for one in classes)
        values = [one["similarity"] for one in classes]
        assert values == sorted(values, reverse=True)
    assert matches["thunder"] == []
    assert matches["dog barking"][0]["name"].casefold() == "dog"
    assert matches["people sneezing"][0]["name"].casefold() == "person"


def test_the_table_needs_neither_torch_nor_gensim(tmp_path: Path) -> None:
    """The base install is enough."""
    code = (
        "import sys\n"
        "class Without:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'torchvision', 'gensim'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Without())\n"
        "from vggss_tools.cli import main\n"
        "main(['match-classes', '--detector', 'openimages', '--json', '-'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["matches"]) == 309


def test_vectors_alone(match_classes: Callable[..., Result], tmp_path: Path) -> None:
    """``--no-table`` asks the vectors for everything."""
    path = write_vectors(tmp_path / "tiny.bin", binary=True)
    matches = found(
        match_classes("--no-table", "--vectors", path, "--json", "-", "--class", "dog barking")
    )
    assert list(matches) == ["dog barking"]
    assert matches["dog barking"][0]["name"] == "Dog"
    assert {one["source"] for one in matches["dog barking"]} == {"word2vec"}


def test_threshold_and_top_k_shorten_the_answer(match_classes: Callable[..., Result]) -> None:
    """The best stay; the threshold leaves rows of the table as they are."""
    name = "people sneezing"
    everything = found(match_classes("--json", "-", "--class", name))[name]
    two = found(match_classes("--json", "-", "--class", name, "--top-k", "2"))[name]
    near = found(match_classes("--json", "-", "--class", name, "--threshold", "0.9"))[name]
    assert two == everything[:2]
    assert near == everything
    assert len(everything) > len(two)


def test_the_threshold_is_for_what_is_computed(
    match_classes: Callable[..., Result], tmp_path: Path
) -> None:
    """Rows of one's own table stand, in their order; similarities of vectors are cut."""
    mine = tmp_path / "mine.csv"
    mine.write_text("sound_class,object,similarity\ncow lowing,Bull,0.2\ncow lowing,Cattle,0.3\n")
    vectors = write_vectors(tmp_path / "tiny.bin", binary=True)
    line = ("--no-table", "--vectors", vectors, "--overrides", mine, "--threshold", "1", "--json")
    matches = found(match_classes(*line, "-"))
    assert [one["name"] for one in matches["cow lowing"]] == ["Bull", "Cattle"]
    others = [one for name, found in matches.items() if name != "cow lowing" for one in found]
    assert all(one["similarity"] >= 1 for one in others)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("cow lowin,Bull", "row 3: sound_class 'cow lowin' is not one of VGG-Sound's 309 classes; "
         "did you mean 'cow lowing'?"),
        ("cow lowing,Catle", "row 3: object 'Catle' is not a class of the detector; did you mean "
         "'Cattle'?"),
    ],
)  # fmt: skip
def test_a_row_that_names_nothing_is_refused(
    match_classes: Callable[..., Result], tmp_path: Path, row: str, message: str
) -> None:
    """A slip of the pen is no row that never matches."""
    path = tmp_path / "mine.csv"
    path.write_text(f"sound_class,object\ndog barking,Dog\n{row}\n")
    result = match_classes("--overrides", path)
    assert result.exit_code == 6
    assert message in result.stderr


def test_classes_that_the_table_does_not_know_are_named(
    match_classes: Callable[..., Result], tmp_path: Path
) -> None:
    """On stderr; the table still answers."""
    path = tmp_path / "r.json"
    names = ("Dog", "Cattle", "background", "N/A")
    rows = [{"image_id": "a", "category": n, "bbox": [0, 0, 9, 9], "score": 0.5} for n in names]
    path.write_text(json.dumps(rows))
    line = ("--detector", f"boxes:{path}", "--class", "cow lowing", "--json", "-")
    result = match_classes(*line)
    assert [(m["name"], m["source"]) for m in found(result)["cow lowing"]] == [("Cattle", "table")]
    assert "2 of 4 classes of boxes are not in the reviewed table" in result.stderr
    assert "N/A, background" in result.stderr


def test_ones_own_table_overrides(match_classes: Callable[..., Result], tmp_path: Path) -> None:
    """Its matches are marked."""
    path = tmp_path / "mine.csv"
    path.write_text("sound_class,object\ncow lowing,Bull\n")
    matches = found(match_classes("--json", "-", "--overrides", path, "--class", "cow lowing"))
    assert [(one["name"], one["source"]) for one in matches["cow lowing"]] == [("Bull", "override")]


def test_the_text_has_the_reasons(match_classes: Callable[..., Result]) -> None:
    """One line a match, the count on stderr."""
    result = match_classes("--class", "cow lowing", "--class", "thunder")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "cow lowing"
    assert lines[1].startswith("  1.00  Cattle  (table class_matches.csv")
    assert lines[-1] == "thunder"
    assert result.stderr == "1 of 2 sound classes match classes of openimages\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--detector", "yolo9000"], 1, "unknown; choose one of"),
        (["--class", "dog barkin"], 6, "did you mean 'dog barking'"),
        (["--vectors", "nowhere.bin", "--no-table"], 1, "nowhere.bin: no such file"),
        (["--threshold", "nan"], 2, "not a finite number"),
        (["--top-k", "0"], 2, "0 is not in the range"),
        (["--overrides", "nowhere.csv"], 1, "nowhere.csv: no such file"),
    ],
)
def test_wrong_use_is_one_line(
    match_classes: Callable[..., Result], arguments: list[str], code: int, message: str
) -> None:
    """The thing and the remedy, and nothing on stdout."""
    result = match_classes(*arguments, "--json", "-")
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
