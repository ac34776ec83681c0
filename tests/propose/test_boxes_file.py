"""Detections made elsewhere: `boxes:FILE`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from vggss_tools.boxes import Box
from vggss_tools.clips import Clip, write_clips
from vggss_tools.errors import ClipFailure, InvalidInput, VggssError
from vggss_tools.propose.detector import ClipDetector, describe_detector, load_detector
from vggss_tools.propose.proposals import Proposal, write_proposals
from vggss_tools.workspace import Workspace

CLIPS = ("a_000001", "b_000002", "c_000003")
DOG = {"image_id": "a_000001", "category": "Dog", "bbox": [10, 20, 30, 40], "score": 0.9}
CAT = {"image_id": "b_000002", "category": "Cat", "bbox": [0, 0, 50, 50], "score": 0.4}
COCO = {
    "images": [
        {"id": 7, "file_name": "frames/a_000001.jpg", "width": 200, "height": 100},
        {"id": 8, "file_name": "b_000002.jpg", "width": 100, "height": 100},
    ],
    "categories": [{"id": 18, "name": "Dog"}, {"id": 17, "name": "Cat"}],
}


def save(path: Path, value: Any) -> str:
    """Write a file of detections and return the detector's name."""
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return f"boxes:{path}"


def open_file(detector: str) -> ClipDetector:
    loaded = load_detector(detector)
    assert isinstance(loaded, ClipDetector)
    return loaded


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Three frames of 200 x 100 pixels, one of them of a class that nothing matches."""
    workspace = Workspace.create(tmp_path / "data")
    labels = ("dog barking", "cat meowing", "dog barking")
    clips = [Clip(clip, label, "test") for clip, label in zip(CLIPS, labels, strict=True)]
    write_clips(workspace.clips_table, clips)
    for clip in CLIPS:
        path = workspace.frame_path(clip)
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), np.full((100, 200, 3), 80, np.uint8))
    return workspace


def test_results_take_their_sizes_from_the_frames(tmp_path: Path) -> None:
    """Pixels become fractions; the best score comes first; a clip may have nothing."""
    weak = {**DOG, "bbox": [0, 0, 200, 100], "score": 0.5}
    detector = open_file(save(tmp_path / "r.json", [weak, DOG, CAT]))
    assert detector.needs_frames
    assert detector.card.classes == ("Cat", "Dog")
    strong, other = detector.detections_of("a_000001", (200, 100))
    assert (strong.box, strong.label, strong.score) == (Box(0.05, 0.2, 0.2, 0.6), "Dog", 0.9)
    assert other.box == Box(0, 0, 1, 1)
    assert detector.detections_of("c_000003", (200, 100)) == []


def test_a_coco_file_names_images_and_categories(tmp_path: Path) -> None:
    """Numbers are looked up; an image without a detection was looked at, another was not."""
    results = [{"image_id": 7, "category_id": 18, "bbox": [10, 20, 30, 40], "score": 0.9}]
    coco = tmp_path / "coco, of mine.json"
    coco.write_text(json.dumps(COCO))
    (tmp_path / "r.json").write_text(json.dumps(results))
    # The part after the last comma is the COCO file, so its own name must not have one.
    coco = coco.rename(tmp_path / "coco.json")
    detector = open_file(f"boxes:{tmp_path / 'r.json'},{coco}")
    assert not detector.needs_frames
    assert detector.card.classes == ("Dog", "Cat")
    (dog,) = detector.detections_of("a_000001", None)
    assert dog.box == Box(0.05, 0.2, 0.2, 0.6)
    assert detector.detections_of("b_000002", None) == []
    with pytest.raises(ClipFailure, match="has no image of c_000003"):
        detector.detections_of("c_000003", None)
    whole = {**COCO, "annotations": results}
    alone = open_file(save(tmp_path / "whole.json", whole))
    assert alone.detections_of("a_000001", None) == [dog]


def test_a_table_is_taken_without_its_regions(tmp_path: Path) -> None:
    """`proposals.parquet` of an earlier run serves; what was drawn over instances is no object."""
    dog = Proposal("a_000001", Box(0.1, 0.2, 0.3, 0.4), "Dog", 0.9, "dog barking", 1.0, "mine")
    region = Proposal(
        "a_000001", Box(0, 0, 1, 1), "Dog", 0.9, "dog barking", 1.0, "mine", True,
        "region over 5 instances",
    )  # fmt: skip
    path = tmp_path / "proposals.parquet"
    write_proposals(path, [dog, region])
    detector = open_file(f"boxes:{path}")
    assert not detector.needs_frames
    assert [d.box for d in detector.detections_of("a_000001", None)] == [dog.box]


def test_the_content_counts_and_not_the_name(tmp_path: Path) -> None:
    """The fingerprint changes with the content of either file."""
    first = describe_detector(save(tmp_path / "r.json", [DOG])).fingerprint
    assert describe_detector(save(tmp_path / "s.json", [DOG])).fingerprint == first
    assert describe_detector(save(tmp_path / "r.json", [CAT])).fingerprint != first
    coco = tmp_path / "coco.json"
    save(tmp_path / "r.json", [{**DOG, "image_id": 7}])
    save(coco, COCO)
    both = f"boxes:{tmp_path / 'r.json'},{coco}"
    before = describe_detector(both).fingerprint
    save(coco, {**COCO, "images": COCO["images"][:1]})
    assert describe_detector(both).fingerprint != before


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "neither JSON nor Parquet"),
        ("[" * 100_000, "neither JSON nor Parquet"),
        ("PAR1 and no more", "not a readable Parquet file"),
        ("3", "not COCO results, which are a list"),
        ({}, "neither COCO results"),
        ([], "no detection and no category"),
        ([3], r"entry 0: 3 is not an object"),
        ([DOG, {**DOG, "bbox": [1, 2, 3]}], r"entry 1 \(a_000001\): bbox \[1, 2, 3\] is not"),
        ([{**DOG, "bbox": [1, 2, True, 4]}], "is not .x, y, width, height. in pixels"),
        ('[{"image_id": "a", "category": "Dog", "bbox": [NaN, 0, 1, 1], "score": 1}]', "bbox"),
        ('[{"image_id": "a", "category": "Dog", "bbox": [1e999, 0, 1, 1], "score": 1}]', "bbox"),
        ([{**DOG, "bbox": [10**400, 0, 1, 1]}], "bbox"),
        ([{**DOG, "score": 1.5}], "score 1.5 is not a number from 0 to 1"),
        ([{**DOG, "score": "high"}], "score 'high' is not"),
        ([{**DOG, "score": None}], "score None is not"),
        ([{**DOG, "image_id": 4}], r"image_id 4 is not a clip's id.*boxes:RESULTS.json,COCO.json"),
        ([{**DOG, "image_id": ["a"]}], "is not a clip's id"),
        ([{**DOG, "category": None, "category_id": 3}], "category_id 3 has no name"),
        ([{**DOG, "category": {"a": 1}}], "category_id None has no name"),
        ({**COCO, "annotations": [{**DOG, "image_id": [7]}]}, "is not among the images"),
        ({**COCO, "annotations": [{**DOG, "image_id": 9}]}, "is not among the images"),
        ({**COCO, "annotations": [], "images": [{}]}, "image 0: {} has no id"),
        ({**COCO, "annotations": [], "categories": ["Dog"]}, "category 0: 'Dog' has no id and"),
        ({**COCO, "annotations": [], "images": [{"id": 1}]}, "file_name 1 names no clip"),
        (
            {**COCO, "annotations": [], "images": [{"id": "a", "width": 0, "height": 5}]},
            "is not a width and a height",
        ),
    ],
)
def test_hostile_files_are_one_line(tmp_path: Path, value: Any, message: str) -> None:
    """The line names the file and the entry."""
    detector = save(tmp_path / "r.json", value)
    with pytest.raises(InvalidInput, match=message) as caught:
        describe_detector(detector)
    assert "\n" not in caught.value.message
    assert "r.json" in caught.value.message


def test_hostile_tables_are_one_line(tmp_path: Path) -> None:
    """A column missing, a box outside of the frame, a score of nothing."""
    good = pd.DataFrame(
        [["a_000001", 0.1, 0.1, 0.2, 0.2, 0.5, "Dog"]],
        columns=["clip_id", "xmin", "ymin", "xmax", "ymax", "score", "detector_class"],
    )
    path = tmp_path / "t.parquet"
    for table, message in (
        (good.drop(columns="score"), "no column score; detections have clip_id"),
        (good.assign(xmax=1.5), r"row 0 \(a_000001\): .*leaves the frame"),
        (good.assign(xmin=None), r"row 0 \(a_000001\): .* are not four numbers"),
        (good.assign(score=np.nan), "score None is not a number"),
        (good.assign(detector_class=None), "no clip_id or no detector_class"),
        (good.assign(clip_id=3), "no clip_id or no detector_class"),
        (good.iloc[:0], "no detection and no category"),
    ):
        table.to_parquet(path)
        with pytest.raises(InvalidInput, match=message):
            describe_detector(f"boxes:{path}")


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """Nor one that is not named."""
    with pytest.raises(VggssError, match="name the file of detections"):
        describe_detector("boxes")
    with pytest.raises(VggssError, match="no such file of detections"):
        describe_detector(f"boxes:{tmp_path / 'none.json'}")
    name = save(tmp_path / "r.json", [DOG])
    with pytest.raises(VggssError, match=r"none\.json: no such file of detections"):
        describe_detector(f"{name},{tmp_path / 'none.json'}")


def test_the_command_takes_them(
    workspace: Workspace, tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """They become proposals as any detector's."""
    detector = save(tmp_path / "r.json", [DOG, CAT, {**DOG, "image_id": "c_000003"}])
    line = ("propose-boxes", "--data", workspace.root, "--detector", detector, "--json")
    result = invoke(*line)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["outcomes"] == {"auto": 2, "needs-manual": 1, "no-candidate": 0}
    table = pd.read_parquet(workspace.proposals_table)
    assert table.detector.tolist() == ["boxes"] * 3
    assert table.reason.tolist() == ["kept", "below score 0.5", "kept"]


def test_boxes_of_nothing_are_skipped_and_counted(
    workspace: Workspace, tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """One without an area or beside the frame is noted with its clip; the others count."""
    beside, flat = {**CAT, "bbox": [300, 0, 50, 50]}, {**CAT, "bbox": [1, 2, 0, 4]}
    turned = {**CAT, "bbox": [1, 2, -3.5, 4]}
    detector = save(tmp_path / "r.json", [DOG, beside, flat, turned, CAT])
    line = ("propose-boxes", "--data", workspace.root, "--detector", detector, "--json")
    result = invoke(*line)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["proposals"] == 2
    assert (
        "r.json: b_000002: 3 of 4 boxes skipped, which have no area or lie outside of the frame "
        "(the first: entry 1, [300, 0, 50, 50] in a frame of 200 x 100)"
    ) in result.stderr
    assert "a_000001: " not in result.stderr


def test_labels_that_are_no_classes_are_said_to_be_so(
    workspace: Workspace, tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """A slip in the clip table is not taken for a class without an object."""
    table = pd.read_parquet(workspace.clips_table)
    table["label"] = pd.Series(["dog barkin", None, "thunder"], dtype=object)
    table.to_parquet(workspace.clips_table)
    detector = save(tmp_path / "r.json", [CAT])
    result = invoke("propose-boxes", "--data", workspace.root, "--detector", detector)
    assert result.exit_code == 0, result.output
    assert "No detector class matches: thunder\n" in result.stderr
    assert "not classes of VGG-Sound, and match no detector class: null, 'dog barkin'" in (
        result.stderr
    )


def test_it_needs_no_torch(workspace: Workspace, tmp_path: Path, vggss: Callable[..., Any]) -> None:
    """The base install can bring in what others have detected."""
    detector = save(tmp_path / "r.json", [DOG])
    (tmp_path / "block").mkdir()
    (tmp_path / "block" / "torch.py").write_text("raise ImportError('blocked')")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path / 'block'}:{Path.cwd()}"}
    done = vggss("propose-boxes", "--data", workspace.root, "--detector", detector, env=environment)
    assert done.returncode == 0, done.stderr


def test_an_interrupted_run_looks_at_no_frame_twice(workspace: Workspace, tmp_path: Path) -> None:
    """What is recorded is not asked for again, however often the run is stopped."""
    from vggss_tools.propose.boxes_file import BoxesFile
    from vggss_tools.propose.stage import ProposeStage
    from vggss_tools.stages import run_stage

    clips = [Clip(f"x_{i:06d}", "dog barking", "test") for i in range(60)]
    for clip in clips:
        cv2.imwrite(str(workspace.frame_path(clip.clip_id)), np.zeros((10, 10, 3), np.uint8))
    detector = save(tmp_path / "r.json", [{**DOG, "image_id": clip.clip_id} for clip in clips])
    looked: list[str] = []

    class Stopping(BoxesFile):
        """Counts what it is asked, and stops the run at every 17th clip, as Ctrl-C does."""

        def detections_of(self, clip_id: str, frame_size: tuple[int, int] | None) -> list[Any]:
            if len(looked) % 17 == 16 and looked[-1] != "stopped":
                looked.append("stopped")
                raise KeyboardInterrupt
            looked.append(clip_id)
            return super().detections_of(clip_id, (100, 100))

    stops = 0
    for _ in range(10):
        stage = ProposeStage(workspace, detector=detector, frames_at_once=1)
        inner = open_file(detector)
        assert isinstance(inner, BoxesFile)
        stage._loaded = Stopping(inner.card, inner._content, inner.path)
        try:
            summary = run_stage(stage, clips, workspace, workers=0)
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops == 3
    assert summary.done + summary.skipped == len(clips)
    asked = [clip for clip in looked if clip != "stopped"]
    assert sorted(asked) == sorted(clip.clip_id for clip in clips)


def test_detections_of_other_clips_are_refused(
    workspace: Workspace, tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """A file in which no image is a clip would otherwise look like frames without objects."""
    detector = save(tmp_path / "r.json", [{**DOG, "image_id": "elsewhere"}])
    result = invoke("propose-boxes", "--data", workspace.root, "--detector", detector)
    assert result.exit_code == 6
    assert "none of its 1 images is a clip of this data directory (such as 'elsewhere')" in (
        result.stderr
    )
    assert not workspace.proposals_table.exists()
