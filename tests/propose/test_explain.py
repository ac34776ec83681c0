"""`vggss propose-boxes --explain`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result

from vggss_tools.clips import Clip, write_clips
from vggss_tools.propose.explain import CANDIDATE_COLOUR, KEPT_COLOUR, OTHER_COLOUR
from vggss_tools.workspace import Workspace

CLIP = "-a_000001"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A frame with a dog, a weak dog and a car, detected by somebody else."""
    workspace = Workspace.create(tmp_path / "data")
    other = Clip("b_000002", "dog barking", "test")
    write_clips(workspace.clips_table, [Clip(CLIP, "dog barking", "test"), other])
    path = workspace.frame_path(CLIP)
    path.parent.mkdir()
    cv2.imwrite(str(path), np.full((120, 200, 3), 40, np.uint8))
    rows = [
        {"image_id": CLIP, "category": name, "bbox": bbox, "score": score}
        for name, bbox, score in (
            ("Dog", [20, 40, 50, 60], 0.9),
            ("Dog", [90, 40, 30, 30], 0.4),
            ("Voiture", [140, 60, 40, 40], 0.8),
        )
    ]
    (tmp_path / "r.json").write_text(json.dumps(rows))
    return workspace


def explain(invoke: Callable[..., Result], workspace: Workspace, *options: str | Path) -> Result:
    detector = f"boxes:{workspace.root.parent / 'r.json'}"
    line = ("propose-boxes", "--data", workspace.root, "--detector", detector)
    return invoke(*line, *options)


def test_the_picture_shows_all_and_the_text_says_why(
    workspace: Workspace, invoke: Callable[..., Result], tmp_path: Path
) -> None:
    """Kept in green, matching in orange, others in grey; the table is not touched."""
    out = tmp_path / "why.png"
    result = explain(invoke, workspace, "--explain", CLIP, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    value = json.loads(result.stdout)
    assert (value["schema"], value["outcome"]) == ("vggss-explain/1", "auto")
    reasons = [box["reason"] for box in value["boxes"]]
    assert reasons == ["kept", "no match", "below score 0.5"]
    assert "1 Dog  0.90 x 1.00  kept" in result.stderr
    picture = cv2.imread(str(out))
    assert picture is not None
    assert picture.shape[1] >= 960
    frame = picture[: round(120 * 960 / 200)]
    for colour in (KEPT_COLOUR, CANDIDATE_COLOUR, OTHER_COLOUR):
        assert (frame == colour).all(axis=2).sum() > 200
    assert not workspace.proposals_table.exists()


def test_without_a_name_it_lies_in_the_data_directory(
    workspace: Workspace, invoke: Callable[..., Result]
) -> None:
    """And the run after it detects only the clips that are left."""
    cv2.imwrite(str(workspace.frame_path("b_000002")), np.zeros((8, 8, 3), np.uint8))
    assert explain(invoke, workspace, "--explain", CLIP).exit_code == 0
    assert (workspace.root / "explain" / f"{CLIP}.png").stat().st_size > 1000
    result = explain(invoke, workspace, "--json")
    assert (json.loads(result.stdout)["done"], json.loads(result.stdout)["skipped"]) == (1, 1)


def test_clips_that_cannot_be_explained_are_one_line(
    workspace: Workspace, invoke: Callable[..., Result], tmp_path: Path
) -> None:
    """An unknown clip, one without a frame, and a picture that cannot be written."""
    result = explain(invoke, workspace, "--explain", "nobody_000000")
    assert result.exit_code == 1
    assert "--explain nobody_000000: no such clip" in result.stderr
    result = explain(invoke, workspace, "--explain", "b_000002")
    assert result.exit_code == 1
    assert "run `vggss extract` first" in result.stderr
    result = explain(invoke, workspace, "--explain", CLIP, "--out", tmp_path / "why.jpg")
    assert result.exit_code == 2
    assert "the picture is a PNG" in result.stderr
    (tmp_path / "file").touch()
    result = explain(invoke, workspace, "--explain", CLIP, "--out", tmp_path / "file" / "a.png")
    assert result.exit_code == 1
    assert str(tmp_path / "file") in result.stderr
    assert not (workspace.root / "proposals").exists()
