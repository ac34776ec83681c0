"""The training loop, the same for the quickstart's small network and the paper's full one.

A run is a function of its configuration and its data: on one device, a run that was killed and
resumed ends in the same bits as one that was not. What makes it so: the batch of a step and its
augmentation depend on the seed and the step alone; a checkpoint holds weights, optimiser, step and
generator; and what ``auto`` was decided to is kept.
"""

from __future__ import annotations

import os
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor

from vggss_tools import __version__
from vggss_tools.atomic import write_text_atomic
from vggss_tools.errors import VggssError
from vggss_tools.locks import only_one
from vggss_tools.models.checkpoint import Checkpoint, read_checkpoint
from vggss_tools.models.inputs import image_batch, sound_batch
from vggss_tools.models.lvs import LVS
from vggss_tools.models.objectives import Pairs, nearest_sounds, objective
from vggss_tools.progress import progress_bar
from vggss_tools.train.config import TrainConfig
from vggss_tools.train.data import PackedClips, training_batch
from vggss_tools.train.hardware import Hardware, autocast, choose_device, resolve

CHECKPOINT = "checkpoint.pth"
CURVE = "train.csv"

Batch = tuple[NDArray[np.uint8], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class TrainSummary:
    """What a run came to.

    Attributes
    ----------
    step, resumed_at : int
        Steps done in all, and how many of them by earlier runs.
    loss : float
        Mean over the last twentieth of the steps.
    samples_per_s : float or None
        Clips a second over the steps of this run; None where there was nothing left to do.
    """

    step: int
    resumed_at: int
    loss: float
    samples_per_s: float | None
    config: TrainConfig
    hardware: Hardware
    parameters: int


class Ahead:
    """Makes the batch of the next step while this one is learnt from; the batches stay the same."""

    def __init__(self, make: Callable[[int], Batch]) -> None:
        self.make = make
        self.pool = ThreadPoolExecutor(1, thread_name_prefix="batch")
        self.upcoming: tuple[int, Future[Batch]] | None = None

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step."""
        if self.upcoming is None or self.upcoming[0] != step:
            self.upcoming = (step, self.pool.submit(self.make, step))
        future = self.upcoming[1]
        self.upcoming = (step + 1, self.pool.submit(self.make, step + 1))
        return future.result()


class Trainer:
    """Network, optimiser and history of one run."""

    def __init__(self, config: TrainConfig, data: PackedClips, out: Path) -> None:
        if config.batch_size > len(data):
            raise VggssError(
                f"batch size {config.batch_size}: there are only {len(data)} clips of split "
                f"{config.split!r}; give a smaller --batch-size"
            )
        self.config, self.data, self.out = config, data, out
        self.facts = {
            "split": config.split,
            "clips": len(data),
            "fingerprint": data.fingerprint(),
        }
        self.batches = Ahead(self.make_batch)
        self.hardware = resolve(config)
        self._prepare()
        self.step = 0
        self.losses: list[float] = []

    def _prepare(self) -> None:
        """Build the network and the optimiser on the chosen device, from the seed."""
        torch.set_num_threads(self.hardware.threads)
        self.device = torch.device(self.hardware.device)
        if self.device.type == "cuda":
            # Read by cuBLAS when it starts: without it, its sums may come in any order.
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.backends.cudnn.benchmark = False
            torch.backends.cudnn.deterministic = True
        torch.manual_seed(self.config.seed)
        network = LVS(self.config.architecture)
        network = network.to(self.device).to(memory_format=torch.channels_last)
        self.network = network.train()
        self.optimiser = torch.optim.Adam(
            self.network.parameters(),
            lr=self.config.lr,
            weight_decay=self.config.weight_decay,
            fused=True,
        )

    def resume(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint of this same configuration and data.

        Raises
        ------
        VggssError
            If it belongs to another configuration, or the data have changed since.
        """
        path = self.out / CHECKPOINT
        refuse_other_config(path, checkpoint, self.config)
        if checkpoint.data != self.facts:
            raise VggssError(
                f"{path}: made from other training data "
                f"({checkpoint.data['clips']} clips then, {self.facts['clips']} now, or changed "
                "files); give another --out to train on these"
            )
        hardware = Hardware(**checkpoint.hardware)
        if hardware != self.hardware:
            choose_device(hardware.device)
            self.hardware = hardware
            self._prepare()
        self.network.load_state_dict(checkpoint.model_state_dict)
        self.optimiser.load_state_dict(checkpoint.optimizer_state_dict)
        torch.set_rng_state(checkpoint.random)
        self.step = checkpoint.step
        self.losses = checkpoint.losses.tolist()

    def learning_rate(self, step: int) -> float:
        """Linear ramp from 0, then half a cosine to 0 at the last step."""
        c = self.config
        if step < c.ramp_steps:
            return c.lr * (step + 1) / (c.ramp_steps + 1)
        progress = (step - c.ramp_steps) / max(c.steps - c.ramp_steps, 1)
        return c.lr * 0.5 * (1 + float(np.cos(np.pi * progress)))

    def make_batch(self, step: int) -> Batch:
        """Frames and sounds of one step."""
        c = self.config
        return training_batch(
            self.data,
            c.architecture,
            batch_size=c.batch_size,
            seed=c.seed,
            step=step,
            augment=c.augment,
            crop_size=c.crop_size,
            crop_sound=c.crop_sound,
        )

    def loss(self, step: int) -> Tensor:
        """Loss of one step's batch; the next step's is made in the meantime."""
        c = self.config
        frames, sounds = self.batches(step)
        images, heard = image_batch(frames, self.device), sound_batch(sounds, self.device)
        with autocast(self.device, self.hardware.precision):
            places = self.network.encode_images(images)
            voices = self.network.encode_sounds(heard)
        name = c.warmup_objective if step < c.warmup_steps else c.objective
        ignored = nearest_sounds(voices, c.ignore_nearest)
        return objective(name)(Pairs(places, voices, c.temperature, ignored))

    def take_step(self) -> float:
        """Do one step and return its loss.

        Raises
        ------
        VggssError
            If the loss is not a number.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate(self.step)
        loss = self.loss(self.step)
        value = loss.item()
        if not np.isfinite(value):
            raise VggssError(
                f"loss {value} at step {self.step + 1}: training has diverged; "
                f"try a smaller --lr (it was {self.config.lr}) in another --out"
            )
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.step += 1
        self.losses.append(value)
        return value

    def save(self) -> None:
        """Write checkpoint and loss curve, each whole or not at all."""
        Checkpoint(
            architecture=self.config.architecture,
            model_state_dict=self.network.state_dict(),
            optimizer_state_dict=self.optimiser.state_dict(),
            step=self.step,
            config=self.config.as_dict(),
            hardware=asdict(self.hardware),
            data=self.facts,
            losses=torch.tensor(self.losses, dtype=torch.float64),
            random=torch.get_rng_state(),
            versions=versions(),
        ).write(self.out / CHECKPOINT)
        rows = (f"{i + 1},{loss!r},{self.learning_rate(i)!r}" for i, loss in enumerate(self.losses))
        write_text_atomic(self.out / CURVE, "\n".join(["step,loss,lr", *rows]) + "\n")

    def run(self, report: Callable[[str], None] = lambda _: None) -> TrainSummary:
        """Train to the last step, saving on the way; an interrupt saves before it ends the run."""
        c = self.config
        resumed_at = self.step
        started = time.monotonic()
        with (
            progress_bar(label="training", total=c.steps, unit="step", initial=self.step) as bar,
            deferred_interrupt() as interrupted,
        ):
            while self.step < c.steps and not interrupted():
                loss = self.take_step()
                seconds = time.monotonic() - started
                speed = (self.step - resumed_at) * c.batch_size / seconds
                bar.set_postfix_str(f"loss {loss:.3f}, {speed:.0f} clips/s", refresh=False)
                bar.update()
                if self.step % c.checkpoint_every == 0 and self.step < c.steps:
                    self.save()
            if self.step > resumed_at or not (self.out / CURVE).is_file():
                self.save()
        if self.step < c.steps:
            raise KeyboardInterrupt
        seconds = time.monotonic() - started
        done = self.step - resumed_at
        tail = self.losses[-max(c.steps // 20, 1) :]
        return TrainSummary(
            step=self.step,
            resumed_at=resumed_at,
            loss=float(np.mean(tail)),
            samples_per_s=done * c.batch_size / seconds if done else None,
            config=c,
            hardware=self.hardware,
            parameters=sum(p.numel() for p in self.network.parameters()),
        )


def train(
    config: TrainConfig,
    data: PackedClips,
    out: Path,
    initial: Callable[[LVS], None] = lambda _: None,
) -> TrainSummary:
    """Train, or go on with the run that ``out`` holds.

    Parameters
    ----------
    out : Path
        Gets ``checkpoint.pth`` and ``train.csv``.
    initial : callable
        Changes the fresh network before the first step (pretrained weights).

    Raises
    ------
    VggssError
        If ``out`` holds a run of another configuration or of other data, another process trains
        there, or training diverges.
    """
    out.mkdir(parents=True, exist_ok=True)
    in_use = f"{out}: another process trains there; wait until it has ended, or give another --out"
    with only_one(out / ".train.lock", in_use):
        trainer = Trainer(config, data, out)
        path = out / CHECKPOINT
        if path.exists():
            trainer.resume(read_checkpoint(path))
        else:
            initial(trainer.network)
        return trainer.run()


def refuse_other_config(path: Path, checkpoint: Checkpoint, config: TrainConfig) -> None:
    """Raise ``VggssError`` naming what differs, if a checkpoint has another configuration."""
    differences = config.differences(TrainConfig.from_dict(checkpoint.config))
    if differences:
        raise VggssError(
            f"{path}: a run of another configuration ({'; '.join(differences)}); "
            "give the same options to continue it, or another --out"
        )


def versions() -> dict[str, str]:
    """Return the versions that a checkpoint records."""
    return {
        "vggss-tools": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
        "torchvision": str(torchvision.__version__),
    }


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C back until the step is whole; yields a function that says whether it came."""
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    before = signal.signal(signal.SIGINT, lambda *_: came.set())
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGINT, before)
