"""``vggss release``: what it refuses, and a release after somebody moved a box."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import exchange_cases as cases
import pytest
from click.testing import Result

from vggss_tools.annotate.events import EventBox
from vggss_tools.annotate.log import append_events
from vggss_tools.boxes import Box

Invoke = Callable[..., Result]


@pytest.fixture
def world(tmp_path: Path) -> cases.SmallWorld:
    return cases.make_small_world(tmp_path / "data", 3)


@pytest.mark.parametrize("name", ["a/b", "..", ""])
def test_a_name_that_is_no_folder_is_a_wrong_command_line(
    name: str, world: cases.SmallWorld, invoke: Invoke
) -> None:
    """Exit code 2, and no release."""
    result = invoke("release", name, "--data", world.workspace.root)
    assert result.exit_code == 2
    assert "release name" in result.stderr
    assert not (world.workspace.root / "releases").exists()


def test_the_result_is_written_into_no_release_and_over_no_input(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Releases never change, by --json neither; nor does the file that is compared with."""
    root = world.workspace.root
    assert invoke("release", "v1", "--data", root).exit_code == 0
    first = root / "releases" / "v1"
    source = tmp_path / "vggss.json"
    source.write_bytes((first / "vggss.json").read_bytes())
    kept = {path: path.read_bytes() for path in [source, *first.iterdir()]}
    for options in (
        ["v1", "--json", first / "vggss.json"],
        ["v2", "--json", first / "release.json"],
        ["v2", "--out", tmp_path / "v2", "--json", tmp_path / "v2" / "release.json"],
        ["v2", "--out", tmp_path / "v2", "--against", first, "--json", first / "new.json"],
        ["v2", "--against", source, "--json", source],
        ["v2", "--against", source, "--out", source],
    ):
        result = invoke("release", *options, "--data", root)
        assert result.exit_code in (2, 6), options
        assert {path: path.read_bytes() for path in [source, *first.iterdir()]} == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "vggss.json"]


def test_a_clip_whose_box_somebody_moved_is_still_released(
    world: cases.SmallWorld, invoke: Invoke
) -> None:
    """Zoe said yes, and Ann, who decided nothing, moved a box: the clip has Ann's box."""
    clip = world.clips[0]
    box = Box(0.25, 0.25, 0.75, 0.75)
    append_events(
        world.workspace.annotations_log,
        [cases.decided(clip, "unseen", (EventBox(box),), reviewer="ann", number=9, minute=9)],
    )
    result = invoke("release", "v1", "--data", world.workspace.root)
    assert result.exit_code == 0, result.output
    path = world.workspace.release_dir("v1") / "vggss.json"
    released = {entry["file"]: entry["bbox"] for entry in json.loads(path.read_text())}
    assert len(released) == 3
    assert released[clip.clip_id] == [box.as_list()]
