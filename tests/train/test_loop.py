"""The loop: learning, resuming to the same bits, and refusing what it cannot continue."""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `models` is not installed")

from vggss_tools.errors import InvalidInput, VggssError  # noqa: E402
from vggss_tools.locks import only_one  # noqa: E402
from vggss_tools.models.checkpoint import SCHEMA, read_checkpoint  # noqa: E402
from vggss_tools.train.config import TrainConfig  # noqa: E402
from vggss_tools.train.data import PackedClips  # noqa: E402
from vggss_tools.train.hardware import choose_device, choose_precision  # noqa: E402
from vggss_tools.train.loop import CHECKPOINT, CURVE, Trainer, train  # noqa: E402

TINY = TrainConfig(
    objective="lvs",
    warmup_steps=6,
    backbone="resnet18-quarter",
    size=32,
    spectrogram="compact",
    steps=12,
    batch_size=4,
    lr=1e-3,
    ramp_steps=2,
    threads=1,
)

# As often as it takes for a kill to find something saved.
OFTEN = dataclasses.replace(TINY, checkpoint_every=4)


def make_data(seed: int = 0) -> PackedClips:
    """Return twelve clips of noise."""
    random = np.random.default_rng(seed)
    frames = random.integers(0, 256, (12, 36, 36, 3), dtype=np.uint8)
    return PackedClips(frames, random.normal(-0.5, 0.2, (12, 65, 40)).astype(np.float16))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of twelve steps that nothing stopped."""
    out = tmp_path_factory.mktemp("undisturbed")
    train(TINY, make_data(), out)
    return out


def same_files(a: Path, b: Path) -> bool:
    """Whether two runs left the same bytes."""
    return all((a / n).read_bytes() == (b / n).read_bytes() for n in (CHECKPOINT, CURVE))


def test_a_run_leaves_a_checkpoint_and_a_curve(undisturbed: Path) -> None:
    """The checkpoint loads with weights_only and says what made it; the curve has every step."""
    content = torch.load(undisturbed / CHECKPOINT, weights_only=True)
    assert content["schema"] == SCHEMA
    assert content["step"] == 12
    assert content["config"] == TINY.as_dict()
    assert content["hardware"]["threads"] == 1
    assert content["data"]["clips"] == 12
    assert set(content["versions"]) == {"vggss-tools", "python", "numpy", "torch", "torchvision"}
    lines = (undisturbed / CURVE).read_text().splitlines()
    assert lines[0] == "step,loss,lr"
    assert [int(line.split(",")[0]) for line in lines[1:]] == list(range(1, 13))


@pytest.mark.parametrize("stop", [1, 5, 11])
def test_a_resumed_run_ends_in_the_same_bits(undisturbed: Path, tmp_path: Path, stop: int) -> None:
    """Saved after a step, worked on, lost, and resumed: the same bytes as without."""
    first = Trainer(TINY, make_data(), tmp_path)
    for _ in range(stop):
        first.take_step()
    first.save()
    first.take_step()  # lost: never saved
    summary = train(TINY, make_data(), tmp_path)
    assert summary.resumed_at == stop
    assert same_files(undisturbed, tmp_path)


def test_a_killed_run_ends_in_the_same_bits(undisturbed: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle of a run loses only steps; the next run ends as if nothing was."""
    code = f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from test_loop import OFTEN, make_data
        from vggss_tools.train.loop import Trainer

        class Doomed(Trainer):
            def take_step(self):
                if self.step == 9:
                    os.kill(os.getpid(), signal.SIGKILL)
                return super().take_step()

        Doomed(OFTEN, make_data(), Path({str(tmp_path)!r})).run()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
        stderr=subprocess.PIPE,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert read_checkpoint(tmp_path / CHECKPOINT).step == 8
    assert train(OFTEN, make_data(), tmp_path).resumed_at == 8
    weights = [read_checkpoint(f / CHECKPOINT).model_state_dict for f in (undisturbed, tmp_path)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert (undisturbed / CURVE).read_bytes() == (tmp_path / CURVE).read_bytes()


def test_a_finished_run_is_left_alone(undisturbed: Path) -> None:
    """The same command once more does no work and touches no file."""
    before = (undisturbed / CHECKPOINT).stat().st_mtime_ns
    summary = train(TINY, make_data(), undisturbed)
    assert summary.resumed_at == summary.step == 12
    assert summary.samples_per_s is None
    assert (undisturbed / CHECKPOINT).stat().st_mtime_ns == before


def test_an_interrupt_is_saved(undisturbed: Path, tmp_path: Path) -> None:
    """Ctrl-C ends the run after the step in hand, with that step saved."""

    class Interrupted(Trainer):
        def take_step(self) -> float:
            if self.step == 6:
                signal.raise_signal(signal.SIGINT)
            return super().take_step()

    with pytest.raises(KeyboardInterrupt):
        Interrupted(TINY, make_data(), tmp_path).run()
    assert read_checkpoint(tmp_path / CHECKPOINT).step == 7
    train(TINY, make_data(), tmp_path)
    assert same_files(undisturbed, tmp_path)


def test_another_configuration_is_refused(undisturbed: Path) -> None:
    """A run is not continued with other options, and the message names what differs."""
    other = dataclasses.replace(TINY, lr=5e-4, objective="max-pool")
    with pytest.raises(VggssError, match=r"objective 'max-pool', not 'lvs'; lr 0.0005, not 0.001"):
        train(other, make_data(), undisturbed)


def test_other_data_are_refused(undisturbed: Path) -> None:
    """A run is not continued on files that have changed."""
    with pytest.raises(VggssError, match="other training data"):
        train(TINY, make_data(seed=1), undisturbed)


def test_one_process_trains_in_a_folder(tmp_path: Path) -> None:
    """A second run with the same --out is one line and touches nothing."""
    with (
        only_one(tmp_path / ".train.lock", "taken"),
        pytest.raises(VggssError, match="another process trains there"),
    ):
        train(TINY, make_data(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".train.lock"]


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    """Divergence is said at once, with a remedy, and leaves no checkpoint behind."""
    broken = make_data()
    broken.sounds[:] = np.nan
    with pytest.raises(VggssError, match=r"loss nan at step 1.*smaller --lr"):
        train(TINY, broken, tmp_path)
    assert not (tmp_path / CHECKPOINT).exists()


def test_learning_lowers_the_loss(tmp_path: Path) -> None:
    """A network can learn twelve pairs by heart."""
    config = dataclasses.replace(
        TINY, objective="mean-pool", warmup_steps=0, steps=60, batch_size=6, augment=0.0, lr=3e-3
    )
    train(config, make_data(), tmp_path)
    losses = read_checkpoint(tmp_path / CHECKPOINT).losses
    assert losses[-10:].mean() < 0.6 * losses[:5].mean()


def test_a_batch_larger_than_the_data_is_refused(tmp_path: Path) -> None:
    """There is no step without a whole batch."""
    with pytest.raises(VggssError, match="only 12 clips"):
        train(dataclasses.replace(TINY, batch_size=13), make_data(), tmp_path)


def test_the_learning_rate_rises_then_falls_to_zero(tmp_path: Path) -> None:
    """Linear ramp, then half a cosine."""
    trainer = Trainer(TINY, make_data(), tmp_path)
    rates = [trainer.learning_rate(step) for step in range(13)]
    assert rates[0] < rates[1] < rates[2] == pytest.approx(1e-3)
    assert all(a > b for a, b in pairwise(rates[2:]))
    assert rates[12] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("objective", "hinge", "no such objective"),
        ("backbone", "vgg16", "no such backbone"),
        ("spectrogram", "mel", "no such spectrogram"),
        ("batch_size", 1, "compares clips"),
        ("lr", 0.0, "not positive"),
        ("lr", math.nan, "not positive and finite"),
        ("lr", math.inf, "not positive and finite"),
        ("temperature", math.nan, "not positive and finite"),
        ("weight_decay", math.nan, "not a finite number"),
        ("weight_decay", -1.0, "not a finite number"),
        ("augment", math.inf, "not a finite number"),
        ("seed", 2**63, "out of range"),
        ("seed", -1, "out of range"),
        ("precision", "float16", "no such precision"),
        ("steps", 0, "at least 1"),
        ("crop_size", 64, "crop_size 64"),
        ("crop_sound", 0.0, "crop_sound"),
        ("ignore_nearest", 0.9, "ignore_nearest"),
    ],
)
def test_configurations_that_cannot_run_are_refused(field: str, value: Any, named: str) -> None:
    """Each wrong value is one line."""
    with pytest.raises(VggssError, match=named):
        dataclasses.replace(TINY, **{field: value})


def test_a_configuration_of_another_version_is_refused() -> None:
    """Unknown keys are not ignored."""
    with pytest.raises(InvalidInput, match="another version"):
        TrainConfig.from_dict(TINY.as_dict() | {"colour": "red"})


def test_devices_and_precisions() -> None:
    """The CPU is always there; a device that is absent or unknown is one line."""
    assert choose_device("cpu").type == "cpu"
    assert choose_precision("float32", choose_device("cpu")) == "float32"
    assert choose_precision("auto", choose_device("cpu")) in ("float32", "bfloat16")
    with pytest.raises(VggssError, match="no such device"):
        choose_device("abacus")
    if not torch.cuda.is_available():
        assert choose_device("auto").type == "cpu"
        with pytest.raises(VggssError, match="--device cpu"):
            choose_device("cuda")
