"""`vggss train` as a user meets it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

torch = pytest.importorskip("torch", reason="the extra `models` is not installed")

from clip_folder import make_clip_folder  # noqa: E402

from vggss_tools.cli.train import BACKBONES, OBJECTIVES, SPECTROGRAMS  # noqa: E402
from vggss_tools.evaluate.predictions import read_predictions  # noqa: E402
from vggss_tools.models.checkpoint import read_checkpoint  # noqa: E402
from vggss_tools.models.objectives import OBJECTIVES as ALL_OBJECTIVES  # noqa: E402
from vggss_tools.models.resnet import WIDTHS, ResNet18  # noqa: E402
from vggss_tools.models.spectrogram import SPECTROGRAMS as ALL_SPECTROGRAMS  # noqa: E402
from vggss_tools.train.loop import Trainer  # noqa: E402
from vggss_tools.workspace import Workspace  # noqa: E402

Invoke = Callable[..., Result]

SMALL = (
    "--image-backbone", "resnet18-quarter", "--size", 32, "--spectrogram", "compact",
    "--batch-size", 4, "--threads", 1,
)  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A tiny extracted data directory."""
    return make_clip_folder(tmp_path_factory.mktemp("tiny"))


def test_the_choices_are_the_registries() -> None:
    """The names that `--help` knows without torch are those that exist."""
    assert set(OBJECTIVES) == set(ALL_OBJECTIVES)
    assert set(BACKBONES) == set(WIDTHS)
    assert set(SPECTROGRAMS) == set(ALL_SPECTROGRAMS)


def test_training_reports_what_it_did(workspace: Workspace, invoke: Invoke, tmp_path: Path) -> None:
    """One command leaves checkpoint and curve, and says so in JSON."""
    done = invoke(
        "train", "--data", workspace.root, "--out", tmp_path, *SMALL, "--epochs", 2, "--json"
    )
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["schema"] == "vggss-train/1"
    assert (said["steps"], said["clips"], said["resumed_at"]) == (4, 8, 0)
    assert said["config"]["backbone"] == "resnet18-quarter"
    assert (tmp_path / "checkpoint.pth").is_file()
    assert len((tmp_path / "train.csv").read_text().splitlines()) == 5


def test_the_same_command_does_nothing_twice(
    workspace: Workspace, invoke: Invoke, tmp_path: Path
) -> None:
    """A finished run is said to be finished, with or without --resume."""
    arguments = ("train", "--data", workspace.root, "--out", tmp_path, *SMALL, "--steps", 2)
    assert invoke(*arguments).exit_code == 0
    before = (tmp_path / "checkpoint.pth").stat().st_mtime_ns
    for again in (arguments, ("train", "--data", workspace.root, "--out", tmp_path, "--resume")):
        done = invoke(*again)
        assert done.exit_code == 0, done.output
        assert "trained already" in done.stderr
    assert (tmp_path / "checkpoint.pth").stat().st_mtime_ns == before


def test_resume_keeps_the_runs_own_options_and_refuses_others(
    workspace: Workspace, invoke: Invoke, tmp_path: Path
) -> None:
    """--resume alone takes the options of the checkpoint; options that differ are named."""
    start = ("train", "--data", workspace.root, "--out", tmp_path)
    assert invoke(*start, *SMALL, "--steps", 2, "--seed", 3).exit_code == 0
    assert read_checkpoint(tmp_path / "checkpoint.pth").config["seed"] == 3
    done = invoke(*start, "--resume", "--seed", 4)
    assert done.exit_code == 1
    assert "seed 4, not 3" in done.stderr
    done = invoke(*start, *SMALL, "--steps", 5, "--seed", 3)
    assert done.exit_code == 1
    assert "steps 5, not 2" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_resume_without_a_run_is_an_error(
    workspace: Workspace, invoke: Invoke, tmp_path: Path
) -> None:
    """There is nothing to go on with in an empty folder."""
    done = invoke("train", "--data", workspace.root, "--out", tmp_path, "--resume")
    assert done.exit_code == 1
    assert "no run there to resume; leave out --resume to start one" in done.stderr


def test_training_starts_from_given_weights(
    workspace: Workspace, invoke: Invoke, tmp_path: Path
) -> None:
    """--image-weights PATH is where the image stream starts, and is part of the configuration."""
    torch.manual_seed(7)
    given = ResNet18(16)
    path = tmp_path / "given.pth"
    torch.save(given.state_dict(), path)
    done = invoke(
        "train", "--data", workspace.root, "--out", tmp_path / "run", *SMALL, "--steps", 1,
        "--lr", 1e-9, "--image-weights", path,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    checkpoint = read_checkpoint(tmp_path / "run" / "checkpoint.pth")
    trained = checkpoint.model_state_dict["image.conv1.weight"]
    assert torch.allclose(trained, given.conv1.weight, atol=1e-6)
    assert checkpoint.config["image_weights"].startswith("given.pth@")


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("--steps", 3, "--epochs", 2), 2, "not both"),
        (("--split", "validation"), 1, "no clip of split 'validation'"),
        (("--batch-size", 100), 1, "only 8 clips"),
        (("--objective", "hinge"), 2, "hinge"),
        (("--image-weights", "absent.pth"), 1, "no such weights"),
        (("--image-weights", "imagenet"), 1, "resnet18 only"),
        (("--device", "abacus"), 1, "no such device"),
        (("--lr", "nan"), 2, "--lr"),
        (("--lr", "inf"), 2, "--lr"),
        (("--weight-decay", "nan"), 2, "--weight-decay"),
        (("--augment", "nan"), 2, "--augment"),
        (("--seed", 10**23), 2, "--seed"),
        (("--threads", 10**23), 2, "--threads"),
    ],
)
def test_wrong_options_are_one_line(
    workspace: Workspace,
    invoke: Invoke,
    tmp_path: Path,
    arguments: tuple[object, ...],
    code: int,
    named: str,
) -> None:
    """Each wrong option ends in its exit code and names itself."""
    done = invoke(
        "train", "--data", workspace.root, "--out", tmp_path, *SMALL, "--steps", 1, *arguments
    )
    assert done.exit_code == code, done.output
    assert named in done.stderr
    assert not (tmp_path / "checkpoint.pth").exists()


def test_clips_that_are_not_extracted_stop_the_training(invoke: Invoke, tmp_path: Path) -> None:
    """Training on a part of a split would go unnoticed, so it is exit code 4."""
    workspace = make_clip_folder(tmp_path / "data")
    workspace.audio_path(workspace.clips("train")[0].clip_id).unlink()
    done = invoke("train", "--data", workspace.root, "--out", tmp_path / "run", *SMALL)
    assert done.exit_code == 4
    assert "vggss extract" in done.stderr


@pytest.mark.slow
def test_the_full_network_goes_the_whole_way(
    workspace: Workspace, invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ResNet-18 at 224 px: trained for 20 steps, stopped, resumed, predicted, benchmarked."""
    out = tmp_path / "full"
    train = (
        "train", "--data", workspace.root, "--out", out, "--objective", "lvs",
        "--image-backbone", "resnet18", "--image-weights", "none", "--size", 224,
        "--steps", 20, "--batch-size", 4,
    )  # fmt: skip
    take_step = Trainer.take_step

    def take_step_and_interrupt(trainer: Trainer) -> float:
        if trainer.step == 11:
            signal.raise_signal(signal.SIGINT)
        return take_step(trainer)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "take_step", take_step_and_interrupt)
        assert invoke(*train).exit_code != 0
    assert read_checkpoint(out / "checkpoint.pth").step == 12
    done = invoke(*train[:5], "--resume", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["steps"] == 20
    assert json.loads(done.stdout)["resumed_at"] == 12

    maps, scores = tmp_path / "maps.npz", tmp_path / "scores.json"
    model = out / "checkpoint.pth"
    done = invoke("predict", "--data", workspace.root, "--model", model, "--out", maps)
    assert done.exit_code == 0, done.output
    assert read_predictions(maps).shape == (3, 14, 14)
    release = workspace.release_dir("tiny") / "vggss.json"
    done = invoke("benchmark", "--predictions", maps, "--annotations", release, "--json", scores)
    assert done.exit_code == 0, done.output
    results = json.loads(scores.read_text())["results"]
    assert {result["protocol"] for result in results} == {"paper", "lvs"}
    assert all(result["n_scored"] == 3 for result in results)
    done = invoke("benchmark", "--data", workspace.root, "--model", model, "--json", scores)
    assert done.exit_code == 0, done.output
    assert json.loads(scores.read_text())["results"][0]["n_scored"] == 3
