"""What ``auto`` means: the device, the precision and the threads of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from vggss_tools.errors import VggssError

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

    On a CPU that means native bfloat16 products (AVX512-BF16 or AMX): there, with channels last,
    a training step took 0.6 of the time of float32; emulated, it is slower. The choice goes by
    the processor's abilities, not by a stopwatch, so that two runs on one machine agree.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    native: dict[str, bool] = getattr(
        torch.cpu, "get_capabilities", dict
    )()  # absent before torch 2.10
    return "bfloat16" if native.get("avx512_bf16") or native.get("amx_bf16") else "float32"


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
