"""The network that the field's models share: two ResNet-18 streams and the cosine between them.

What they differ in is a value, :class:`Wiring`, not code: where the streams lose resolution, how
many projection heads stand behind them, and whether the cosine is divided by a temperature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vggss_tools.models.lvs import own_maps
from vggss_tools.models.resnet import ResNet18

WIDTH = 64  # channels of the stem of the published ResNet-18; its features have 8 * 64 = 512


@dataclass(frozen=True, slots=True)
class Wiring:
    """What tells the networks apart.

    Attributes
    ----------
    stride : int
        Pixels per place of the map, of both streams: 16 (LVS and its descendants, 14 x 14 at
        224 px) or 32 (torchvision's own, 7 x 7).
    heads : int
        Pairs of linear projections behind the streams; the map is the mean of their cosines.
        With none, it is the cosine of the features themselves.
    temperature : float
        What the cosine is divided by: 0.03 in EZ-VSL and its descendants, 1 in LVS.
    """

    stride: int = 16
    heads: int = 0
    temperature: float = 1.0


class TwoStream(nn.Module):
    """Two streams, their heads, and the map between them.

    Parameters
    ----------
    wiring : Wiring
    dim : int
        Width of the heads.
    """

    def __init__(self, wiring: Wiring, dim: int = 512) -> None:
        super().__init__()
        self.wiring = wiring
        self.image = ResNet18(WIDTH, in_channels=3, stride=wiring.stride)
        self.sound = ResNet18(WIDTH, in_channels=1, stride=wiring.stride)
        features = self.image.out_channels
        self.image_heads = nn.ModuleList(nn.Conv2d(features, dim, 1) for _ in range(wiring.heads))
        self.sound_heads = nn.ModuleList(nn.Linear(features, dim) for _ in range(wiring.heads))

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) normalised pictures -> (B, c, h, w), unit length at every place."""
        return _unit(self.image(images).float(), self.image_heads)

    def encode_sounds(self, spectrograms: Tensor) -> Tensor:
        """(B, 1, frequencies, frames) -> (B, c), unit length. Any number of frames."""
        return _unit(self.sound(spectrograms).float().amax(dim=(2, 3)), self.sound_heads)

    def forward(self, images: Tensor, spectrograms: Tensor) -> Tensor:
        """Return the map of each pair, cosine / temperature: (B, h, w), row 0 = top."""
        maps = own_maps(self.encode_images(images), self.encode_sounds(spectrograms))
        return maps / self.wiring.temperature


def _unit(features: Tensor, heads: nn.ModuleList) -> Tensor:
    """Normalise features, or the outputs of heads, side by side, along the channels.

    Side by side and each divided by the root of their number, they are one vector of unit length,
    and the cosine of two of them is the mean of the heads' cosines.
    """
    if not len(heads):
        return F.normalize(features, dim=1)
    outputs = [F.normalize(head(features), dim=1) for head in heads]
    return torch.cat(outputs, dim=1) / math.sqrt(len(outputs))
