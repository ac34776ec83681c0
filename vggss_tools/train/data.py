"""Training data: the frames and sounds of a split, packed, and the batches drawn from them.

Nothing here reads boxes or labels. The batch of a step and its augmentation depend on the seed
and the step alone, so a run that was killed continues with what it would have seen.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vggss_tools.clips import Clip
from vggss_tools.errors import VggssError
from vggss_tools.models.inputs import load_frame, load_sound
from vggss_tools.models.lvs import Architecture
from vggss_tools.models.spectrogram import Spectrogram, spectrogram
from vggss_tools.progress import track
from vggss_tools.workspace import Workspace

# Frames are kept a little larger than the network's input, so that random crops stay sharp.
MARGIN = 9 / 8

# The augmentation at strength 1. From a few hundred clips a network learns pairs by heart unless
# neither picture nor sound comes twice; the class survives all of these.
ZOOM = 0.5  # at closest, half of either side is seen
STRETCH = 0.3  # of width against height, natural logarithm
TURN = 0.3  # radians, 17 degrees
HUE = np.pi  # radians: any hue
LIGHT, CONTRAST, SATURATION = 0.3, 0.3, 0.5
WITHOUT_COLOUR = 0.2  # share of the pictures
PITCH, TEMPO = 0.15, 0.15  # natural logarithms: 16% up or down
GAIN_DB = 6.0
HIDDEN = 0.15  # longest hidden stripe, share of the axis

GRAY = np.full((3, 3), 1 / 3)  # projects a colour on the gray axis ...
CHROMA = np.eye(3) - GRAY  # ... and on the plane of saturation and hue across it
QUARTER_TURN = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)  # in that plane


@dataclass(frozen=True, slots=True)
class PackedClips:
    """Frames and sounds of N clips in memory, ready to be drawn from.

    Attributes
    ----------
    frames : (N, S, S, 3) uint8, RGB
    sounds : (N, frequencies, frames) float16
    """

    frames: NDArray[np.uint8]
    sounds: NDArray[np.float16]

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.frames)

    def fingerprint(self) -> str:
        """sha256 of everything the network can see: other data, another fingerprint."""
        digest = hashlib.sha256(repr((self.frames.shape, self.sounds.shape)).encode())
        digest.update(np.ascontiguousarray(self.frames).data)
        digest.update(np.ascontiguousarray(self.sounds).data)
        return digest.hexdigest()


def pack(workspace: Workspace, clips: Sequence[Clip], architecture: Architecture) -> PackedClips:
    """Read what `vggss extract` made, at the size that the network sees.

    Raises
    ------
    VggssError
        If a frame or a sound is missing or unreadable.
    """
    side = round(architecture.size * MARGIN)

    def load(clip: Clip) -> tuple[NDArray[np.uint8], NDArray[np.float16]]:
        frame = load_frame(workspace.frame_path(clip.clip_id), side)
        sound = load_sound(workspace.audio_path(clip.clip_id), architecture.spectrogram)
        return frame, sound.astype(np.float16)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        loaded = track(pool.map(load, clips), "packing", total=len(clips))
        frames, sounds = zip(*loaded, strict=True)
    shapes = {sound.shape for sound in sounds}
    if len(shapes) > 1:
        raise VggssError(
            f"sounds of different length ({', '.join(map(str, sorted(shapes)))}); "
            "extract all clips with the same --seconds and --rate"
        )
    return PackedClips(np.stack(frames), np.stack(sounds))


def batch_indices(n: int, batch_size: int, seed: int, step: int) -> NDArray[np.int64]:
    """Clips of one step: each epoch is a new order of all, cut in whole batches."""
    per_epoch = n // batch_size
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng([seed, 0, epoch]).permutation(n)
    return order[place * batch_size : (place + 1) * batch_size]


def training_batch(
    data: PackedClips,
    architecture: Architecture,
    *,
    batch_size: int,
    seed: int,
    step: int,
    augment: float = 1.0,
    crop_size: int = 0,
    crop_sound: float = 1.0,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Make the batch of one step.

    Returns
    -------
    frames : (B, side, side, 3) uint8, RGB
        ``side`` is ``crop_size``, or the architecture's size where that is 0.
    sounds : (B, frequencies, frames) float32
        ``crop_sound`` of the packed frames.
    """
    chosen = batch_indices(len(data), batch_size, seed, step)
    random = np.random.default_rng([seed, 1, step])
    variant = spectrogram(architecture.spectrogram)
    side = crop_size or architecture.size
    bands, times = data.sounds.shape[1:]
    times = max(1, round(crop_sound * times))
    frames = np.empty((batch_size, side, side, 3), dtype=np.uint8)
    sounds = np.empty((batch_size, bands, times), dtype=np.float32)
    for row, clip in enumerate(chosen):
        frames[row] = vary_frame(data.frames[clip], side, random, augment)
        sounds[row] = vary_sound(data.sounds[clip], random, augment, variant)[:, :times]
    return frames, sounds


def vary_frame(
    frame: NDArray[np.uint8], size: int, random: np.random.Generator, strength: float
) -> NDArray[np.uint8]:
    """Move, turn, mirror and recolour a frame at random.

    Parameters
    ----------
    frame : (S, S, 3) uint8
    strength : float
        0 only resizes; 1 is everything in the constants above.

    Returns
    -------
    (size, size, 3) uint8
    """
    side = frame.shape[0]
    zoom = 1 - strength * random.uniform(0, ZOOM)
    stretch = np.exp(strength * random.uniform(-1, 1) * STRETCH / 2)
    window = zoom * np.array([stretch, 1 / stretch])  # width and height seen, share of the frame
    middle = 0.5 + (1 - window) * random.uniform(-0.5, 0.5, 2)
    angle = strength * random.uniform(-1, 1) * TURN
    mirror = -1.0 if random.random() < 0.5 * min(strength, 1) else 1.0
    cos, sin = np.cos(angle), np.sin(angle)
    # From a pixel of the result to one of the frame; a pixel's centre lies half a pixel in.
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag(window * (mirror, 1.0)) * side / size
    offset = middle * side - linear @ np.full(2, size / 2 - 0.5) - 0.5
    cut = cv2.warpAffine(
        frame,
        np.column_stack([linear, offset]),
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return cut if strength <= 0 else cv2.transform(cut, _colour_change(cut, random, strength))


def _colour_change(
    frame: NDArray[np.uint8], random: np.random.Generator, strength: float
) -> NDArray[np.float64]:
    """Return a 3 x 4 map of red, green and blue: matrix and offset."""
    hue = strength * random.uniform(-1, 1) * HUE
    light, contrast, saturation = 1 + strength * np.array(
        [LIGHT, CONTRAST, SATURATION]
    ) * random.uniform(-1, 1, 3)
    if random.random() < strength * WITHOUT_COLOUR:
        saturation = 0.0
    chroma = saturation * (np.cos(hue) * CHROMA + np.sin(hue) * QUARTER_TURN)
    matrix = light * contrast * (GRAY + chroma)
    # Contrast is about the frame's own mean, light about black.
    mean = np.full(3, np.mean(cv2.mean(frame)[:3]))
    return np.column_stack([matrix, light * mean - matrix @ mean])


def vary_sound(
    sound: NDArray[np.floating], random: np.random.Generator, strength: float, variant: Spectrogram
) -> NDArray[np.float32]:
    """Change start (cyclic), pitch, tempo and level, and hide a band and a moment (SpecAugment).

    Parameters
    ----------
    sound : (frequencies, frames)
    variant : Spectrogram
        What the values are: a gain is added to logarithms, and multiplied otherwise.
    """
    if strength <= 0:
        return sound.astype(np.float32)
    bands, times = sound.shape
    start = int(random.integers(times))
    turned = np.empty(sound.shape, dtype=np.float32)
    turned[:, : times - start] = sound[:, start:]
    turned[:, times - start :] = sound[:, :start]
    pitch, tempo = np.exp(strength * np.array([PITCH, TEMPO]) * random.uniform(-1, 1, 2))
    varied = cv2.warpAffine(
        turned,
        np.array([[tempo, 0, 0], [0, 1 / pitch, 0]]),
        (times, bands),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    gain = strength * random.uniform(-1, 1) * GAIN_DB * np.log(10) / 20  # log of the amplitude
    if variant.power:
        varied += 2 * gain / variant.scale
    else:
        varied *= np.exp(gain)
    hidden = varied.mean()
    varied[_stripe(bands, random, strength)] = hidden
    varied[:, _stripe(times, random, strength)] = hidden
    return varied


def _stripe(length: int, random: np.random.Generator, strength: float) -> slice:
    """Return a run of places to hide."""
    width = int(random.uniform(0, HIDDEN * strength) * length)
    start = int(random.integers(length - width + 1))
    return slice(start, start + width)
