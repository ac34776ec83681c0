"""Checkpoints: one file with everything that a training run needs to continue or to be used.

Read with ``torch.load(weights_only=True)``: plain containers and tensors, no code. Written whole
or not at all, and byte-deterministic: equal runs leave equal files.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vggss_tools.atomic import atomic_path
from vggss_tools.errors import InvalidInput
from vggss_tools.models.lvs import LVS, Architecture
from vggss_tools.models.torch_file import read_torch_file

SCHEMA = "vggss-checkpoint/1"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a run after ``step`` steps.

    Attributes
    ----------
    architecture : Architecture
        What the weights belong to.
    model_state_dict : dict of tensors
        Weights and running statistics.
    optimizer_state_dict : dict
        The optimiser's own state; both names are those of most published checkpoints.
    step : int
        Steps done.
    config : dict
        The training configuration as asked for, in plain values.
    hardware : dict
        What ``auto`` became: device, precision, threads.
    data : dict
        ``split``, ``clips`` (count) and ``fingerprint`` (sha256) of the training data.
    losses : float64 tensor (step,)
        The loss of every step so far.
    random : uint8 tensor
        State of torch's generator.
    versions : dict
        Versions of what made it.
    """

    architecture: Architecture
    model_state_dict: dict[str, Tensor]
    optimizer_state_dict: dict[str, Any]
    step: int
    config: dict[str, Any]
    hardware: dict[str, Any]
    data: dict[str, Any]
    losses: Tensor
    random: Tensor
    versions: dict[str, str]

    def write(self, path: Path) -> None:
        """Write the file atomically."""
        content = {name: getattr(self, name) for name in self.__slots__}
        content["architecture"] = {
            name: getattr(self.architecture, name) for name in Architecture.__slots__
        }
        # Into memory first: torch.save puts the file's name into the file, and ours is temporary.
        buffer = io.BytesIO()
        torch.save(_plain({"schema": SCHEMA, **content}), buffer)
        with atomic_path(path) as part:
            part.write_bytes(buffer.getbuffer())

    def build(self) -> LVS:
        """Return the network with these weights, ready to predict."""
        network = LVS(self.architecture)
        network.load_state_dict(self.model_state_dict)
        return network.eval()


def read_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint of ``vggss train``, onto the CPU.

    Raises
    ------
    VggssError
        If there is no such file.
    InvalidInput
        If it is not such a checkpoint, is damaged, or is of another version.
    """
    path = Path(path)
    return as_checkpoint(read_torch_file(path), path)


def is_checkpoint(content: Mapping[str, Any]) -> bool:
    """Whether a file of this content was written by ``vggss train``, in whatever version."""
    return str(content.get("schema", "")).startswith(SCHEMA.partition("/")[0])


def as_checkpoint(content: Mapping[str, Any], path: Path) -> Checkpoint:
    """Do as :func:`read_checkpoint`, with a file's content; ``path`` is for messages."""
    if content.get("schema") != SCHEMA:
        raise InvalidInput(
            f"{path}: not a checkpoint of `vggss train` ({SCHEMA}); give the checkpoint.pth that "
            "it wrote"
        )
    try:
        values = {name: content[name] for name in Checkpoint.__slots__}
        values["architecture"] = Architecture(**values["architecture"])
        return Checkpoint(**values)
    except (KeyError, TypeError) as error:
        raise InvalidInput(f"{path}: incomplete checkpoint ({error}); train again") from None


def _plain(value: Any) -> Any:
    """Copy nested values in the one form that makes equal states equal files.

    Tensors go to the CPU. Strings are interned: pickle writes a string once and refers back to
    that object, so whether two equal strings are one object would show in the bytes.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    return value
