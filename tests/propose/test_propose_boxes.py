"""`vggss propose-boxes` on frames of the sample world, with the weights that come with it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from vggss_tools.boxes import Box, match_boxes
from vggss_tools.cli import group
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.propose.detector import choose_device, describe_detector, load_detector
from vggss_tools.propose.sample_weights import SHIPPED, card_path
from vggss_tools.sample.build import WORLD_FILE
from vggss_tools.sample.world import BENCHMARK_FRAME, CLASSES, Scene, make_scene
from vggss_tools.workspace import Workspace

torch = pytest.importorskip("torch", reason="detectors need the extra `models`")

Invoke = Callable[..., Result]
SEED = 2  # of no training, and not held out by one
N_SCENES = 24


def propose(workspace: Workspace, *options: str) -> tuple[Result, dict]:
    """Run the command in this process, with the sample detector; its result and its JSON."""
    from click.testing import CliRunner

    arguments = ["propose-boxes", "--data", str(workspace.root), "--json", *options]
    if "--detector" not in options:
        arguments += ["--detector", "sample"]
    result = CliRunner().invoke(group, arguments, prog_name="vggss")
    return result, json.loads(result.stdout) if result.stdout else {}


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [make_scene(SEED, "test", index) for index in range(N_SCENES)]


@pytest.fixture(scope="module")
def frames(scenes: list[Scene], tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A data directory with clip table and frames, as `vggss extract` leaves it."""
    from vggss_tools.clips import write_clips

    workspace = Workspace.create(tmp_path_factory.mktemp("frames"))
    write_clips(workspace.clips_table, [scene.clip for scene in scenes])
    for scene in scenes:
        path = workspace.frame_path(scene.clip.clip_id)
        path.parent.mkdir(exist_ok=True)
        image = scene.render(BENCHMARK_FRAME)[..., ::-1]
        cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return workspace


@pytest.fixture(scope="module")
def proposed(frames: Workspace) -> tuple[Workspace, dict]:
    """The same after one run, and what the run said. Not to be changed."""
    result, summary = propose(frames)
    assert result.exit_code == 0, result.output
    return frames, summary


@pytest.fixture
def workspace(proposed: tuple[Workspace, dict], tmp_path: Path) -> Workspace:
    """A copy of the proposed data directory, to be changed."""
    shutil.copytree(proposed[0].root, tmp_path / "data")
    return Workspace(tmp_path / "data")


def test_what_sounds_is_found(proposed: tuple[Workspace, dict], scenes: list[Scene]) -> None:
    """On unseen scenes most sounding objects have a candidate, and most candidates are right."""
    table = pd.read_parquet(proposed[0].proposals_table)
    right = found = there = 0
    for scene in scenes:
        rows = table[
            (table.clip_id == scene.clip.clip_id) & (table.sound_class == scene.clip.label)
        ]
        candidates = [Box(*row) for row in rows[["xmin", "ymin", "xmax", "ymax"]].to_numpy()]
        truth = [t.box for t in scene.boxes(BENCHMARK_FRAME) if t.sounding]
        right += len(match_boxes(candidates, truth))
        found += len(candidates)
        there += len(truth)
    assert right / there >= 0.8
    assert right / found >= 0.8


def test_silent_objects_stay_in_the_table(
    proposed: tuple[Workspace, dict], scenes: list[Scene]
) -> None:
    """Sound-blind baselines need every detection; only the label's class has a sound class."""
    table = pd.read_parquet(proposed[0].proposals_table)
    object_of = {kind.sound_class: kind.object_class for kind in CLASSES}
    label_of = {scene.clip.clip_id: scene.clip.label for scene in scenes}
    labels = table.clip_id.map(label_of)
    is_candidate = table.detector_class == labels.map(object_of)
    assert (~is_candidate).sum() >= N_SCENES / 2
    assert (table.sound_class[is_candidate] == labels[is_candidate]).all()
    assert (table.similarity[is_candidate] == 1).all()
    assert table.sound_class[~is_candidate].isna().all()
    assert table.similarity[~is_candidate].isna().all()


def test_the_summary_counts_the_table(proposed: tuple[Workspace, dict]) -> None:
    """Counts, settings and the share of clips with a candidate are in the JSON."""
    workspace, summary = proposed
    table = pd.read_parquet(workspace.proposals_table)
    candidates = table[table.sound_class.notna()]
    assert summary["schema"] == "vggss-propose/1"
    assert (summary["done"], summary["skipped"], summary["failed"]) == (N_SCENES, 0, {})
    assert summary["clips"] == N_SCENES
    assert summary["clips_with_candidate"] == candidates.clip_id.nunique()
    assert summary["proposals"] == len(table) == sum(summary["by_detector_class"].values())
    assert summary["candidates"] == len(candidates)
    assert summary["left_out"] == 0
    assert summary["settings"]["detector"] == "sample"
    assert summary["kept"] == table.kept.sum()
    assert summary["outcomes"] == {"auto": N_SCENES, "needs-manual": 0, "no-candidate": 0}
    labels = len({clip.label for clip in workspace.clips()})
    assert summary["table2"]["all"] == {"classes": labels, "videos": N_SCENES}
    assert set(table.detector) == {"sample"}
    outcomes = pd.read_parquet(workspace.root / "proposal_outcomes.parquet")
    assert outcomes.outcome.tolist() == ["auto"] * N_SCENES
    assert outcomes.kept.sum() == summary["kept"]
    assert (table.score >= 0.5).all()


def test_a_second_run_does_nothing(workspace: Workspace) -> None:
    """No frame is looked at twice, and no file is written."""
    files = [*sorted(workspace.root.rglob("*.json")), workspace.proposals_table]
    before = [path.stat().st_mtime_ns for path in files]
    result, summary = propose(workspace)
    assert result.exit_code == 0
    assert (summary["done"], summary["skipped"]) == (0, N_SCENES)
    assert [path.stat().st_mtime_ns for path in files] == before


def test_a_second_run_needs_no_torch(workspace: Workspace) -> None:
    """What is done is known without loading the detector."""
    code = (
        "import sys; from vggss_tools.cli import main\n"
        f"try: main(['propose-boxes', '--detector', 'sample', '--data', {str(workspace.root)!r}])\n"
        "except SystemExit as stop: assert not stop.code\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["propose-boxes", "--detector", "sample", "--data", "{data}"],
        ["train-detector", "--out", "{data}/x.pth"],
    ],
)
def test_without_torch_is_one_line(frames: Workspace, tmp_path: Path, arguments: list[str]) -> None:
    """The message says which extra brings torch; the base install has the commands all the same."""
    shutil.copytree(frames.root / "frames", tmp_path / "frames")
    shutil.copy(frames.clips_table, tmp_path)
    line = [argument.format(data=tmp_path) for argument in arguments]
    code = (
        f"import sys; sys.modules['torch'] = None\nfrom vggss_tools.cli import main; main({line!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: torch: not installed")
    assert "pip install 'vggss-tools[models]'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_lost_file_comes_back_equal(workspace: Workspace, scenes: list[Scene]) -> None:
    """What is found in a frame does not depend on the frames beside it."""
    lost = [workspace.proposal_path(scenes[index].clip.clip_id) for index in (3, 4, 17)]
    before = [path.read_bytes() for path in lost]
    table = workspace.proposals_table.read_bytes()
    for path in lost:
        path.unlink()
    result, summary = propose(workspace, "--batch-size", "2")
    assert result.exit_code == 0
    assert (summary["done"], summary["skipped"]) == (3, N_SCENES - 3)
    assert [path.read_bytes() for path in lost] == before
    assert workspace.proposals_table.read_bytes() == table


def test_another_threshold_detects_again(workspace: Workspace) -> None:
    """The settings decide what is stale; the table never mixes two thresholds."""
    _, summary = propose(workspace, "--score-threshold", "0.9")
    assert summary["done"] == N_SCENES
    assert (pd.read_parquet(workspace.proposals_table).score >= 0.9).all()


def test_another_matcher_detects_nothing(workspace: Workspace) -> None:
    """Matching is done anew on the detections that are there."""
    _, summary = propose(workspace, "--matcher", "names")
    assert (summary["done"], summary["skipped"]) == (0, N_SCENES)
    table = pd.read_parquet(workspace.proposals_table)
    drums = table[table.sound_class == "playing snare drum"]
    assert len(drums)
    assert (drums.similarity < 1).all()  # "snare drum" is not quite "Drum"
    _, summary = propose(workspace, "--matcher", "names", "--similarity-threshold", "1")
    assert "playing snare drum" in summary["unmatched_labels"]


def test_missing_and_damaged_frames_fail_alone(workspace: Workspace, scenes: list[Scene]) -> None:
    """Each such clip has its reason, its old proposals leave the table, the others stay."""
    gone, torn, empty = (scene.clip.clip_id for scene in scenes[:3])
    workspace.frame_path(gone).unlink()
    workspace.frame_path(torn).write_bytes(b"no picture")
    workspace.frame_path(empty).write_bytes(b"")
    result, summary = propose(workspace)
    assert result.exit_code == 4
    assert summary["failed"] == {"corrupt": 2, "not_found": 1}
    messages = {row["clip_id"]: row["message"] for row in summary["failures"]}
    assert "vggss extract" in messages[gone]
    assert str(workspace.frame_path(torn)) in messages[torn]
    assert summary["left_out"] == 3
    table = pd.read_parquet(workspace.proposals_table)
    assert not set(table.clip_id) & {gone, torn, empty}
    assert table.clip_id.nunique() == N_SCENES - 3
    assert "not in the table" not in result.stderr  # the failures are said once


def test_without_one_detected_clip_the_table_stays(
    workspace: Workspace, scenes: list[Scene]
) -> None:
    """A run in which every clip fails leaves an earlier table as it was, and says so."""
    before = workspace.proposals_table.read_bytes()
    for scene in scenes:
        workspace.frame_path(scene.clip.clip_id).write_bytes(b"no picture")
    result, summary = propose(workspace)
    assert result.exit_code == 3
    assert summary["clips"] == 0
    assert workspace.proposals_table.read_bytes() == before
    assert "the table of an earlier run is kept" in result.stderr
    assert "the other clips are done" not in result.stderr


@pytest.mark.parametrize("option", ["--score-threshold", "--similarity-threshold"])
def test_a_threshold_that_is_no_number_is_refused(workspace: Workspace, option: str) -> None:
    """`nan` is a usage error and touches neither table nor ledger."""
    before = workspace.proposals_table.stat().st_mtime_ns
    result, _ = propose(workspace, option, "nan")
    assert result.exit_code == 2
    assert "not a finite number" in result.stderr
    assert workspace.proposals_table.stat().st_mtime_ns == before


def test_clips_of_other_splits_are_said_to_be_left_out(workspace: Workspace) -> None:
    """Only where --split was given is the advice to leave it out."""
    from vggss_tools.clips import Clip, write_clips

    other = Clip("elsewhere_000000", "dog barking", "train")
    write_clips(workspace.clips_table, [*workspace.clips(), other])
    result, _ = propose(workspace, "--split", "test")
    assert "1 clip(s) are not in the table" in result.stderr
    assert "run again without --split" in result.stderr
    result, _ = propose(workspace)
    assert "--split" not in result.stderr


def test_no_frames_at_all_is_one_line(workspace: Workspace) -> None:
    """The message says which command comes before."""
    shutil.rmtree(workspace.root / "frames")
    result, _ = propose(workspace)
    assert result.exit_code == 1
    assert "run `vggss extract` first" in result.stderr


def test_an_unknown_detector_is_a_usage_error(frames: Workspace) -> None:
    """The message lists those there are, in the command and in the library."""
    result, _ = propose(frames, "--detector", "yolo")
    assert result.exit_code == 2
    assert "'yolo' is not one of: openimages, coco, fiftyone, boxes, sample" in result.stderr
    with pytest.raises(VggssError, match="choose one of: openimages"):
        describe_detector("yolo")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_without_a_gpu_is_one_line(frames: Workspace) -> None:
    """Nothing falls back to the CPU unasked."""
    result, _ = propose(frames, "--gpu")
    assert result.exit_code == 1
    assert "finds no CUDA GPU here; leave --gpu out" in result.stderr


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_gpu_finds_what_the_cpu_finds(scenes: list[Scene]) -> None:
    """The device changes the rounding, not the objects."""
    images = [scene.render(BENCHMARK_FRAME) for scene in scenes]
    on_cpu = load_detector("sample").detect(images)
    on_gpu = load_detector("sample", choose_device(gpu=True)).detect(images)
    for a, b in zip(on_cpu, on_gpu, strict=True):
        sure = [d for d in a if d.score > 0.6]
        near = [d for d in b if d.score > 0.5]
        assert {d.label for d in sure} <= {d.label for d in near}


def test_the_shipped_detector_can_be_described() -> None:
    """A card has a vocabulary without repeats and a fingerprint."""
    card = describe_detector("sample")
    assert card.classes
    assert len(set(card.classes)) == len(card.classes)
    assert card.fingerprint


def test_in_a_sample_world_the_sample_detector_is_the_default(workspace: Workspace) -> None:
    """The default knows photographs; painted objects have their own, and that is said."""
    from click.testing import CliRunner

    (workspace.root / WORLD_FILE).write_text("{}")
    line = ["propose-boxes", "--data", str(workspace.root), "--json"]
    result = CliRunner().invoke(group, line, prog_name="vggss")
    assert result.exit_code == 0, result.output
    assert "a sample world, so --detector sample is used" in result.stderr
    assert json.loads(result.stdout)["skipped"] == N_SCENES


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--detector", "boxes:x.json", "--weights", "y.pth"], "--weights is for the detectors"),
        (["--detector", "sample:x.pth", "--weights", "y.pth"], "without a file of their own"),
        (["--gpu", "--device", "cpu"], "give one of them"),
        (["--out", "x.png"], "--out is the picture of --explain"),
        (["--batch-size", "0"], "not in the range x>=1"),
        (["--batch-size", "many"], "not a valid integer"),
    ],
)
def test_options_that_contradict_are_refused(
    frames: Workspace, options: list[str], message: str
) -> None:
    """A wrong use is said before anything is read."""
    result, _ = propose(frames, *options)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize("device", ["abacus", "cuda:x", "cpu:1", "mps"])
def test_an_unknown_device_is_one_line(frames: Workspace, device: str) -> None:
    """The message lists what there is."""
    result, _ = propose(frames, "--device", device)
    assert result.exit_code == 1
    assert f"--device {device}: unknown; choose auto, cpu, cuda" in result.stderr


def test_weights_may_be_named_apart(workspace: Workspace, tmp_path: Path) -> None:
    """`--weights FILE` is `sample:FILE`."""
    result, _ = propose(workspace, "--weights", str(tmp_path / "none.pth"))
    assert result.exit_code == 1
    assert "none.pth: no such file" in result.stderr


def test_processes_find_what_one_finds(
    workspace: Workspace, proposed: tuple[Workspace, dict]
) -> None:
    """Two workers, each with a detector of its own, end in the same table."""
    shutil.rmtree(workspace.root / "proposals")
    result, summary = propose(workspace, "--workers", "2", "--batch-size", "8")
    assert result.exit_code == 0, result.output
    assert summary["done"] == N_SCENES
    assert workspace.proposals_table.read_bytes() == proposed[0].proposals_table.read_bytes()


def test_odd_pictures_pass_or_fail_alone(workspace: Workspace, scenes: list[Scene]) -> None:
    """A broken JPEG, a 1x1, a 12-megapixel and a grey picture do not disturb the others."""
    torn, dot, large, grey = (workspace.frame_path(s.clip.clip_id) for s in scenes[:4])
    torn.write_bytes(torn.read_bytes()[:300])
    cv2.imwrite(str(dot), np.full((1, 1, 3), 90, np.uint8))
    scene = scenes[2].render(BENCHMARK_FRAME)[..., ::-1]
    cv2.imwrite(str(large), cv2.resize(scene, (4000, 3000)))
    cv2.imwrite(str(grey), cv2.cvtColor(scenes[3].render(BENCHMARK_FRAME), cv2.COLOR_RGB2GRAY))
    result, summary = propose(workspace)
    assert summary["failed"] == {"corrupt": 1}, result.stderr
    assert summary["failures"][0]["clip_id"] == scenes[0].clip.clip_id
    assert torn.name in summary["failures"][0]["message"]
    assert summary["done"] == 3
    found = pd.read_parquet(workspace.proposals_table).clip_id
    assert scenes[2].clip.clip_id in set(found)


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 400, 3), (1200, 900, 3), (120, 160, 3)])
def test_any_size_of_picture_is_taken(shape: tuple[int, int, int]) -> None:
    """Boxes stay within the frame whatever its shape, the best score comes first."""
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    (found,) = load_detector("sample").detect([noise])
    scores = [d.score for d in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= edge <= 1 for d in found for edge in d.box.as_list())


def test_frames_are_found_alike_alone_and_together(scenes: list[Scene]) -> None:
    """Pictures of other sizes in one call change nothing, to the last bit."""
    small = scenes[0].render(BENCHMARK_FRAME)
    large = cv2.resize(scenes[1].render(BENCHMARK_FRAME), (640, 360))
    detector = load_detector("sample")
    assert detector.detect([small, large]) == [*detector.detect([small]), *detector.detect([large])]
    assert detector.detect([]) == []


def test_weights_go_by_their_content(workspace: Workspace, tmp_path: Path) -> None:
    """A copy of the weights elsewhere, given as `sample:FILE`, makes nothing stale."""
    copy = tmp_path / "copy.pth"
    shutil.copy(SHIPPED, copy)
    shutil.copy(card_path(SHIPPED), card_path(copy))
    _, summary = propose(workspace, "--detector", f"sample:{copy}")
    assert summary["skipped"] == N_SCENES


def test_weights_and_card_belong_together(tmp_path: Path) -> None:
    """A missing, foreign or damaged half is one line that says what to do."""
    copy = tmp_path / "copy.pth"
    with pytest.raises(VggssError, match=r"copy\.pth: no such file; make it with"):
        load_detector(f"sample:{copy}")
    shutil.copy(SHIPPED, copy)
    with pytest.raises(VggssError, match=r"copy\.json: no such file, and copy\.pth needs its card"):
        load_detector(f"sample:{copy}")
    card_path(copy).write_text("[]")
    with pytest.raises(InvalidInput, match=r"copy\.json: not the card of a detector"):
        load_detector(f"sample:{copy}")
    shutil.copy(card_path(SHIPPED), card_path(copy))
    copy.write_bytes(copy.read_bytes()[:-1])
    with pytest.raises(InvalidInput, match="sha256 differs"):
        load_detector(f"sample:{copy}")
