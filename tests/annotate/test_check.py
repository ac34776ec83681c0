"""``vggss check``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import Result

from vggss_tools.annotate.events import AnnotationStage, Decision, EventBox, new_event
from vggss_tools.annotate.log import append_events
from vggss_tools.boxes import Box
from vggss_tools.clips import Clip, write_clips
from vggss_tools.workspace import Workspace

Invoke = Callable[..., Result]

CLIP = "aaaaaaaaaaa_000001"
DOG = Box(0.1, 0.2, 0.5, 0.75)


def annotated(
    root: Path,
    boxes: list[Box],
    *,
    label: str = "dog barking",
    stage: AnnotationStage = AnnotationStage.MANUAL,
    decision: Decision = Decision.YES,
    silent: Box | None = None,
) -> Workspace:
    """Make a data directory with one annotated clip and its frame."""
    workspace = Workspace.create(root)
    write_clips(workspace.clips_table, [Clip(CLIP, label, "test")])
    items = [EventBox(box) for box in boxes] + ([EventBox(silent, False)] if silent else [])
    event = new_event(CLIP, label, decision, items, stage=stage, reviewer="ann", tool="test")
    append_events(workspace.annotations_log, [event])
    workspace.frame_path(CLIP).parent.mkdir()
    cv2.imwrite(str(workspace.frame_path(CLIP)), np.full((90, 160, 3), 128, np.uint8))
    return workspace


def checked(invoke: Invoke, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    result = invoke("check", *arguments, "--json", "-")
    value = json.loads(result.stdout)
    assert value["schema"] == "vggss-check/1"
    return result.exit_code, value


def row_of(number: int) -> list[Box]:
    return [Box(i / 10, 0.1, i / 10 + 0.09, 0.9) for i in range(number)]


@pytest.mark.parametrize(
    ("boxes", "label", "stage", "rules"),
    [
        ([DOG], "dog barking", "auto", []),
        (row_of(4), "dog barking", "manual", []),
        (row_of(5), "dog barking", "manual", ["too_many_boxes"]),
        ([DOG, Box(0.1, 0.2, 0.5, 0.5)], "dog barking", "manual", ["not_separable"]),
        ([Box(0.5, 0.5, 0.55, 0.55)], "dog barking", "manual", ["small_box"]),
        ([DOG], "mouse clicking", "manual", ["removed_class"]),
        ([DOG], "playing table tennis", "auto", ["interaction"]),
        ([DOG], "playing table tennis", "verify", []),
    ],
)
def test_each_rule(
    boxes: list[Box], label: str, stage: str, rules: list[str], invoke: Invoke, tmp_path: Path
) -> None:
    """What is broken is named with its clip; nothing else is."""
    workspace = annotated(tmp_path, boxes, label=label, stage=AnnotationStage(stage))
    code, value = checked(invoke, "--data", workspace.root)
    assert [(f["clip_id"], f["rule"]) for f in value["findings"]] == [(CLIP, r) for r in rules]
    assert value["counts"] == dict.fromkeys(rules, 1)
    assert code == (6 if rules else 0)


def test_silent_boxes_and_clips_that_say_no_are_not_checked(invoke: Invoke, tmp_path: Path) -> None:
    """The rules are about what makes the sound."""
    tiny = Box(0.5, 0.5, 0.55, 0.55)
    one = annotated(tmp_path / "one", [DOG], silent=tiny)
    assert checked(invoke, "--data", one.root)[0] == 0
    two = annotated(tmp_path / "two", [tiny], decision=Decision.NO)
    assert checked(invoke, "--data", two.root)[1]["n_clips"] == 0


def test_rules_of_ones_own(invoke: Invoke, tmp_path: Path) -> None:
    """Another file of rules finds other things."""
    workspace = annotated(tmp_path / "d", [DOG])
    rules = tmp_path / "rules.yaml"
    rules.write_text("schema: vggss-box-rules/1\nmin_area: 0.5\n", encoding="utf-8")
    _, value = checked(invoke, "--data", workspace.root, "--rules", rules)
    assert value["counts"] == {"small_box": 1}


def test_the_page_shows_each_violation_on_its_frame(invoke: Invoke, tmp_path: Path) -> None:
    """A picture with the boxes drawn, or a word that there is no frame."""
    workspace = annotated(tmp_path / "d", row_of(5))
    for name, pictures in (("with", 1), ("without", 0)):
        out = tmp_path / name
        assert invoke("check", "--data", workspace.root, "--out", out).exit_code == 6
        html = (out / "index.html").read_text(encoding="utf-8")
        assert "too_many_boxes" in html
        assert CLIP in html
        assert ("no frame" in html) == (pictures == 0)
        found = list(out.glob("pictures/*.jpg"))
        assert len(found) == pictures
        for picture in found:
            image = cv2.imread(str(picture))
            assert image is not None
            assert (image[:, :, 2] > 200).sum() > 500
        workspace.frame_path(CLIP).unlink(missing_ok=True)


def test_a_folder_with_files_is_left_alone(invoke: Invoke, tmp_path: Path) -> None:
    """The page never mixes with what is there."""
    workspace = annotated(tmp_path / "d", row_of(5))
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine", encoding="utf-8")
    result = invoke("check", "--data", workspace.root, "--out", out)
    assert result.exit_code == 1
    assert "not empty" in result.stderr
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_nothing_to_check_is_one_line(invoke: Invoke, tmp_path: Path) -> None:
    """Neither clips nor annotations, and both FILE and --split."""
    workspace = Workspace.create(tmp_path)
    for arguments in (["--data", tmp_path], ["none.json"], ["none.json", "--split", "test"]):
        result = invoke("check", *arguments)
        assert result.exit_code in (1, 2)
        assert len(result.stderr.strip().splitlines()) <= 4
    write_clips(workspace.clips_table, [Clip(CLIP, "dog barking", "test")])
    assert "no annotations" in invoke("check", "--data", tmp_path).stderr


def test_the_published_file(invoke: Invoke, reference_data: Path) -> None:
    """Clips of five boxes and more, as counted before; no removed class is there."""
    _, value = checked(invoke, reference_data / "vggss" / "vggss.json")
    assert value["n_clips"] == 5158
    assert value["counts"]["too_many_boxes"] == 23
    assert "removed_class" not in value["counts"]
    assert "interaction" not in value["counts"]


def test_files_that_are_read_are_never_written_over(invoke: Invoke, tmp_path: Path) -> None:
    """--json is neither the checked file nor the rules."""
    workspace = annotated(tmp_path / "d", [DOG])
    file = tmp_path / "boxes.json"
    file.write_text(json.dumps([{"file": CLIP, "class": "dog barking", "bbox": [DOG.as_list()]}]))
    rules = tmp_path / "rules.yaml"
    rules.write_text("schema: vggss-box-rules/1\nmin_area: 0.5\n", encoding="utf-8")
    for read in (file, rules):
        before = read.read_bytes()
        result = invoke("check", file, "--rules", rules, "--json", read, "--data", workspace.root)
        assert result.exit_code == 6
        assert "give --json another name" in result.stderr
        assert read.read_bytes() == before


def test_the_last_line_says_where_the_page_is(invoke: Invoke, tmp_path: Path) -> None:
    """--out is advised only where it was not given."""
    workspace = annotated(tmp_path / "d", row_of(5))
    assert "with --out DIR" in invoke("check", "--data", workspace.root).stderr
    result = invoke("check", "--data", workspace.root, "--out", tmp_path / "out")
    assert "--out DIR" not in result.stderr
    assert f"look at {tmp_path / 'out'}" in result.stderr
