"""Training of the sample world's detector, from scratch, on scenes of seeds that nobody is given.

Every step's randomness comes from (seed, step) alone, so a run that was killed and continued
sees what an undisturbed one does.
"""

from __future__ import annotations

import math
import pickle
import platform
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor
from torchvision.models.detection import FasterRCNN

from vggss_tools import __version__
from vggss_tools.atomic import atomic_path, write_json_atomic
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.progress import progress_bar
from vggss_tools.propose.detector import DetectorCard
from vggss_tools.propose.sample_detector import (
    SampleDetector,
    read_network,
    torch_bytes,
    write_weights,
)
from vggss_tools.propose.sample_examples import (
    OBJECT_CLASSES,
    Examples,
    render_examples,
    score_candidates,
)
from vggss_tools.propose.sample_network import build_network, parameter_count
from vggss_tools.propose.sample_weights import SCHEMA, card_path, read_card
from vggss_tools.propose.stage import SCORE_THRESHOLD
from vggss_tools.sample.world import WORLD_VERSION

BATCH_SIZE = 16
PEAK_RATE = 2e-3
WARM_UP = 0.05  # share of the steps
WEIGHT_DECAY = 0.01
MAX_GRADIENT = 10.0  # norm; a few early steps would otherwise throw the network far off
CHECKPOINT_EVERY = 100  # steps, about a quarter of a minute
FRAMES_PER_SCENE = 2

HELD_OUT_SCENES = 200


@dataclass(frozen=True, slots=True)
class DetectorTraining:
    """All that decides what the trained weights are.

    Attributes
    ----------
    seed : int
        Seed of the training scenes and of the training; ``seed + 1`` is held out for scoring.
    scenes : int
        Scenes to render, two frames of each.
    steps : int
        Batches of 16 frames.
    precision : str
        ``bfloat16`` (convolutions and matrix products) or ``float32``.
    """

    seed: int = 1000
    scenes: int = 2000
    steps: int = 2000
    precision: str = "float32"
    world_version: int = WORLD_VERSION


def learning_rate(step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    done = (step + 1) / steps
    if done < WARM_UP:
        return PEAK_RATE * done / WARM_UP
    return PEAK_RATE * 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


def make_batch(
    examples: Examples, seed: int, step: int
) -> tuple[list[Tensor], list[dict[str, Tensor]]]:
    """Choose and vary the frames of one step.

    Each epoch goes through all examples in an order of its own. A frame may be mirrored, may
    have its colour channels exchanged (no class has a colour of its own), and is made darker or
    brighter, flatter or harder.
    """
    rng = np.random.default_rng([seed, 1, step])
    images: list[Tensor] = []
    targets: list[dict[str, Tensor]] = []
    for position in range(step * BATCH_SIZE, (step + 1) * BATCH_SIZE):
        epoch, place = divmod(position, len(examples))
        row = int(_order(seed, epoch, len(examples))[place])
        image = examples.images[row].astype(np.float32) / 255
        boxes = examples.boxes[row].copy()
        if rng.random() < 0.5:
            image = image[:, ::-1]
            boxes[:, [0, 2]] = image.shape[1] - boxes[:, [2, 0]]
        if rng.random() < 0.5:
            image = image[..., rng.permutation(3)]
        image = (image - 0.5) * rng.uniform(0.7, 1.3) + 0.5 + rng.uniform(-0.12, 0.12)
        chw = np.ascontiguousarray(image.clip(0, 1).transpose(2, 0, 1), dtype=np.float32)
        images.append(torch.from_numpy(chw))
        labels = torch.from_numpy(examples.labels[row])
        targets.append({"boxes": torch.from_numpy(boxes), "labels": labels})
    return images, targets


@lru_cache(maxsize=2)  # a batch may straddle two epochs
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """Return the order in which one epoch goes through the examples."""
    return np.random.default_rng([seed, 2, epoch]).permutation(count)


class DetectorTrainer:
    """The network, its optimiser, and where they stand."""

    def __init__(self, config: DetectorTraining, examples: Examples) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.examples = examples
        self.facts = {**asdict(config), "examples": examples.fingerprint()}
        self.network: FasterRCNN = build_network(len(OBJECT_CLASSES))
        self.network.to(memory_format=torch.channels_last)
        matrices = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": WEIGHT_DECAY},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=PEAK_RATE,
        )
        self.step = 0
        self.recent: list[float] = []  # losses of the last hundred steps

    def take_step(self) -> float:
        """Do one step and return its loss.

        Raises
        ------
        VggssError
            If the loss is not a number.
        """
        config, network = self.config, self.network
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.step, config.steps)
        images, targets = make_batch(self.examples, config.seed, self.step)
        network.train()
        torch.manual_seed(config.seed * 1_000_003 + self.step)  # torchvision samples RoIs
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bfloat16"):
            losses = network(images, targets)
        loss = torch.stack(list(losses.values())).sum()
        value = loss.item()
        if not math.isfinite(value):
            raise VggssError(
                f"loss {value} at step {self.step + 1}: training has diverged; "
                "try another --seed, or --precision float32"
            )
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT)
        self.optimiser.step()
        self.step += 1
        self.recent = [*self.recent[-99:], value]
        return value

    def save(self, path: Path) -> None:
        """Write everything that is needed to go on."""
        state = {
            "config": self.facts,
            "step": self.step,
            "recent": self.recent,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        with atomic_path(path) as part:
            part.write_bytes(torch_bytes(state))

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises
        ------
        InvalidInput
            If it is no such checkpoint.
        VggssError
            If it is of another configuration.
        """
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            config, step = state["config"], int(state["step"])
        except (RuntimeError, EOFError, KeyError, TypeError, pickle.UnpicklingError) as error:
            raise InvalidInput(
                f"{path}: not a checkpoint of `vggss train-detector` "
                f"({type(error).__name__}); remove it to start anew"
            ) from None
        changed = [name for name, value in self.facts.items() if config.get(name) != value]
        if changed:
            raise VggssError(
                f"{path}: a training with other {', '.join(changed)}; give the same options to "
                "continue it, or remove it to start anew"
            )
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.recent = step, list(state["recent"])


def checkpoint_path(out: Path) -> Path:
    """Return where a training that is under way keeps its state."""
    return out.with_name(f"{out.name}.checkpoint")


def finished(out: Path, config: DetectorTraining) -> dict[str, Any] | None:
    """Return the card at ``out`` if it holds just this training's weights."""
    if not (out.is_file() and card_path(out).is_file()):
        return None
    card = read_card(out)
    return card if card.get("training") == asdict(config) else None


def train_detector(
    config: DetectorTraining,
    out: Path,
    *,
    held_out: int = HELD_OUT_SCENES,
    workers: int | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train, or go on training, and write the weights and their card.

    Parameters
    ----------
    out : Path
        Weights file; its card gets the same name with ``.json``. While training lasts, its state
        is beside it under ``.checkpoint``.
    held_out : int
        Scenes of the next seed to score the result on.
    workers : int, optional
        Processes that render; default: one a core.
    report : callable
        Is told in a line what goes on.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    VggssError
        If training diverges, or the checkpoint beside ``out`` is of another configuration.
    """
    if (card := finished(out, config)) is not None:
        report(f"{out}: already trained with these options")
        return card
    report(f"rendering {config.scenes} scenes of seed {config.seed}")
    examples = render_examples(config.seed, config.scenes, FRAMES_PER_SCENE, workers)
    trainer = DetectorTrainer(config, examples)
    checkpoint = checkpoint_path(out)
    if checkpoint.exists():
        trainer.resume(checkpoint)
        report(f"going on after step {trainer.step}")
    with progress_bar(
        label="training", total=config.steps, unit="step", initial=trainer.step
    ) as bar:
        while trainer.step < config.steps:
            trainer.take_step()
            bar.set_postfix_str(f"loss {np.mean(trainer.recent):.3f}", refresh=False)
            bar.update()
            if trainer.step % CHECKPOINT_EVERY == 0:
                trainer.save(checkpoint)
    sha256 = write_weights(trainer.network, out)
    # Score what was written, in its half precision, not what is in memory.
    detector_card = DetectorCard("sample", OBJECT_CLASSES, sha256)
    detector = SampleDetector(detector_card, read_network(out, detector_card))
    score = score_candidates(detector, config.seed + 1, held_out, SCORE_THRESHOLD)
    card = {
        "schema": SCHEMA,
        "name": "sample",
        "classes": list(OBJECT_CLASSES),
        "sha256": sha256,
        "bytes": out.stat().st_size,
        "parameters": parameter_count(trainer.network),
        "training": asdict(config),
        "examples": trainer.facts["examples"],
        "command": shlex.join(
            f"vggss train-detector --out {out.name} --seed {config.seed} "
            f"--scenes {config.scenes} --steps {config.steps} "
            f"--precision {config.precision}".split()
        ),
        "loss": round(float(np.mean(trainer.recent)), 4),
        "held_out": {
            "seed": config.seed + 1,
            "split": "test",
            "scenes": held_out,
            "score_threshold": SCORE_THRESHOLD,
            **score.as_json(),
        },
        "versions": {
            "vggss-tools": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": str(torch.__version__),
            "torchvision": str(torchvision.__version__),
        },
    }
    write_json_atomic(card_path(out), card)
    checkpoint.unlink(missing_ok=True)
    return card
