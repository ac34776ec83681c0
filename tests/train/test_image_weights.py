from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import Result

from vggss_tools.models.resnet import SAMPLE_WEIGHTS, ResNet18, load_image_weights, width_of
from vggss_tools.sample.world import WORLD_VERSION
from vggss_tools.train.image_weights import (
    NAMES,
    SIDE,
    ImageTraining,
    Namer,
    accuracy,
    render_pictures,
)


def test_pictures_are_the_same_whoever_renders_them() -> None:
    """Equal seeds give equal pictures, in this process and in workers; other seeds give others."""
    images, labels = render_pictures(2500, 4, workers=0)
    again, _ = render_pictures(2500, 4, workers=2)
    other, _ = render_pictures(2501, 4, workers=0)
    assert images.shape[1:] == (SIDE, SIDE, 3)
    assert len(images) == len(labels) >= 8
    assert (images == again).all()
    assert images.shape != other.shape or not (images == other).all()


def test_the_shipped_weights_are_those_of_their_card() -> None:
    """Checksum, world and defaults agree, so that the command on the card makes them again."""
    card = json.loads(SAMPLE_WEIGHTS.with_suffix(".json").read_text())
    assert hashlib.sha256(SAMPLE_WEIGHTS.read_bytes()).hexdigest() == card["sha256"]
    assert card["training"]["world_version"] == WORLD_VERSION
    assert card["training"]["seed"] == ImageTraining().seed
    assert card["training"]["steps"] == ImageTraining().steps
    assert tuple(card["classes"]) == NAMES
    assert card["held_out"]["accuracy"] > 0.85


def test_the_shipped_weights_know_shapes() -> None:
    """A classifier that is fitted on their frozen features alone beats chance by far."""
    stream = ResNet18(width_of("resnet18-quarter"), in_channels=3, stride=16)
    load_image_weights(stream, "sample")
    network = Namer("resnet18-quarter")
    network.stream.load_state_dict(stream.state_dict())
    network.eval()
    images, labels = render_pictures(2502, 60, workers=0)
    from vggss_tools.models.inputs import image_batch

    with torch.inference_mode():
        features = network.stream(image_batch(images, torch.device("cpu"))).mean(dim=(2, 3))
    half = len(images) // 2
    centroids = torch.stack(
        [features[:half][torch.from_numpy(labels[:half] == k)].mean(0) for k in range(len(NAMES))]
    ).nan_to_num(1e3)
    named = torch.cdist(features[half:], centroids).argmin(dim=1).numpy()
    assert (named == labels[half:]).mean() > 0.5  # chance is 1 in 12


def test_an_untrained_network_names_at_random() -> None:
    """Accuracy is a share of right names, near chance before any training."""
    torch.manual_seed(0)
    images, labels = render_pictures(2503, 15, workers=0)
    assert accuracy(Namer("resnet18-quarter"), images, labels) < 0.4


def test_the_command_writes_weights_that_train_takes(
    tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """A tiny training leaves a file and its card, and the file starts an image stream."""
    out = tmp_path / "weights.pth"
    result = invoke(
        "train-image-weights", "--out", out, "--scenes", 12, "--steps", 2, "--threads", 1, "--json"
    )
    assert result.exit_code == 0, result.stderr
    card = json.loads(result.stdout)["card"]
    assert card == json.loads(out.with_suffix(".json").read_text())
    assert 0 <= card["held_out"]["accuracy"] <= 1
    stream = ResNet18(width_of("resnet18-quarter"), in_channels=3, stride=16)
    load_image_weights(stream, str(out))


def test_a_name_for_the_card_is_refused(tmp_path: Path, invoke: Callable[..., Result]) -> None:
    """Weights cannot be written over their own card."""
    result = invoke("train-image-weights", "--out", tmp_path / "x.json")
    assert result.exit_code == 1
    assert "for the card" in result.stderr


@pytest.mark.parametrize("seed", [0, 1999])
def test_seeds_of_worlds_are_refused(
    tmp_path: Path, invoke: Callable[..., Result], seed: int
) -> None:
    """The weights never see a world that people may make with a small seed."""
    assert invoke("train-image-weights", "--out", tmp_path / "x.pth", "--seed", seed).exit_code == 2
