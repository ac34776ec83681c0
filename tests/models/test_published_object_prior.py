"""The object prior: mean |layer 4| of a ResNet-18, written beside the maps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

torch = pytest.importorskip("torch", reason="the extra `models` is not installed")

from clip_folder import make_clip_folder  # noqa: E402
from PIL import Image  # noqa: E402
from torch import nn  # noqa: E402
from torchvision import transforms  # noqa: E402
from torchvision.models import resnet18, resnet34  # noqa: E402

from vggss_tools.errors import VggssError  # noqa: E402
from vggss_tools.evaluate.predictions import read_predictions  # noqa: E402
from vggss_tools.models.inputs import IMAGE_MEAN, IMAGE_STD  # noqa: E402
from vggss_tools.models.object_prior import ObjectPrior  # noqa: E402
from vggss_tools.predict import PredictObjects, predict_clips  # noqa: E402
from vggss_tools.train.config import TrainConfig  # noqa: E402
from vggss_tools.train.data import pack  # noqa: E402
from vggss_tools.train.loop import CHECKPOINT, train  # noqa: E402
from vggss_tools.workspace import Workspace  # noqa: E402

Invoke = Callable[..., Result]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A data directory with a small network, one step old."""
    workspace = make_clip_folder(tmp_path_factory.mktemp("objects"), train=4, test=3)
    config = TrainConfig(
        backbone="resnet18-quarter", size=64, spectrogram="compact", steps=1, batch_size=4
    )
    train(config, pack(workspace, workspace.clips("train"), config.architecture), workspace.root)
    return workspace


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full ResNet-18 with its classifier, as torchvision saves one."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(resnet18().state_dict(), path)
    return path


def test_the_prior_is_ezvsls(trained: Workspace, weights: Path) -> None:
    """It is what EZ-VSL computes with torchvision's own network and transforms."""
    path = trained.frame_path(trained.clips("test")[0].clip_id)
    network = resnet18()
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.avgpool = network.fc = nn.Identity()
    prepare = transforms.Compose(
        [
            transforms.Resize((224, 224), transforms.InterpolationMode.BICUBIC),
            transforms.ToTensor(),
            transforms.Normalize(IMAGE_MEAN, IMAGE_STD),
        ]
    )
    with torch.inference_mode():
        features = network.eval()(prepare(Image.open(path).convert("RGB"))[None])
    expected = features.unflatten(1, (512, 7, 7)).abs().mean(1)[0].numpy()
    prior = ObjectPrior(str(weights))
    found = prior.locate([prior.frame(path)])
    assert found.shape == (1, 7, 7)
    assert found.std() > 0
    assert np.abs(found[0] - expected).max() < 1e-5


@pytest.mark.parametrize("sound", ["own", "swap"])
def test_predictions_hold_object_maps(
    trained: Workspace, weights: Path, invoke: Invoke, tmp_path: Path, sound: str
) -> None:
    """`--object-weights` adds one prior a row, of the frame alone."""
    out, model = tmp_path / "p.npz", trained.root / CHECKPOINT
    done = invoke(
        "predict", "--data", trained.root, "--model", model, "--out", out, "--sound", sound,
        "--object-weights", weights, "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["object_map_shape"] == [7, 7]
    with np.load(out) as stored:
        priors, maps = stored["object_map"], stored["map"]
    assert priors.shape == (3, 7, 7)
    assert priors.dtype == np.float32
    assert priors.min() >= 0
    found = predict_clips(model, trained, trained.clips("test"), sound, object_weights=str(weights))
    assert found.object_maps is not None
    assert np.allclose(found.object_maps, priors, atol=1e-5)
    assert np.allclose(found.maps, maps, atol=1e-5)
    assert len(read_predictions(out)) == 3


def test_the_prior_of_narrow_weights(trained: Workspace, invoke: Invoke, tmp_path: Path) -> None:
    """The packaged weights of the sample world are narrower, and serve as well."""
    out = tmp_path / "p.npz"
    done = invoke(
        "predict", "--data", trained.root, "--model", trained.root / CHECKPOINT, "--out", out,
        "--object-map", "--object-weights", "sample",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    with np.load(out) as stored:
        assert stored["object_map"].shape == (3, 7, 7)


def test_without_being_asked_there_is_no_prior(
    trained: Workspace, invoke: Invoke, tmp_path: Path
) -> None:
    """A predictions file has object maps only where they are wanted."""
    out = tmp_path / "p.npz"
    line = ("predict", "--data", trained.root, "--model", trained.root / CHECKPOINT, "--out", out)
    assert invoke(*line).exit_code == 0
    with np.load(out) as stored:
        assert "object_map" not in stored


def test_a_frame_without_a_prior_is_left_out_and_said(
    trained: Workspace, invoke: Invoke, weights: Path, tmp_path: Path
) -> None:
    """A row has both of its maps, or is missing with a reason."""
    clips = trained.clips("test")
    frame = trained.frame_path(clips[1].clip_id)
    kept = frame.read_bytes()
    frame.write_bytes(b"no picture")
    try:
        objects = PredictObjects(trained, str(weights), "cpu")
        results = objects.locate(clips)
        done = invoke(
            "predict", "--data", trained.root, "--model", trained.root / CHECKPOINT,
            "--out", tmp_path / "p.npz", "--object-weights", weights,
        )  # fmt: skip
    finally:
        frame.write_bytes(kept)
    assert [isinstance(one, np.ndarray) for one in results] == [True, False, True]
    assert done.exit_code == 3
    assert "not a readable picture" in done.stderr
    assert len(read_predictions(tmp_path / "p.npz")) == 2


def nan_weights() -> Any:
    return {**resnet18().state_dict(), "bn1.bias": torch.full((64,), torch.nan)}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda: resnet34().state_dict(), "not the weights of a ResNet-18"),
        (lambda: {"a": torch.zeros(1)}, "not the weights of a ResNet-18"),
        (lambda: {"conv1.weight": torch.zeros(64, 3, 7, 7)}, "missing, e.g. bn1.bias"),
        (lambda: {"epoch": 3}, "no state dict inside"),
        (nan_weights, "bn1.bias holds NaN"),
    ],
)
def test_other_weights_are_refused(
    trained: Workspace, invoke: Invoke, tmp_path: Path, content: Callable[[], Any], words: str
) -> None:
    """Weights of another network, or none, end the command before the work, in one line."""
    path, out = tmp_path / "other.pth", tmp_path / "p.npz"
    torch.save(content(), path)
    done = invoke(
        "predict", "--data", trained.root, "--model", trained.root / CHECKPOINT, "--out", out,
        "--object-weights", path,
    )  # fmt: skip
    assert done.exit_code != 0
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not out.exists()


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    """An absent file is named."""
    with pytest.raises(VggssError, match="no such weights"):
        ObjectPrior(str(tmp_path / "absent.pth"))


def test_offline_the_message_says_how_to_bring_the_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where torchvision's weights cannot be downloaded, --object-weights is the way."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # a port that nobody listens on
    with pytest.raises(VggssError, match="give its path with --object-weights") as raised:
        ObjectPrior()
    assert "\n" not in raised.value.message
