"""What ``auto`` means: the device, the precision and the threads of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from vggss_tools.errors import VggssError
from vggss_tools.models.precision import native_precision

if TYPE_CHECKING:
    from vggss_tools.train.config import TrainConfig


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a run computes on; decided at its start, kept in its checkpoints, not decided again.

    Attributes
    ----------
    device : str
        As torch names it.
    precision : str
        Of the convolutions: ``float32`` or ``bfloat16``.
    threads : int
        CPU threads; another number adds up in another order, and gives other last bits.
    """

    device: str
    precision: str
    threads: int


def choose_device(name: str) -> torch.device:
    """``auto`` is the GPU where there is one, else the CPU; a device that is absent is one line."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise VggssError(f"{name}: no such device; choose auto, cpu or cuda") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise VggssError(
            f"{name}: torch finds no CUDA GPU here (torch {torch.__version__}); "
            "use --device cpu, or install a CUDA build of torch"
        )
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """``auto`` is bfloat16 where the hardware has it, else float32.

    On a CPU see :func:`~vggss_tools.models.precision.native_precision`.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return native_precision()


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Context in which convolutions run at ``precision``."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def resolve(config: TrainConfig) -> Hardware:
    """Decide what the configuration left open."""
    device = choose_device(config.device)
    return Hardware(
        device=str(device),
        precision=choose_precision(config.precision, device),
        threads=config.threads or torch.get_num_threads(),
    )
