"""What the network is fed: the files of a data directory as arrays, in training and in testing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vggss_tools.errors import VggssError
from vggss_tools.media.audio import read_wav
from vggss_tools.models.spectrogram import spectrogram

# torchvision's ImageNet statistics, red, green, blue, for values 0..1.
IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)


def load_frame(path: Path, size: int) -> NDArray[np.uint8]:
    """Read a frame as (size, size, 3) RGB: the whole frame, without cropping (section 5.3)."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise VggssError(f"{path}: not a readable picture; delete it and run `vggss extract` again")
    # Area averaging when shrinking: no aliasing; OpenCV falls back to bilinear when enlarging.
    image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(image[:, :, ::-1])


def load_sound(path: Path, name: str) -> NDArray[np.float32]:
    """Read a sound as its spectrogram ``name``."""
    samples, rate = read_wav(path)
    return spectrogram(name)(samples, rate)


def image_batch(frames: NDArray[np.uint8], device: torch.device) -> Tensor:
    """(B, S, S, 3) uint8 RGB -> (B, 3, S, S) float32 on the device, normalised, channels last."""
    pixels = torch.from_numpy(frames).to(device).permute(0, 3, 1, 2)  # a view: stays channels last
    mean = torch.tensor(IMAGE_MEAN, device=device)[:, None, None]
    std = torch.tensor(IMAGE_STD, device=device)[:, None, None]
    return (pixels.float() / 255 - mean) / std


def sound_batch(spectrograms: NDArray[np.float32], device: torch.device) -> Tensor:
    """(B, frequencies, frames) -> (B, 1, frequencies, frames) on the device."""
    return torch.from_numpy(spectrograms).to(device)[:, None]
