"""``vggss import``: what is refused, in which words, and what is said beside the result."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import exchange_cases as cases
import pytest
from click.testing import Result

from vggss_tools.annotate.events import Event, EventBox
from vggss_tools.annotate.fold import fold
from vggss_tools.annotate.log import append_events, read_events
from vggss_tools.boxes import Box

Invoke = Callable[..., Result]


@pytest.fixture
def world(tmp_path: Path) -> cases.SmallWorld:
    return cases.make_small_world(tmp_path / "data", 4)


def denied(world: cases.SmallWorld, folder: Path, **cells: str) -> Path:
    """Export a table and say no in each row."""
    path = world.export("csv", folder)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**row, "decision": "no", **cells} for row in rows)
    return path


def refused(invoke: Invoke, world: cases.SmallWorld, *arguments: object) -> Result:
    before = world.log()
    result = invoke("import", *arguments, "--data", world.workspace.root)
    assert result.exit_code != 0
    assert world.log() == before
    return result


@pytest.mark.parametrize("path", ["", "  "])
def test_an_empty_path_is_not_the_current_folder(
    path: str,
    world: cases.SmallWorld,
    tmp_path: Path,
    invoke: Invoke,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A variable that was not set imports nothing."""
    denied(world, tmp_path)
    monkeypatch.chdir(tmp_path)
    result = refused(invoke, world, "csv", path, "--reviewer", "eve")
    assert result.exit_code == 2
    assert "PATH is empty" in result.stderr


@pytest.mark.parametrize("name", ["", " ", "a\nb", "x" * 501, "sample-world"])
def test_a_reviewer_needs_a_name(
    name: str, world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """What can be nobody's name is a wrong command line."""
    result = refused(invoke, world, "csv", denied(world, tmp_path), "--reviewer", name)
    assert result.exit_code == 2


def test_names_are_taken_without_blanks_and_namesakes_are_told(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """`Zoe ` beside `zoe` of the log is another reviewer, and one line says so."""
    path = denied(world, tmp_path)
    result = invoke(
        "import", "csv", path, "--reviewer", " Zoe ", "--data", world.workspace.root
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert read_events(world.workspace.annotations_log)[-1].reviewer == "Zoe"
    assert "Zoe: the log has zoe" in result.stderr
    other = denied(world, tmp_path / "data", reviewer=" eve ")
    result = invoke("import", "csv", other, "--data", world.workspace.root)
    assert result.exit_code == 0, result.output
    assert read_events(world.workspace.annotations_log)[-1].reviewer == "eve"
    assert "the log has" not in result.stderr


def test_a_file_named_for_the_stand_in_names_nobody(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """A project's name cannot make answers those of the sample world."""
    path = denied(world, tmp_path).rename(tmp_path / "csv--sample-world.csv")
    result = refused(invoke, world, "csv", path)
    assert result.exit_code == 6
    assert "whose answer it is; nothing was imported; give --reviewer NAME" in result.stderr


def test_the_result_is_never_written_over_what_is_read(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Neither over the file, nor into the folder of projects."""
    folder = tmp_path / "projects"
    folder.mkdir()
    path = denied(world, folder)
    before = path.read_bytes()
    for source, result in ((path, path), (folder, path), (folder, folder / "new.csv")):
        done = refused(invoke, world, "csv", source, "--reviewer", "eve", "--json", result)
        assert "--json another name" in done.stderr
        assert path.read_bytes() == before
        assert list(folder.iterdir()) == [path]


@pytest.mark.parametrize(
    ("as_format", "of_format", "name"),
    [("via3", "via2", "VIA 3"), ("via3", "lisa", "VIA 3"), ("lisa", "via3", "LISA"),
     ("lisa", "via2", "LISA"), ("via2", "via3", "VIA 2"), ("via2", "lisa", "VIA 2")],
)  # fmt: skip
def test_a_project_of_another_tool_is_called_that(
    as_format: str, of_format: str, name: str, world: cases.SmallWorld, tmp_path: Path,
    invoke: Invoke,
) -> None:  # fmt: skip
    """Not which key it lacks comes first, but that it is no project of the tool."""
    path = world.export(of_format, tmp_path)
    result = refused(invoke, world, as_format, path, "--reviewer", "eve")
    assert result.exit_code == 6
    assert f"{path}: not a {name} project" in result.stderr


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("text", ["{", '{"a": ' + "9" * 5000 + "}"])
def test_a_file_is_named_once_and_advice_is_for_people(
    text: str, several: bool, world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """What is wrong with a whole file follows its path at once."""
    folder = tmp_path / "projects"
    folder.mkdir()
    path = folder / "a.json"
    path.write_text(text)
    if several:
        (folder / "b.json").write_text(text)
    result = refused(invoke, world, "coco", folder if several else path, "--reviewer", "eve")
    assert result.exit_code == 6
    assert result.stderr.count("a.json") == 1
    assert "set_int_max_str_digits" not in result.stderr


def test_a_place_in_a_file_does_not_name_it_twice(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Also where the answers were read, and one of them is refused later."""
    path = denied(world, tmp_path, clip_id="nobody_000001")
    result = refused(invoke, world, "csv", path, "--reviewer", "eve")
    assert f"{path}: line 2: " in result.stderr
    coco = world.export("coco", tmp_path)
    value = json.loads(coco.read_text())
    value["images"][0]["clip_id"] = value["images"][1]["clip_id"]
    coco.write_text(json.dumps(value))
    result = refused(invoke, world, "coco", coco, "--reviewer", "eve")
    assert result.stderr.count("coco.json") == 1


def test_fiftyones_database_needs_a_name(world: cases.SmallWorld, invoke: Invoke) -> None:
    """The prefix alone is a wrong command line."""
    result = refused(invoke, world, "fiftyone", "fiftyone:")
    assert result.exit_code == 2
    assert "fiftyone:NAME" in result.stderr


def test_what_was_imported_before_says_how_to_change_it(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """A person who changed their mind since is told that the later answer stands."""
    path = denied(world, tmp_path)
    arguments = ["import", "csv", path, "--reviewer", "eve", "--data", world.workspace.root]
    assert invoke(*arguments).exit_code == 0
    later = [
        cases.decided(clip, "yes", (), reviewer="eve", number=50 + i)
        for i, clip in enumerate(world.clips)
    ]
    future = [
        Event(**{n: getattr(e, n) for n in Event.__dataclass_fields__}
              | {"time": e.time.replace(year=2035)}) for e in later
    ]  # fmt: skip
    append_events(world.workspace.annotations_log, future)
    result = invoke(*arguments)
    assert result.exit_code == 0
    assert "4 ignored, imported before" in result.stderr
    assert "what was said since stands; `vggss verify`" in result.stderr


def test_a_project_that_went_out_after_boxes_alone_comes_back_unchanged(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """It went out with the decision that stood then, also if it is another today."""
    clip = world.clips[0]
    moved = (EventBox(Box(0.25, 0.25, 0.5, 0.5)),)
    append_events(
        world.workspace.annotations_log,
        [cases.decided(clip, "unseen", moved, reviewer="ann", number=60, minute=1)],
    )
    path = world.export("coco", tmp_path)
    image = next(i for i in json.loads(path.read_text())["images"] if i["clip_id"] == clip.clip_id)
    assert image["decision"] == "yes"
    arguments = ["import", "coco", path, "--reviewer", "eve", "--json", "-"]
    arguments += ["--data", str(world.workspace.root)]
    assert json.loads(invoke(*arguments).stdout)["events"] == 0
    append_events(
        world.workspace.annotations_log,
        [cases.decided(clip, "no", moved, reviewer="bob", number=61, minute=2)],
    )
    assert json.loads(invoke(*arguments).stdout)["events"] == 0
    state = fold(read_events(world.workspace.annotations_log))[clip.clip_id]
    assert state.classes[clip.label].decision == "no"
