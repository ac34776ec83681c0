"""What a training run is told: one frozen value, stored in every checkpoint."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.models.lvs import Architecture
from vggss_tools.models.objectives import TEMPERATURE, objective
from vggss_tools.models.resnet import width_of
from vggss_tools.models.spectrogram import spectrogram

AUTO = "auto"
PRECISIONS = (AUTO, "float32", "bfloat16")
SEEDS = 2**63  # generators take 64 bits, one of them for the sign


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Configuration of a run; the defaults are the paper's, section 5.3, where it says anything.

    Attributes
    ----------
    split : str
        Clips to learn from. Their boxes are never read.
    objective : str
        A name of ``objectives.OBJECTIVES``.
    warmup_objective, warmup_steps : str, int
        Objective of the first steps. From scratch the tri-map has nothing to threshold: cosines
        of untrained features lie far from 0.65 and 0.4, and ``lvs`` alone starts badly.
    temperature : float
        Divides the similarities; not used by ``lvs-paper``.
    backbone, size, stride, spectrogram
        See ``models.lvs.Architecture``.
    image_weights : str
        ``none``, ``imagenet``, or ``<file name>@<sha256, 12 digits>`` of given weights.
    steps, batch_size, lr, weight_decay
        Adam; the learning rate follows half a cosine to 0.
    ramp_steps : int
        Steps over which the learning rate rises from 0 at the start.
    augment : float
        Strength of the augmentation; 0 = none, 1 = full.
    crop_size : int
        Side of the pictures in training, in pixels; 0 = ``size``. Smaller ones zoomed in cost
        less and show objects at about the scale of testing.
    crop_sound : float
        Share of a sound that is heard in one step.
    ignore_nearest : float
        Share of the other clips of a batch, those that sound most alike, that are no negatives.
    seed : int
        Fixes the initial weights, the order of the clips and every augmentation.
    checkpoint_every : int
        Steps between checkpoints: at most that many are lost at a kill.
    device, precision, threads
        ``auto`` (threads: 0) is decided once, at the start, and kept when resuming.
    """

    split: str = "train"
    objective: str = "lvs"
    warmup_objective: str = "max-pool"
    warmup_steps: int = 0
    temperature: float = TEMPERATURE
    backbone: str = "resnet18"
    size: int = 224
    stride: int = 16
    spectrogram: str = "lvs-code"
    image_weights: str = "none"
    steps: int = 1000
    batch_size: int = 256
    lr: float = 1e-4
    weight_decay: float = 0.0
    ramp_steps: int = 0
    augment: float = 1.0
    crop_size: int = 0
    crop_sound: float = 1.0
    ignore_nearest: float = 0.0
    seed: int = 0
    checkpoint_every: int = 100
    device: str = AUTO
    precision: str = AUTO
    threads: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be run, in one line."""
        objective(self.objective)
        objective(self.warmup_objective)
        width_of(self.backbone)
        spectrogram(self.spectrogram)
        for name in ("size", "steps", "batch_size", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise VggssError(f"{name} {getattr(self, name)}: too small; give at least 1")
        if self.batch_size < 2:
            raise VggssError("batch size 1: learning compares clips; give at least 2")
        # Written so that nan, which compares with nothing, is refused.
        if not 0 < self.lr < math.inf:
            raise VggssError(f"lr {self.lr}: not positive and finite; the paper's is 1e-4")
        if not 0 < self.temperature < math.inf:
            raise VggssError(
                f"temperature {self.temperature}: not positive and finite; "
                f"the usual one is {TEMPERATURE}"
            )
        for name in ("weight_decay", "augment"):
            if not 0 <= getattr(self, name) < math.inf:
                raise VggssError(
                    f"{name} {getattr(self, name)}: not a finite number from 0; 0 is none"
                )
        if not 0 <= self.seed < SEEDS:
            raise VggssError(f"seed {self.seed}: out of range; give one from 0 to 2**63 - 1")
        if self.crop_size and not 32 <= self.crop_size <= self.size:
            raise VggssError(f"crop_size {self.crop_size}: give 32 to size ({self.size}), or 0")
        if not 0.1 <= self.crop_sound <= 1:
            raise VggssError(f"crop_sound {self.crop_sound}: give a share from 0.1 to 1")
        if not 0 <= self.ignore_nearest <= 0.5:
            raise VggssError(f"ignore_nearest {self.ignore_nearest}: give a share from 0 to 0.5")
        if self.precision not in PRECISIONS:
            raise VggssError(f"{self.precision}: no such precision; choose {', '.join(PRECISIONS)}")

    @property
    def architecture(self) -> Architecture:
        """The network that this trains."""
        return Architecture(self.backbone, self.size, self.stride, self.spectrogram)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainConfig:
        """Read :meth:`as_dict` back; another version's keys are refused in one line."""
        try:
            return cls(**values)
        except TypeError as error:
            raise InvalidInput(
                f"training configuration: of another version of vggss-tools ({error}); "
                "train again in another --out"
            ) from None

    def differences(self, other: TrainConfig) -> list[str]:
        """Fields that differ, as ``name: here, not there``."""
        pairs = ((f.name, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return [f"{name} {a!r}, not {b!r}" for name, a, b in pairs if a != b]
