"""``vggss import``: which answers become events, whose, and of which stage."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import exchange_cases as cases
import pytest
from click.testing import Result

from vggss_tools.annotate.events import Event, EventBox
from vggss_tools.annotate.fold import fold
from vggss_tools.annotate.formats.registry import FORMATS
from vggss_tools.annotate.log import append_events, read_events
from vggss_tools.boxes import Box

Invoke = Callable[..., Result]


@pytest.fixture
def world(tmp_path: Path) -> cases.SmallWorld:
    return cases.make_small_world(tmp_path / "data", 4)


def take(invoke: Invoke, world: cases.SmallWorld, *arguments: object) -> dict[str, Any]:
    """Import; return the JSON result."""
    result = invoke("import", *arguments, "--json", "-", "--data", world.workspace.root)
    assert result.exit_code == 0, result.output
    value: dict[str, Any] = json.loads(result.stdout)
    return value


def events_of(world: cases.SmallWorld) -> list[Event]:
    """Return the events that were added to the four that the world begins with."""
    return read_events(world.workspace.annotations_log)[len(world.clips) :]


def edit_rows(path: Path, change: Callable[[dict[str, str]], None]) -> None:
    """Change rows of a CSV file where it lies."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        change(row)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


# A review page hands back only what somebody answered.
@pytest.mark.parametrize("name", [n for n in cases.NAMES if n != cases.REVIEW_PAGE])
def test_what_was_not_changed_adds_nothing(
    name: str, world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """An export that comes straight back gives no event, and says so for each clip."""
    path = world.export(name, tmp_path)
    before = world.log()
    value = take(invoke, world, name, path, "--reviewer", "eve")
    assert value["schema"] == "vggss-import/1"
    assert (value["clips"], value["events"]) == (4, 0)
    assert {one["clip_id"] for one in value["ignored"]} == {clip.clip_id for clip in world.clips}
    assert {one["reason"] for one in value["ignored"]} == {"nothing was changed"}
    assert world.log() == before


@pytest.mark.parametrize("name", [n for n in cases.NAMES if n not in (cases.REVIEW_PAGE, "vggss")])
def test_every_format_brings_a_whole_log_into_an_empty_one(
    name: str, world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Boxes, which of them sound, and decisions arrive within the format's precision."""
    path = world.export(name, tmp_path)
    before = fold(read_events(world.workspace.annotations_log))
    world.workspace.annotations_log.unlink()
    assert take(invoke, world, name, path, "--reviewer", "eve")["events"] == 4
    after = fold(read_events(world.workspace.annotations_log))
    for clip in world.clips:
        old, new = (state[clip.clip_id].classes[clip.label].newest for state in (before, after))
        assert (new.decision, new.reviewer, new.stage) == (old.decision, "eve", "verify")
        assert [one.sounding for one in new.boxes] == [one.sounding for one in old.boxes]
        for one, other in zip(new.boxes, old.boxes, strict=True):
            for a, b in zip(one.box.as_list(), other.box.as_list(), strict=True):
                assert abs(a - b) * 64 <= FORMATS[name].precision + 1e-9


def test_the_published_format_brings_what_sounds(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Each entry is a yes; beside a log, the silent boxes that stand there are kept."""
    path = world.export("vggss", tmp_path)
    entries = json.loads(path.read_text())
    entries[0]["bbox"][0] = [0.0, 0.0, 0.25, 0.25]
    path.write_text(json.dumps(entries))
    assert take(invoke, world, "vggss", path, "--reviewer", "eve")["events"] == 1
    (event,) = events_of(world)
    before = fold(read_events(world.workspace.annotations_log)[:4])
    clip = next(clip for clip in world.clips if clip.clip_id == event.clip_id)
    stood = before[clip.clip_id].classes[clip.label]
    assert event.silent_boxes == stood.silent_boxes
    assert Box(0.0, 0.0, 0.25, 0.25) in event.sounding_boxes
    assert (event.stage, event.decision) == ("manual", "yes")


def test_boxes_make_a_manual_event_and_decisions_a_verified_one(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Moved boxes keep the decision; a decision keeps the boxes; the tool is named."""
    path = world.export("csv", tmp_path)
    moved, denied = world.clips[0].clip_id, world.clips[1].clip_id

    def change(row: dict[str, str]) -> None:
        if row["clip_id"] == moved and row["xmin"] == "0.125":
            row["xmin"] = "0.1875"
        if row["clip_id"] == denied:
            row["decision"] = "no"

    edit_rows(path, change)
    assert take(invoke, world, "csv", path, "--reviewer", "eve")["events"] == 2
    events = {event.clip_id: event for event in events_of(world)}
    assert (events[moved].stage, events[moved].decision) == ("manual", "yes")
    assert events[moved].boxes[0].box.xmin == 0.1875
    assert (events[denied].stage, events[denied].decision) == ("verify", "no")
    assert events[denied].boxes == read_events(world.workspace.annotations_log)[1].boxes
    assert {(event.reviewer, event.tool) for event in events.values()} == {
        ("eve", "vggss import csv")
    }


def test_a_file_that_is_imported_again_adds_nothing(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Not at once, and not after another person has corrected the same clip."""
    path = world.export("csv", tmp_path)
    edit_rows(path, lambda row: row.update(decision="no"))
    assert take(invoke, world, "csv", path, "--reviewer", "eve")["events"] == 4
    assert take(invoke, world, "csv", path, "--reviewer", "eve")["events"] == 0
    later = cases.decided(world.clips[0], "not_sure", (), reviewer="bob", minute=9)
    later = Event(**{**_fields(later), "time": events_of(world)[-1].time.replace(year=2030)})
    append_events(world.workspace.annotations_log, [later])
    assert take(invoke, world, "csv", path, "--reviewer", "eve")["events"] == 0
    state = fold(read_events(world.workspace.annotations_log))[world.clips[0].clip_id]
    assert state.classes[world.clips[0].label].decision == "not_sure"


def _fields(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in Event.__dataclass_fields__}


def test_what_a_person_left_alone_takes_nothing_back(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """A project that went out before somebody's correction does not undo it."""
    path = world.export("coco", tmp_path)
    corrected = cases.decided(world.clips[2], "no", (), reviewer="bob", minute=5)
    append_events(world.workspace.annotations_log, [corrected])
    value = take(invoke, world, "coco", path, "--reviewer", "eve")
    assert value["events"] == 0


def test_without_knowing_what_went_out_today_is_what_counts(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """A table of a stranger's has no last event: it is compared with what stands."""
    path = world.export("csv", tmp_path)
    edit_rows(path, lambda row: row.__delitem__("last_event"))
    assert take(invoke, world, "csv", path, "--reviewer", "eve")["events"] == 0


def test_a_dry_run_says_what_would_be_and_adds_nothing(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """The result is that of the import; the log is as before."""
    path = world.export("csv", tmp_path)
    edit_rows(path, lambda row: row.update(decision="no"))
    before = world.log()
    value = take(invoke, world, "csv", path, "--reviewer", "eve", "--dry-run")
    assert (value["events"], value["dry_run"]) == (4, True)
    assert world.log() == before


def test_an_answer_of_nobody_is_refused(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Where neither file nor option names a person, one line asks for it."""
    path = world.export("csv", tmp_path)
    edit_rows(path, lambda row: row.update(decision="no"))
    before = world.log()
    result = invoke("import", "csv", path, "--data", world.workspace.root)
    assert result.exit_code == 6
    assert "--reviewer NAME" in result.stderr
    assert world.log() == before


def test_the_files_own_name_counts_before_the_option(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Rows that name somebody are theirs; a decision under a name counts also where it agrees."""
    path = world.export("csv", tmp_path)
    named = world.clips[0].clip_id

    def change(row: dict[str, str]) -> None:
        row["reviewer"] = "ada" if row["clip_id"] == named else ""
        if row["clip_id"] == world.clips[1].clip_id:
            row["decision"] = "no"

    edit_rows(path, change)
    take(invoke, world, "csv", path, "--reviewer", "eve")
    assert [(event.reviewer, event.decision) for event in events_of(world)] == [
        ("ada", "yes"),
        ("eve", "no"),
    ]


def test_a_stand_in_is_no_person(world: cases.SmallWorld, tmp_path: Path, invoke: Invoke) -> None:
    """The sample world's own name in a file does not make an answer its own."""
    path = world.export("csv", tmp_path)
    edit_rows(path, lambda row: row.update(decision="no", reviewer="sample-world"))
    take(invoke, world, "csv", path, "--reviewer", "eve")
    assert {event.reviewer for event in events_of(world)} == {"eve"}


def test_two_reviewers_of_one_assignment_both_count(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """A folder of their projects gives each person's own opinion, also where they agree."""
    out = tmp_path / "out"
    result = invoke(
        "export", "via2", "--out", out, "--assign", "ada,bob", "--overlap", 2,
        "--data", world.workspace.root,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    for name, decision in (("ada", "yes"), ("bob", "no")):
        project = out / f"via2--{name}.json"
        value = json.loads(project.read_text())
        for number, image in enumerate(value["_via_img_metadata"].values()):
            image["file_attributes"]["decision"] = "yes" if number else decision
        project.write_text(json.dumps(value))
    assert take(invoke, world, "via2", out)["events"] == 8
    assert take(invoke, world, "via2", out)["events"] == 0
    states = fold(read_events(world.workspace.annotations_log))
    opinions = [
        {name: str(event.decision) for name, event in state.classes[clip.label].opinions.items()}
        for clip in world.clips
        for state in [states[clip.clip_id]]
    ]
    assert sorted(map(str, opinions)) == sorted(
        map(
            str,
            [{"ada": "yes", "bob": "no", "zoe": "yes"}]
            + [{"ada": "yes", "bob": "yes", "zoe": "yes"}] * 3,
        )
    )


def test_one_person_cannot_say_two_things_at_once(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Two projects in a folder that contradict each other are refused with both places."""
    out = tmp_path / "out"
    out.mkdir()
    path = world.export("csv", tmp_path)
    for name, decision in (("a.csv", "no"), ("b.csv", "not_sure")):
        edit_rows(path, lambda row, d=decision: row.update(decision=d))  # type: ignore[misc]
        (out / name).write_bytes(path.read_bytes())
    before = world.log()
    result = invoke("import", "csv", out, "--reviewer", "eve", "--data", world.workspace.root)
    assert result.exit_code == 6
    assert "b.csv: line 2" in result.stderr
    assert "a.csv: line 2" in result.stderr
    assert world.log() == before
    (out / "b.csv").write_bytes((out / "a.csv").read_bytes())
    value = take(invoke, world, "csv", out, "--reviewer", "eve")
    assert value["events"] == 4
    assert "said already" in value["ignored"][0]["reason"]


def test_boxes_that_did_not_move_keep_their_numbers(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """One box dragged in a tool that keeps few decimals leaves the other to the last digit."""
    path = world.export("via2", tmp_path)
    value = json.loads(path.read_text())
    image = next(iter(value["_via_img_metadata"].values()))
    clip_id = next(clip.clip_id for clip in world.clips if clip.clip_id in image["filename"])
    for number, region in enumerate(image["regions"]):
        shape = region["shape_attributes"]
        for key in ("x", "y", "width", "height"):
            shape[key] = round(shape[key] + 0.2, 1)
        if number == 0:
            shape["x"] += 5
    path.write_text(json.dumps(value))
    stood = fold(read_events(world.workspace.annotations_log))[clip_id]
    before = next(iter(stood.classes.values())).newest.boxes
    assert take(invoke, world, "via2", path, "--reviewer", "eve")["events"] == 1
    (event,) = events_of(world)
    assert before[1] in event.boxes
    assert before[0] not in event.boxes


def test_removing_all_boxes_is_an_answer(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """A COCO image without annotations has no boxes; one that is not in the file says nothing."""
    path = world.export("coco", tmp_path)
    value = json.loads(path.read_text())
    first, *_, last = value["images"]
    value["annotations"] = [a for a in value["annotations"] if a["image_id"] != first["id"]]
    value["images"] = [image for image in value["images"] if image is not last]
    value["annotations"] = [a for a in value["annotations"] if a["image_id"] != last["id"]]
    path.write_text(json.dumps(value))
    assert take(invoke, world, "coco", path, "--reviewer", "eve")["events"] == 1
    (event,) = events_of(world)
    assert (event.clip_id, event.boxes) == (first["clip_id"], ())


def test_coco_of_tools_that_keep_its_own_keys_alone_is_read(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Without our keys the clip is told by its file's name, and every box sounds."""
    path = world.export("coco", tmp_path)
    value = json.loads(path.read_text())
    for image in value["images"]:
        for key in ("clip_id", "decision", "last_event", "last_reviewer", "split"):
            del image[key]
    for annotation in value["annotations"]:
        del annotation["sounding"]
    path.write_text(json.dumps(value))
    assert take(invoke, world, "coco", path, "--reviewer", "eve")["events"] == 2
    assert all(not event.silent_boxes for event in events_of(world))
    assert {str(event.decision) for event in events_of(world)} == {"yes"}


def test_the_published_file_comes_in_without_its_documented_errors(
    reference_data: Path, tmp_path: Path, invoke: Invoke
) -> None:
    """5,158 clips, 18 broken boxes and two clips that are left out, each of them named."""
    from vggss_tools.annotate.vggss_json import read_vggss_json
    from vggss_tools.clips import Clip, write_clips
    from vggss_tools.workspace import Workspace

    source = reference_data / "vggss" / "vggss.json"
    workspace = Workspace.create(tmp_path / "data")
    entries = read_vggss_json(source).entries
    write_clips(workspace.clips_table, [Clip(e.file, e.label, "test") for e in entries])
    world = cases.SmallWorld(workspace, [])
    value = take(invoke, world, "vggss", source, "--reviewer", "published")
    assert (value["clips"], value["events"], len(value["ignored"])) == (5158, 5156, 18)
    assert sum(len(event.boxes) for event in events_of(world)) == 5941 - 18
    assert take(invoke, world, "vggss", source, "--reviewer", "published")["events"] == 0


def test_a_project_made_of_a_published_file_is_compared_with_what_stands(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """After that file was imported, what nobody touched in the project adds nothing."""
    source = world.export("vggss", tmp_path)
    world.workspace.annotations_log.unlink()
    assert take(invoke, world, "vggss", source, "--reviewer", "published")["events"] == 4
    out = tmp_path / "coco.json"
    arguments = ["--from", source, "--data", world.workspace.root]
    assert invoke("export", "coco", "--out", out, *arguments).exit_code == 0
    assert take(invoke, world, "coco", out, "--reviewer", "eve")["events"] == 0
    value = json.loads(out.read_text())
    value["images"][0]["decision"] = "no"
    out.write_text(json.dumps(value))
    assert take(invoke, world, "coco", out, "--reviewer", "eve")["events"] == 1


@pytest.mark.parametrize("name", ["csv", "webdataset", "fiftyone"])
def test_what_is_not_there_gives_one_line(
    name: str, world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """A path that leads nowhere, and a folder without a project."""
    result = invoke("import", name, tmp_path / "nowhere", "--data", world.workspace.root)
    assert result.exit_code == 1
    assert "no such file" in result.stderr
    empty = tmp_path / "empty"
    empty.mkdir()
    result = invoke("import", name, empty, "--data", world.workspace.root)
    assert result.exit_code in (1, 6)
    assert len(result.stderr.splitlines()) == 1


def test_sounding_can_be_switched_alone(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """A box that turns out silent is a change of the boxes."""
    path = world.export("csv", tmp_path)
    clip = world.clips[0].clip_id

    def change(row: dict[str, str]) -> None:
        if row["clip_id"] == clip:
            row["sounding"] = "false"

    edit_rows(path, change)
    assert take(invoke, world, "csv", path, "--reviewer", "eve")["events"] == 1
    (event,) = events_of(world)
    assert event.boxes == tuple(
        EventBox(one.box, False) for one in read_events(world.workspace.annotations_log)[0].boxes
    )
