"""Weights in MMDetection's format and pictures, made by rule: equal wherever NumPy is."""

from __future__ import annotations

import zlib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vggss_tools.propose.mmdet_network import AlignedRoIPool

WIDTHS = (64, 128, 256, 512)
BLOCKS = (3, 4, 6, 3)
SEED = 7


class Rule(NamedTuple):
    """How the weights are made.

    Attributes
    ----------
    branch : float
        How much each block of the ResNet adds to what comes in. With 0.5, rounding grows from
        block to block: in bfloat16 features are 9 to 15% off, with 0.05 they are 1.5%.
    class_spread : float
        Standard deviation of the class scores before the softmax.
    background_lead : float
        How far the background is ahead of the classes.
    """

    branch: float
    class_spread: float
    background_lead: float


# A hundred detections a picture, of many classes and sizes: to compare with MMDetection.
SENSITIVE = Rule(0.5, 3.0, 9.0)
# Some tens, of scores that are far apart: rounding does what it does in a trained network.
CALM = Rule(0.05, 8.0, 38.0)


def shapes(n_classes: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of MMDetection's Faster R-CNN R50-FPN."""
    found: dict[str, tuple[int, ...]] = {}

    def layer(name: str, *shape: int, bias: bool = True) -> None:
        found[f"{name}.weight"] = shape
        if bias:
            found[f"{name}.bias"] = shape[:1]

    def norm(name: str, width: int) -> None:
        layer(name, width)
        found[f"{name}.running_mean"] = found[f"{name}.running_var"] = (width,)
        found[f"{name}.num_batches_tracked"] = ()

    layer("backbone.conv1", 64, 3, 7, 7, bias=False)
    norm("backbone.bn1", 64)
    before = 64
    for stage, (width, blocks) in enumerate(zip(WIDTHS, BLOCKS, strict=True), start=1):
        for block in range(blocks):
            at = f"backbone.layer{stage}.{block}"
            sizes = ((width, before, 1, 1), (width, width, 3, 3), (4 * width, width, 1, 1))
            for index, size in enumerate(sizes, start=1):
                layer(f"{at}.conv{index}", *size, bias=False)
                norm(f"{at}.bn{index}", size[0])
            if block == 0:
                layer(f"{at}.downsample.0", 4 * width, before, 1, 1, bias=False)
                norm(f"{at}.downsample.1", 4 * width)
            before = 4 * width
    for level, width in enumerate(WIDTHS):
        layer(f"neck.lateral_convs.{level}.conv", 256, 4 * width, 1, 1)
        layer(f"neck.fpn_convs.{level}.conv", 256, 256, 3, 3)
    layer("rpn_head.rpn_conv", 256, 256, 3, 3)
    layer("rpn_head.rpn_cls", 3, 256, 1, 1)
    layer("rpn_head.rpn_reg", 12, 256, 1, 1)
    layer("roi_head.bbox_head.fc_cls", n_classes + 1, 1024)
    layer("roi_head.bbox_head.fc_reg", 4 * n_classes, 1024)
    layer("roi_head.bbox_head.shared_fcs.0", 1024, 256 * 7 * 7)
    layer("roi_head.bbox_head.shared_fcs.1", 1024, 1024)
    return found


@cache
def make_state(n_classes: int = 601, seed: int = SEED, rule: Rule = SENSITIVE) -> dict[str, Tensor]:
    """Weights that find something: He's rule, then norms and heads set by one picture.

    Without that all regions would look alike, and one class would win everywhere.
    """
    state = {}
    for name, shape in shapes(n_classes).items():
        random = np.random.default_rng([seed, zlib.crc32(name.encode())])
        state[name] = torch.from_numpy(_values(name, shape, random, rule))
    with torch.inference_mode():
        _calibrate(state, rule)
    return {name: value.clone() for name, value in state.items()}


def _values(
    name: str, shape: tuple[int, ...], random: np.random.Generator, rule: Rule
) -> NDArray[Any]:
    if name.endswith("num_batches_tracked"):
        return np.array(1000)
    if name.endswith("bias"):
        return 0.05 * random.standard_normal(shape, dtype=np.float32)
    if len(shape) == 1:
        level = np.float32(rule.branch if ".bn3" in name else 1)
        return level * (0.75 + 0.5 * random.random(shape, dtype=np.float32))
    gain = np.float32((2 / np.prod(shape[1:])) ** 0.5)
    return random.standard_normal(shape, dtype=np.float32) * gain


def _calibrate(state: dict[str, Tensor], rule: Rule) -> None:
    """Set norms to the moments of one picture, and centre and scale what the heads say of it."""
    picture = torch.from_numpy(make_picture(320, 448, SEED)).permute(2, 0, 1)[None].float()
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    x = (picture - mean[:, None, None]) / std[:, None, None]

    def convolve(name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        bias = state.get(f"{name}.bias")
        return F.conv2d(x, weight, bias, stride, padding=weight.shape[-1] // 2)

    def normalise(name: str, x: Tensor) -> Tensor:
        spread, centre = torch.var_mean(x, dim=(0, 2, 3))
        state[f"{name}.running_mean"], state[f"{name}.running_var"] = centre, spread
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        return F.batch_norm(x, centre, spread, weight, bias, eps=1e-5)

    def set_head(name: str, x: Tensor, outputs: int, spread: float) -> None:
        weight = state[f"{name}.weight"].flatten(1)
        said = x @ weight.T
        grouped = said.reshape(-1, weight.shape[0] // outputs, outputs)
        scale = spread / grouped.std(dim=(0, 1)).repeat(weight.shape[0] // outputs)
        state[f"{name}.weight"] *= scale.reshape(-1, *[1] * (state[f"{name}.weight"].ndim - 1))
        state[f"{name}.bias"] = -said.mean(dim=0) * scale

    x = normalise("backbone.bn1", convolve("backbone.conv1", x, 2)).relu()
    x = F.max_pool2d(x, 3, 2, 1)
    levels = []
    for stage, blocks in enumerate(BLOCKS, start=1):
        for block in range(blocks):
            at = f"backbone.layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = normalise(f"{at}.bn1", convolve(f"{at}.conv1", x)).relu()
            y = normalise(f"{at}.bn2", convolve(f"{at}.conv2", y, stride)).relu()
            y = normalise(f"{at}.bn3", convolve(f"{at}.conv3", y))
            if block == 0:
                x = normalise(f"{at}.downsample.1", convolve(f"{at}.downsample.0", x, stride))
            x = (x + y).relu()
        levels.append(x)
    merged = [convolve(f"neck.lateral_convs.{i}.conv", level) for i, level in enumerate(levels)]
    for i in (2, 1, 0):
        merged[i] = merged[i] + F.interpolate(merged[i + 1], merged[i].shape[-2:])
    pyramid = [convolve(f"neck.fpn_convs.{i}.conv", level) for i, level in enumerate(merged)]

    hidden = [convolve("rpn_head.rpn_conv", level).relu() for level in pyramid]
    seen = torch.cat([level.permute(0, 2, 3, 1).reshape(-1, 256) for level in hidden])
    set_head("rpn_head.rpn_cls", seen, 3, 2.0)
    set_head("rpn_head.rpn_reg", seen, 4, 0.25)

    corner = torch.from_numpy(np.random.default_rng(SEED).random((300, 4), dtype=np.float32))
    top_left = corner[:, :2] * torch.tensor([400.0, 280.0])
    regions = torch.cat([top_left, top_left + 8 + 300 * corner[:, 2:] ** 2], dim=1)
    features = {str(index): level for index, level in enumerate(pyramid)}
    pooled = AlignedRoIPool()(features, [regions], []).flatten(1)
    at = "roi_head.bbox_head"
    for index in (0, 1):
        set_head(f"{at}.shared_fcs.{index}", pooled, 1, 1.0)
        layer = (state[f"{at}.shared_fcs.{index}.{part}"] for part in ("weight", "bias"))
        pooled = F.linear(pooled, *layer).relu()
    set_head(f"{at}.fc_cls", pooled, 1, rule.class_spread)
    set_head(f"{at}.fc_reg", pooled, 4, 0.7)
    state[f"{at}.fc_cls.bias"][-1] += rule.background_lead


def save_checkpoint(path: Path, state: dict[str, Tensor], **meta: Any) -> Path:
    """Write weights as MMDetection does, with a ``meta`` of plain values."""
    torch.save({"meta": {"epoch": 12, "iter": 163_332, **meta}, "state_dict": state}, path)
    return path


def make_picture(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Overlapping plain and striped rectangles on a ramp; integers only."""
    random = np.random.default_rng([seed, height, width])
    y, x = np.mgrid[:height, :width]
    ramp = (x * 3 + y * 2) % 251
    picture = np.stack([ramp, (ramp * 2) % 256, 255 - ramp], axis=2).astype(np.uint8)
    for _ in range(12):
        top, left = random.integers(0, height), random.integers(0, width)
        bottom = min(top + random.integers(height // 8 + 1, height // 2 + 2), height)
        right = min(left + random.integers(width // 8 + 1, width // 2 + 2), width)
        colour = random.integers(0, 256, 3)
        stripes = (x[top:bottom, left:right] // random.integers(3, 40)) % 2
        patch = colour[None, None, :] * (1 + stripes[:, :, None]) // 2
        picture[top:bottom, left:right] = patch.astype(np.uint8)
    return picture
