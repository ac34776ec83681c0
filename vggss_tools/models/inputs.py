"""What the network is fed: the files of a data directory as arrays, in training and in testing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vggss_tools.errors import ClipFailure, FailureKind, VggssError
from vggss_tools.media.audio import read_wav
from vggss_tools.models.spectrogram import spectrogram
from vggss_tools.workspace import Workspace

if TYPE_CHECKING:
    from vggss_tools.models.lvs import Architecture

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


@dataclass(frozen=True, slots=True)
class OwnInputs:
    """Reads pictures and sounds for a network of `vggss train`."""

    architecture: Architecture

    @property
    def n_samples(self) -> int:
        """Samples of sound at 16 kHz."""
        return 48_000  # 3 s, what `vggss extract` writes

    def frame(self, path: Path) -> NDArray[np.uint8]:
        """Return a frame as (size, size, 3) RGB."""
        return load_frame(path, self.architecture.size)

    def sound_files(self, workspace: Workspace, clip_id: str) -> list[Path]:
        """Return the file that a sound comes from."""
        return [workspace.audio_path(clip_id)]

    def sound(self, workspace: Workspace, clip_id: str) -> NDArray[np.float32]:
        """Return the spectrogram of a clip's sound, (frequencies, frames).

        Raises
        ------
        ClipFailure
            If there is no file of it.
        """
        path = workspace.audio_path(clip_id)
        if not path.is_file():
            raise missing_file(path)
        return load_sound(path, self.architecture.spectrogram)

    def hear(self, samples: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the spectrogram of samples at 16 kHz."""
        return spectrogram(self.architecture.spectrogram)(samples)


def missing_file(path: Path) -> ClipFailure:
    """Say that a file of the data directory is not there."""
    return ClipFailure(FailureKind.NOT_FOUND, f"{path}: missing; run `vggss extract`")


def image_batch(frames: NDArray[np.uint8] | NDArray[np.float32], device: torch.device) -> Tensor:
    """(B, S, S, 3) RGB -> (B, 3, S, S) float32 on the device, normalised, channels last.

    uint8 of 0..255, or float32 of 0..1.
    """
    pixels = torch.from_numpy(frames).to(device).permute(0, 3, 1, 2)  # a view: stays channels last
    mean = torch.tensor(IMAGE_MEAN, device=device)[:, None, None]
    std = torch.tensor(IMAGE_STD, device=device)[:, None, None]
    scaled = pixels if pixels.is_floating_point() else pixels.float() / 255
    return (scaled - mean) / std


def sound_batch(spectrograms: NDArray[np.float32], device: torch.device) -> Tensor:
    """(B, frequencies, frames) -> (B, 1, frequencies, frames) on the device."""
    return torch.from_numpy(spectrograms).to(device)[:, None]
