"""The two-stream network of "Localizing Visual Sounds the Hard Way" (LVS), section 3.

One ResNet-18 sees the frame, another the spectrogram. The sound becomes one vector (global max
pool), every place of the frame becomes one vector, and the localisation map is their cosine.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vggss_tools.models.resnet import ResNet18, width_of


@dataclass(frozen=True, slots=True)
class Architecture:
    """What fixes the network's shape; the small and the full one differ in these values only.

    Attributes
    ----------
    backbone : str
        A name of ``resnet.WIDTHS``, for both streams: they share the embedding's width.
    size : int
        Side of the square picture, in pixels.
    stride : int
        Pixels per place of the map: 16 as in LVS (14 x 14 at 224 px), or 8.
    spectrogram : str
        A name of ``spectrogram.SPECTROGRAMS``.
    """

    backbone: str = "resnet18"
    size: int = 224
    stride: int = 16
    spectrogram: str = "lvs-code"

    @property
    def map_size(self) -> int:
        """Side of the localisation map."""
        return -(-self.size // self.stride)


class LVS(nn.Module):
    """Two streams and the cosine between them.

    Features of both streams come after a ReLU, so every cosine lies in 0..1.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        width = width_of(architecture.backbone)
        self.image = ResNet18(width, in_channels=3, stride=architecture.stride)
        self.sound = ResNet18(width, in_channels=1, stride=16)

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, 3, size, size) normalised pictures -> (B, c, h, w), unit length at every place."""
        return F.normalize(self.image(images).float(), dim=1)

    def encode_sounds(self, spectrograms: Tensor) -> Tensor:
        """(B, 1, frequencies, frames) -> (B, c), unit length. Any number of frames."""
        return F.normalize(self.sound(spectrograms).float().amax(dim=(2, 3)), dim=1)

    def forward(self, images: Tensor, spectrograms: Tensor) -> Tensor:
        """Every picture with every sound: (B, B, h, w), what the objectives train on."""
        return pair_maps(self.encode_images(images), self.encode_sounds(spectrograms))


def pair_maps(images: Tensor, sounds: Tensor) -> Tensor:
    """Cosine maps of all pairs: (n, c, h, w) and (m, c) -> (n, m, h, w); row = picture."""
    with torch.autocast(images.device.type, enabled=False):  # the objectives need float32
        return torch.einsum("nchw,mc->nmhw", images, sounds)


def own_maps(images: Tensor, sounds: Tensor) -> Tensor:
    """Cosine maps of the pairs as they stand: (n, c, h, w) and (n, c) -> (n, h, w)."""
    return torch.einsum("nchw,nc->nhw", images, sounds)
