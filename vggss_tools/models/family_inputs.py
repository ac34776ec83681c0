"""What a published network is fed: pictures and sounds made each family's own way.

The data directory holds whole frames, and three seconds of sound round the clip's middle. Where
a family hears ten seconds, they come from the clip's own file; where only the three are there,
they are repeated to ten, as the released code does with files that are too short, and
:meth:`FamilyInputs.notes` says of how many.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch.nn import functional as F
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as pictures

from vggss_tools.clips import CLIP_SECONDS
from vggss_tools.errors import ClipFailure, FailureKind, VggssError
from vggss_tools.media.audio import centre_audio, read_wav
from vggss_tools.media.probe import MICROSECOND, audio_stream, open_media, start_ticks
from vggss_tools.models.families import PCM_16_NEGATIVE, Family
from vggss_tools.models.inputs import missing_file
from vggss_tools.models.spectrogram import RATE
from vggss_tools.workspace import Workspace

SIZE = 224  # side of the picture, in pixels


@dataclass(frozen=True, slots=True)
class FamilyInputs:
    """Reads pictures and sounds for one family.

    Attributes
    ----------
    family : Family
    centre_crop : bool
        Cut out the middle square, as the released code of LVS and SSL-TIE does, instead of
        fitting the whole frame. It is the same for square frames, which theirs are (SSL-TIE
        extracts 299 x 299; the paper of LVS says "without cropping"); of other frames the map
        would show the middle only, and be scored against boxes of the whole.
    """

    family: Family
    centre_crop: bool = False

    def __post_init__(self) -> None:
        """Refuse a crop that the family does not make."""
        if self.centre_crop and not self.family.crops:
            raise VggssError(f"{self.family.title} takes the whole frame; leave --centre-crop out")

    @property
    def n_samples(self) -> int:
        """Samples of sound at 16 kHz."""
        return self.family.sound.seconds * RATE

    # ------------------------------------------------------------------------------- pictures

    def frame(self, path: Path) -> NDArray[np.uint8] | NDArray[np.float32]:
        """Return a frame as (224, 224, 3) RGB: uint8, or float32 in about 0..1.

        The latter where the family resizes tensors; bicubic then overshoots a little.
        """
        image = open_frame(path)
        if self.centre_crop:
            side = pictures.resize(image, SIZE, InterpolationMode.BICUBIC)
            return np.array(pictures.center_crop(side, SIZE))
        if not self.family.tensor_resize:
            return fit_frame(image)
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
        fitted = F.interpolate(pixels, (SIZE, SIZE), mode="bicubic", align_corners=False)
        values: NDArray[np.float32] = fitted[0].permute(1, 2, 0).contiguous().numpy()
        return values

    # --------------------------------------------------------------------------------- sounds

    def sound_files(self, workspace: Workspace, clip_id: str) -> list[Path]:
        """Return the files that a sound may come from, in the order of trust."""
        sound = workspace.audio_path(clip_id)
        whole = self.family.sound.seconds >= CLIP_SECONDS
        return [sound, workspace.clip_path(clip_id)] if whole else [sound]

    def sound(self, workspace: Workspace, clip_id: str) -> NDArray[np.float32]:
        """Return the spectrogram of a clip's sound, (frequencies, frames).

        Raises
        ------
        ClipFailure
            If there is no file of it, or none that can be read.
        """
        return self.hear(self._samples(workspace, clip_id))

    def hear(self, samples: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the spectrogram of ``n_samples`` samples at 16 kHz in [-1, 1]."""
        part = self.family.sound
        scaled = samples * np.float32(PCM_16_NEGATIVE / part.full_scale)
        return part.spectrogram(scaled.clip(-1, 1), RATE)

    def _samples(self, workspace: Workspace, clip_id: str) -> NDArray[np.float32]:
        sound, clip = workspace.audio_path(clip_id), workspace.clip_path(clip_id)
        samples = _read_sound(sound) if sound.is_file() else None
        if self.family.sound.seconds < CLIP_SECONDS:
            if samples is None:
                raise missing_file(sound)
            return middle(samples, self.n_samples)
        if (samples is None or len(samples) < self.n_samples) and clip.is_file():
            samples = whole_sound(clip, self.family.sound.seconds)
        if samples is None:
            raise missing_file(clip)
        return repeated(samples, self.n_samples)

    def notes(self, workspace: Workspace, sounds: Collection[str]) -> tuple[str, ...]:
        """Say what had to be done otherwise than in the released code.

        Parameters
        ----------
        sounds : ids of the clips whose sounds were heard
        """
        notes = []
        if self.family.crops and not self.centre_crop:
            notes.append(
                f"{self.family.title}: the whole frame is seen, where the released code cuts out "
                "the middle square (the same for square frames)"
            )
        seconds = self.family.sound.seconds
        short = [one for one in sorted(set(sounds)) if self._is_short(workspace, one)]
        if short:
            notes.append(
                f"{self.family.title}: hears {seconds} s, and of {len(short)} of "
                f"{len(set(sounds))} sounds only a part is there ({short[0]}, …: no clip file), "
                f"which was repeated to {seconds} s"
            )
        return tuple(notes)

    def _is_short(self, workspace: Workspace, clip_id: str) -> bool:
        if self.family.sound.seconds < CLIP_SECONDS or workspace.clip_path(clip_id).is_file():
            return False
        sound = workspace.audio_path(clip_id)
        return sound.is_file() and len(_read_sound(sound)) < self.n_samples


def open_frame(path: Path) -> Image.Image:
    """Open a frame as RGB.

    Raises
    ------
    VggssError
        If it is no picture.
    """
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError):
        raise VggssError(
            f"{path}: not a readable picture; delete it and run `vggss extract` again"
        ) from None


def fit_frame(image: Image.Image) -> NDArray[np.uint8]:
    """Resize the whole picture to (224, 224, 3) with Pillow's antialiased bicubic."""
    return np.array(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def whole_sound(path: Path, seconds: int) -> NDArray[np.float32]:
    """Return a clip's sound from its start, mono at 16 kHz: as much as there is, at most so long.

    Raises
    ------
    ClipFailure
        As :func:`vggss_tools.media.audio.centre_audio`.
    """
    with open_media(path) as container:
        stream = audio_stream(container)
        end = float(seconds)
        if stream.duration is not None and stream.time_base is not None:
            first = (stream.start_time or 0) - start_ticks(container, stream)
            end = float((first + stream.duration) * stream.time_base)
        elif container.duration is not None:  # Matroska keeps one for all of its streams
            end = float(container.duration * MICROSECOND)
    samples = centre_audio(path, seconds, RATE, seconds / 2)
    return samples[: max(1, min(round(end * RATE), len(samples)))]


def middle(samples: NDArray[np.float32], n_samples: int) -> NDArray[np.float32]:
    """Return the middle ``n_samples``; a shorter sound is repeated first."""
    start = max(0, (len(samples) - n_samples) // 2)
    return repeated(samples[start:], n_samples)


def repeated(samples: NDArray[np.float32], n_samples: int) -> NDArray[np.float32]:
    """Return the first ``n_samples`` of a sound that is played again and again."""
    if len(samples) < n_samples:
        samples = np.tile(samples, n_samples // len(samples) + 1)
    return samples[:n_samples]


def _read_sound(path: Path) -> NDArray[np.float32]:
    samples, rate = read_wav(path)
    if rate != RATE or not len(samples):
        raise ClipFailure(
            FailureKind.CORRUPT,
            f"{path}: {len(samples)} samples at {rate} Hz, and published networks hear 16 kHz; "
            "make it again with `vggss extract`",
        )
    return samples
