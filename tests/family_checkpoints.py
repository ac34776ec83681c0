"""Checkpoints of the published families, made by a rule: real names and shapes, no training.

A weight's values depend on its name and shape alone (NumPy's PCG64, seeded with the name), so
that anyone can make the same network anywhere, and the golden maps hold everywhere.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.models import resnet18

Shapes = dict[str, tuple[int, ...]]
DIM = 512


def random_of(name: str) -> np.random.Generator:
    """Return the generator that belongs to a name."""
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "big")))


def value_of(name: str, shape: tuple[int, ...]) -> Tensor:
    """Return a weight: of the size that keeps a network's signal alive."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(7)
    random = random_of(name)
    if name.endswith("running_var"):
        values = random.uniform(0.5, 1.5, shape)
    else:
        values = random.standard_normal(shape)
        if len(shape) > 1:  # convolutions and matrices, as He and others
            values *= np.sqrt(2 / np.prod(shape[1:]))
        else:
            values *= 0.1
            if name.endswith("weight"):  # of a batch normalisation
                values += 1
    return torch.from_numpy(values.astype(np.float32))


def _resnet18_shapes() -> Shapes:
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in resnet18().state_dict().items()}


def _torchvision_stream(channels: int) -> Shapes:
    shapes = {name: s for name, s in _resnet18_shapes().items() if not name.startswith("fc.")}
    return {**shapes, "conv1.weight": (64, channels, 7, 7)}


def _lvs_stream() -> Shapes:
    """A stream that carries a first convolution for each kind of input, and a classifier."""
    extra = {f"conv1{end}.weight": (64, n, 7, 7) for end, n in (("_a", 1), ("", 3), ("_flow", 6))}
    return {**_resnet18_shapes(), **extra}


def _under(**parts: Shapes) -> Shapes:
    return {f"{part}.{name}": s for part, shapes in parts.items() for name, s in shapes.items()}


def _linear(wide: int = DIM) -> Shapes:
    return {"weight": (wide, 512), "bias": (wide,)}


def _convolution(wide: int = DIM) -> Shapes:
    return {"weight": (wide, 512, 1, 1), "bias": (wide,)}


def _lvs() -> Shapes:
    return _under(imgnet=_lvs_stream(), audnet=_lvs_stream())


def _ezvsl() -> Shapes:
    return _under(
        imgnet=_torchvision_stream(3),
        img_proj=_convolution(),
        audnet=_torchvision_stream(1),
        aud_proj=_linear(),
    )


def _slavc() -> Shapes:
    copy = _under(
        imgnet=_torchvision_stream(3),
        img_proj1=_convolution(),
        img_proj2=_convolution(),
        audnet=_torchvision_stream(1),
        aud_proj1=_linear(),
        aud_proj2=_linear(),
    )
    return {**copy, **{f"momentum_{name}": shape for name, shape in copy.items()}}


def _ssltie() -> Shapes:
    norm: Shapes = dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (1,))
    return {
        **_lvs(),
        **_under(
            vision_fc1={"weight": (512, 1024, 1, 1), "bias": (512,)},
            conv3={"weight": (1, 1, 1, 1), "bias": (1,)},
            norm3={**norm, "num_batches_tracked": ()},
        ),
    }


def _sslalign() -> Shapes:
    return {**_ssltie(), **_under(img_proj=_linear(), aud_proj=_linear())}


# FNAC's and MarginNCE's are EZ-VSL's.
SHAPES: dict[str, Callable[[], Shapes]] = {
    "lvs": _lvs,
    "ezvsl": _ezvsl,
    "slavc": _slavc,
    "ssltie": _ssltie,
    "sslalign": _sslalign,
}


def family_weights(family: str) -> OrderedDict[str, Tensor]:
    """Return the rule's weights of a family, under their bare names."""
    return weights_by_rule(SHAPES[family]())


def weights_by_rule(shapes: Mapping[str, tuple[int, ...]]) -> OrderedDict[str, Tensor]:
    """Return the rule's weights for given names and shapes."""
    return OrderedDict((name, value_of(name, shape)) for name, shape in shapes.items())


def as_published(family: str, weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return what the family's training code would have saved, the best score as it has it."""
    parallel = {f"module.{name}": value for name, value in weights.items()}
    score = np.float64(0.25)
    if family == "lvs":
        return {"epoch": 3, "model_state_dict": parallel, "optimizer_state_dict": {}}
    if family == "ssltie":
        return {"epoch": 3, "state_dict": dict(weights), "best_miou": score, "iteration": 9}
    if family == "sslalign":
        return {"epoch": 3, "model_state_dict": dict(weights), "optimizer_state_dict": {}}
    if family == "slavc":
        return {"model": parallel, "epoch": 3, "best_Precision": score, "best_AP": score}
    return {"model": parallel, "epoch": 3, "best_cIoU": score, "best_Auc": score}


def write_family_checkpoint(path: Path, family: str, **changed: Tensor) -> Path:
    """Write a family's checkpoint, as its training code would have."""
    torch.save(as_published(family, {**family_weights(family), **changed}), path)
    return path


def seeded_inputs(
    pairs: int = 2, frequencies: int = 257, frames: int = 200
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return pictures (n, 3, 224, 224) and spectrograms (n, 1, f, t), of the size of real ones."""
    pictures = random_of("pictures").standard_normal((pairs, 3, 224, 224))
    # Coarse blocks over fine noise: a picture without structure has the same map everywhere.
    blocks = random_of("blocks").standard_normal((pairs, 3, 7, 7)).repeat(32, 2).repeat(32, 3)
    sounds = random_of("sounds").standard_normal((pairs, 1, frequencies, frames)) * 0.1 - 1
    return (0.3 * pictures + blocks).astype(np.float32), sounds.astype(np.float32)


def made_picture(width: int, height: int) -> NDArray[np.uint8]:
    """Return a picture of blocks and noise, (height, width, 3)."""
    random = random_of(f"picture {width}x{height}")
    blocks = random.uniform(0, 220, (-(-height // 20), -(-width // 20), 3))
    whole = blocks.repeat(20, 0).repeat(20, 1)[:height, :width]
    return (whole + random.uniform(0, 35, whole.shape)).astype(np.uint8)


def made_sound(seconds: float) -> NDArray[np.float32]:
    """Return a rising tone with noise that swells, mono at 16 kHz, on the steps of PCM-16."""
    time = np.arange(round(seconds * 16_000)) / 16_000
    tone = 0.4 * np.sin(2 * np.pi * (200 + 150 * time) * time)
    noise = random_of(f"sound {seconds}").standard_normal(len(time)) * 0.02 * time
    return (np.rint((tone + noise).clip(-1, 1) * 32_767) / 32_768).astype(np.float32)
