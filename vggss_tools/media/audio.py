"""The sound of a clip: a segment round its centre, or all of it; mono, at one rate.

The paper takes "a 3s audio segment around" the middle frame (section 5.3). Here that is 3.5 s to
6.5 s: round the middle of VGG-Sound's ten seconds, whatever the file's own length, so that the
sound stays beside the frame. Times run from the file's first timestamp, as for frames.

What the file has no sound for (a clip that ends early, a gap) stays silent: zeros, at its place
in time. Nothing is repeated to fill it.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vggss_tools.clips import CLIP_SECONDS
from vggss_tools.errors import InvalidInput
from vggss_tools.media.probe import open_media
from vggss_tools.media.sound import SoundReader, Span
from vggss_tools.media.sweep import sweep

SECONDS = 3.0
RATE = 16_000  # Hz
CENTRE = CLIP_SECONDS / 2  # 5.0 s

PCM_16 = 1 << 15  # full scale: -1.0 is written as -32768


def centre_audio(
    path: Path | str,
    seconds: float = SECONDS,
    rate: int = RATE,
    centre: float | None = None,
    *,
    offset: float = 0.0,
) -> NDArray[np.float32]:
    """Return the sound from ``centre - seconds / 2`` on.

    Parameters
    ----------
    seconds : float
        Length, in seconds.
    rate : int
        Samples per second, in hertz.
    centre : float, optional
        Middle of the segment, in seconds from ``offset``; 5.0 by default.
    offset : float
        Seconds from the file's first timestamp.

    Returns
    -------
    float32 array of shape (seconds * rate,), full scale ±1, the mean of the channels.

    Raises
    ------
    ClipFailure
        Of kind not_found, permission, corrupt, no_audio, or too_short where not one sample of
        the segment exists.
    """
    return sound_of(path, Span(seconds, rate, CENTRE if centre is None else centre, offset))


def sound_of(path: Path | str, span: Span) -> NDArray[np.float32]:
    """Return a span of a file's sound, as :func:`centre_audio` does."""
    reader = SoundReader(span)
    with open_media(path) as container:
        sweep(container, [reader])
    return reader.samples


def write_wav(path: Path | str, samples: NDArray[np.floating], rate: int = RATE) -> None:
    """Write mono sound as PCM-16; what exceeds ±1 is clipped."""
    scaled = np.rint(np.asarray(samples, dtype=np.float64) * PCM_16)
    pcm = np.clip(scaled, -PCM_16, PCM_16 - 1).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())


def read_wav(path: Path | str) -> tuple[NDArray[np.float32], int]:
    """Read a mono PCM-16 file.

    Returns
    -------
    float32 array of shape (samples,), full scale ±1; and its rate in hertz.

    Raises
    ------
    InvalidInput
        If it is another kind of file.
    """
    try:
        with wave.open(str(path), "rb") as file:
            form = (file.getnchannels(), file.getsampwidth())
            rate = file.getframerate()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise InvalidInput(
            f"{path}: not a WAV file ({error}); make it again with `vggss extract`"
        ) from None
    if form != (1, 2):
        raise InvalidInput(
            f"{path}: {form[0]} channel(s) of {8 * form[1]} bits, not mono PCM-16; "
            "make it again with `vggss extract`"
        )
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(PCM_16), rate
