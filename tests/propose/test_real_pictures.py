"""Real photographs with a real network's detections, of tests/assets/make_real_pictures.py."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import pandas as pd
import pytest
from click.testing import Result

from vggss_tools.boxes import Box, iou
from vggss_tools.workspace import Workspace

FOLDER = os.environ.get("VGGSS_REAL_PICTURES")
pytestmark = pytest.mark.skipif(
    not FOLDER,
    reason="VGGSS_REAL_PICTURES is not set: make them with tests/assets/make_real_pictures.py",
)

# Where the thing is, as a person reads it off the picture: pixel edges of the whole frame.
EXPECTED = {
    "darknet_dog_000000": ("Dog", (122, 216, 325, 552)),
    "darknet_person_000000": ("Person", (188, 100, 272, 372)),
    "farm_cow_000000": ("Cattle", (236, 278, 925, 690)),
    "farm_dog_000000": ("Dog", (15, 22, 938, 750)),
    "farm_cat_000000": ("Cat", (196, 116, 1022, 536)),
}


@pytest.fixture(scope="module")
def proposed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The pictures after one run of the command."""
    from click.testing import CliRunner

    from vggss_tools.cli import group

    assert FOLDER is not None
    data = tmp_path_factory.mktemp("real") / "data"
    source = Workspace(Path(FOLDER) / "data")
    shutil.copytree(source.root / "frames", data / "frames")
    shutil.copy(source.clips_table, data)
    detector = f"boxes:{FOLDER}/detections.json"
    line = ["propose-boxes", "--data", str(data), "--detector", detector, "--json"]
    result = CliRunner().invoke(group, line, prog_name="vggss")
    assert result.exit_code == 0, result.output
    assert sum(json.loads(result.stdout)["outcomes"].values()) == 20
    return Workspace(data)


@pytest.mark.parametrize("clip_id", EXPECTED)
def test_the_thing_that_sounds_is_kept_and_nothing_else(proposed: Workspace, clip_id: str) -> None:
    """Dog -> dog barking, cattle -> cow lowing, person -> speech, at IoU 0.8."""
    name, pixels = EXPECTED[clip_id]
    frame = cv2.imread(str(proposed.frame_path(clip_id)))
    assert frame is not None
    height, width = frame.shape[:2]
    truth = Box.from_pixels(*pixels, width=width, height=height)
    table = pd.read_parquet(proposed.proposals_table)
    kept = table[(table.clip_id == clip_id) & table.kept]
    assert kept.detector_class.tolist() == [name]
    assert iou(Box(*kept[["xmin", "ymin", "xmax", "ymax"]].iloc[0]), truth) >= 0.8


def test_bands_are_persons_who_sing(proposed: Workspace) -> None:
    """Musicians become candidates, most frames keep some, and nothing but persons is kept."""
    table = pd.read_parquet(proposed.proposals_table)
    band = table[table.clip_id.str.startswith("band_")]
    assert set(band[band.kept].detector_class) == {"Person"}
    assert set(band[band.kept].sound_class) == {"male singing"}
    assert band[band.kept].clip_id.nunique() >= 5
    assert table[table.kept & (table.clip_id == "music_ireland_000000")].shape[0] == 3
    orchestra = table[table.kept & (table.clip_id == "music_orchestra_000000")]
    assert orchestra.shape[0] == 1  # one box over the players, or the one that is sure


def test_what_the_network_does_not_know_is_no_candidate(proposed: Workspace) -> None:
    """It has no sheep and no horse, and takes neither for another animal's sound."""
    outcomes = pd.read_parquet(proposed.root / "proposal_outcomes.parquet").set_index("clip_id")
    for clip_id in ("farm_sheep_000000", "darknet_horses_000000"):
        assert outcomes.outcome[clip_id] == "no-candidate"
        assert outcomes.why[clip_id] == "no detector class matches"


def test_each_can_be_explained(
    proposed: Workspace, tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """The pictures are drawn, whatever their size and kind."""
    for clip_id in (*EXPECTED, "music_orchestra_000000", "band_000027"):
        out = tmp_path / f"{clip_id}.png"
        detector = f"boxes:{FOLDER}/detections.json"
        line = ("propose-boxes", "--data", proposed.root, "--detector", detector)
        assert invoke(*line, "--explain", clip_id, "--out", out).exit_code == 0
        assert cv2.imread(str(out)) is not None
