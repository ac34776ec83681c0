"""Training the sample world's detector: tiny runs, and where the shipped weights come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from vggss_tools.cli import group
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.pipeline import command_lines, read_pipeline
from vggss_tools.propose.sample_weights import SHIPPED, card_path, read_card
from vggss_tools.sample.world import CLASSES, WORLD_VERSION, make_scene

torch = pytest.importorskip("torch", reason="training needs the extra `models`")

from vggss_tools.propose.sample_detector import pack_weights  # noqa: E402
from vggss_tools.propose.sample_examples import (  # noqa: E402
    LABELS,
    OBJECT_CLASSES,
    Examples,
    Score,
    render_examples,
)
from vggss_tools.propose.train_sample import (  # noqa: E402
    DetectorTrainer,
    DetectorTraining,
    checkpoint_path,
    learning_rate,
    make_batch,
    train_detector,
)

Invoke = Callable[..., Result]
TINY = DetectorTraining(scenes=3, steps=3)


@pytest.fixture(scope="module")
def examples() -> Examples:
    return render_examples(TINY.seed, TINY.scenes, frames=2, workers=0)


def test_examples_are_the_scenes(examples: Examples) -> None:
    """Boxes are pixels of the shrunk picture, labels are the objects' numbers."""
    assert examples.images.shape == (6, 120, 160, 3)
    truth = make_scene(TINY.seed, "train", 0).boxes(124)
    for row in (0, 1):
        assert sorted(examples.labels[row]) == sorted(LABELS[t.object_class] for t in truth)
    for boxes in examples.boxes:
        assert (boxes[:, :2] < boxes[:, 2:]).all()
        assert (boxes >= 0).all()
        assert (boxes <= (160, 120, 160, 120)).all()


def test_examples_do_not_depend_on_the_processes(examples: Examples) -> None:
    """Two worker processes render what one does."""
    again = render_examples(TINY.seed, TINY.scenes, frames=2, workers=2)
    assert again.fingerprint() == examples.fingerprint()
    other = render_examples(TINY.seed + 1, TINY.scenes, frames=2, workers=0)
    assert other.fingerprint() != examples.fingerprint()


def test_an_epoch_shows_every_example_once(examples: Examples) -> None:
    """Batches run on through the epochs; mirroring moves the boxes with the picture."""
    plain = Examples(
        np.full((32, 120, 160, 3), 128, np.uint8),
        [np.array([[10, 20, 40 + k, 60]], np.float32) for k in range(32)],
        [np.array([1])] * 32,
    )
    widths = []
    for step in range(2):
        images, targets = make_batch(plain, seed=5, step=step)
        assert all(image.shape == (3, 120, 160) for image in images)
        assert all(float(image.min()) >= 0 and float(image.max()) <= 1 for image in images)
        for target in targets:
            ((x0, y0, x1, y1),) = target["boxes"].tolist()
            assert (y0, y1) == (20, 60)
            assert x0 == 10 or x1 == 150
            widths.append(x1 - x0)
    assert sorted(widths) == [30 + k for k in range(32)]


def test_the_learning_rate_rises_and_falls_to_zero() -> None:
    """Warm-up, then half a cosine."""
    rates = [learning_rate(step, 200) for step in range(200)]
    top = int(np.argmax(rates))
    assert 8 <= top <= 11
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def test_two_steps_learn_something(examples: Examples) -> None:
    """Every weight moves, and the loss is a number."""
    trainer = DetectorTrainer(TINY, examples)
    before = {name: value.clone() for name, value in trainer.network.named_parameters()}
    losses = [trainer.take_step() for _ in range(2)]
    assert all(np.isfinite(losses))
    for name, value in trainer.network.named_parameters():
        assert not torch.equal(value, before[name]), f"{name} has not moved"


def test_a_stopped_training_ends_as_an_undisturbed_one(examples: Examples, tmp_path: Path) -> None:
    """Weights are equal to the last bit after a stop, a new process's trainer, and going on."""
    straight = DetectorTrainer(TINY, examples)
    for _ in range(3):
        straight.take_step()
    stopped = DetectorTrainer(TINY, examples)
    stopped.take_step()
    stopped.save(tmp_path / "state")
    resumed = DetectorTrainer(TINY, examples)
    resumed.resume(tmp_path / "state")
    while resumed.step < 3:
        resumed.take_step()
    assert pack_weights(resumed.network) == pack_weights(straight.network)
    assert resumed.recent == straight.recent


def test_a_checkpoint_of_another_training_is_refused(examples: Examples, tmp_path: Path) -> None:
    """The message names what differs; a file that is none says so."""
    DetectorTrainer(TINY, examples).save(tmp_path / "state")
    other = DetectorTrainer(replace(TINY, steps=5), examples)
    with pytest.raises(VggssError, match="with other steps; give the same"):
        other.resume(tmp_path / "state")
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(InvalidInput, match="not a checkpoint of `vggss train-detector`"):
        other.resume(tmp_path / "state")
    torch.save([1], tmp_path / "state")
    with pytest.raises(InvalidInput, match="remove it to start anew"):
        other.resume(tmp_path / "state")


def test_a_diverged_training_stops(examples: Examples) -> None:
    """NaN in the weights ends the training with one line."""
    trainer = DetectorTrainer(TINY, examples)
    with torch.no_grad():
        trainer.network.roi_heads.box_predictor.cls_score.bias.fill_(float("nan"))
    with pytest.raises(VggssError, match="diverged"):
        trainer.take_step()


def test_the_command_trains_resumes_and_is_done(invoke: Invoke, tmp_path: Path) -> None:
    """It goes on from a checkpoint, writes weights with a card that work, and repeats nothing."""
    out = tmp_path / "new" / "tiny.pth"
    checkpoint_path(out).parent.mkdir()
    config = replace(TINY, scenes=2, precision="float32")
    started = DetectorTrainer(config, render_examples(config.seed, 2, frames=2, workers=0))
    started.take_step()
    started.save(checkpoint_path(out))
    options = ["--out", out, "--scenes", "2", "--steps", "3", "--held-out", "2",
               "--precision", "float32", "--json"]  # fmt: skip

    result = invoke("train-detector", *options)
    assert result.exit_code == 0, result.output
    assert "going on after step 1" in result.stderr
    card = json.loads(result.stdout)["card"]
    assert card == json.loads(card_path(out).read_text())
    assert card["classes"] == list(OBJECT_CLASSES)
    assert card["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert card["held_out"]["seed"] == TINY.seed + 1
    assert not checkpoint_path(out).exists()

    before = out.stat().st_mtime_ns
    result = invoke("train-detector", *options)
    assert result.exit_code == 0
    assert "already trained" in result.stderr
    assert json.loads(result.stdout)["card"] == card
    assert out.stat().st_mtime_ns == before


def test_training_never_sees_a_world_that_people_make(invoke: Invoke, tmp_path: Path) -> None:
    """Seeds below 1000 are for `vggss sample`."""
    result = invoke("train-detector", "--out", tmp_path / "x.pth", "--seed", "1")
    assert result.exit_code == 2
    assert "x>=1000" in result.stderr


def test_the_card_has_a_place(invoke: Invoke, tmp_path: Path) -> None:
    """Weights cannot take the name of their card."""
    result = invoke("train-detector", "--out", tmp_path / "x.json")
    assert result.exit_code == 1
    assert "such as" in result.stderr


def test_an_unwritable_place_is_refused_before_the_training(invoke: Invoke, tmp_path: Path) -> None:
    """Nothing is rendered for weights that have no place to go."""
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "detector.pth"
    result = invoke("train-detector", "--out", out)
    assert result.exit_code == 1
    assert f"{out}: cannot be written (Not a directory)" in result.stderr


def test_scores_add_up() -> None:
    """Precision is of the found, recall of the true, and nothing divides by nothing."""
    total = Score(found=3, truth=4, right=2) + Score(found=1, truth=0, right=0)
    assert (total.precision, total.recall) == (0.5, 0.5)
    assert (Score(0, 0, 0).precision, Score(0, 0, 0).recall) == (0, 0)


def test_the_shipped_weights_are_of_this_world() -> None:
    """Card and file agree, the classes and the version are the world's, and the score is good."""
    card = read_card(SHIPPED)
    assert card["sha256"] == hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    assert SHIPPED.stat().st_size == card["bytes"] < 3_000_000
    assert set(card["classes"]) == {kind.object_class for kind in CLASSES}
    assert card["training"]["world_version"] == WORLD_VERSION
    assert card["held_out"]["precision"] >= 0.9
    assert card["held_out"]["recall"] >= 0.9


def test_the_pipeline_makes_the_shipped_weights() -> None:
    """`vggss run train-sample-detector` is the command of the card, but for the CPU's precision."""
    (line,) = command_lines(read_pipeline("train-sample-detector"), group, {})
    card = read_card(SHIPPED)
    assert f"vggss {' '.join(line)}" in card["command"]
    config = DetectorTraining(precision=card["training"]["precision"])
    assert asdict(config) == card["training"]


def test_a_finished_training_is_not_repeated() -> None:
    """The library looks at the card before it renders anything."""
    card = read_card(SHIPPED)
    said: list[str] = []
    again = train_detector(DetectorTraining(**card["training"]), SHIPPED, report=said.append)
    assert again == card
    assert "already trained" in said[0]
