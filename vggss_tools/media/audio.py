"""The sound of a clip round its centre, mono, at one rate.

The paper takes "a 3s audio segment around" the middle frame (section 5.3). Here that is 3.5 s to
6.5 s: round the middle of VGG-Sound's ten seconds, whatever the file's own length, so that the
sound stays beside the frame. Times run from the file's first timestamp, as for frames.

What the file has no sound for (a clip that ends early, a gap) stays silent: zeros, at its place
in time. Nothing is repeated to fill it.
"""

from __future__ import annotations

import wave
from fractions import Fraction
from math import ceil, floor, gcd
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from vggss_tools.clips import CLIP_SECONDS
from vggss_tools.errors import ClipFailure, FailureKind, InvalidInput
from vggss_tools.media.probe import (
    audio_stream,
    open_media,
    seeks_exactly,
    start_ticks,
)

SECONDS = 3.0
RATE = 16_000  # Hz
CENTRE = CLIP_SECONDS / 2  # 5.0 s

PCM_16 = 1 << 15  # full scale: -1.0 is written as -32768

# Decoding starts this long before the segment: the first frames after a seek are not whole (AAC
# overlaps two frames of 23 ms, MP3 reaches back up to 9 of 26 ms, Opus asks for 80 ms), and the
# resampler's filter needs neighbours.
LEAD_S = Fraction(1, 2)


def centre_audio(
    path: Path | str, seconds: float = SECONDS, rate: int = RATE, centre: float | None = None
) -> NDArray[np.float32]:
    """Return the sound from ``centre - seconds / 2`` on.

    Parameters
    ----------
    seconds : float
        Length, in seconds.
    rate : int
        Samples per second, in hertz.
    centre : float, optional
        Middle of the segment, in seconds from the file's first timestamp; 5.0 by default.

    Returns
    -------
    float32 array of shape (seconds * rate,), full scale ±1, the mean of the channels.

    Raises
    ------
    ClipFailure
        Of kind not_found, permission, corrupt, no_audio, or too_short where not one sample of
        the segment exists.
    """
    with open_media(path) as container:
        return decode_audio(container, seconds, rate, centre)


def decode_audio(
    container: InputContainer,
    seconds: float = SECONDS,
    rate: int = RATE,
    centre: float | None = None,
) -> NDArray[np.float32]:
    """Do as :func:`centre_audio`, in a container that is open."""
    n_samples = round(seconds * rate)
    if n_samples < 1:
        raise ValueError(f"{seconds} s at {rate} Hz hold no sample")
    middle = CENTRE if centre is None else centre
    first = round((middle - seconds / 2) * rate)  # sample at `rate`; may lie before the file
    stream = audio_stream(container)

    # Work on a timeline at the stream's own rate whose first sample falls exactly on one at
    # `rate`, so that the segment is the same whether or not the whole file is resampled.
    grid = stream.rate // gcd(stream.rate, rate)
    begin = floor((Fraction(first, rate) - LEAD_S) * stream.rate / grid) * grid
    end = ceil((Fraction(first + n_samples, rate) + LEAD_S) * stream.rate)
    timeline, covered = _decode_timeline(container, stream, begin, end)

    segment_begin = floor(Fraction(first, rate) * stream.rate) - begin
    segment_end = ceil(Fraction(first + n_samples, rate) * stream.rate) - begin
    if not covered[segment_begin:segment_end].any():
        raise ClipFailure(
            FailureKind.TOO_SHORT,
            f"{container.name}: has no sound between {first / rate:.2f} s "
            f"and {(first + n_samples) / rate:.2f} s",
        )
    mono = _resample(timeline, stream, rate)
    skip = first - begin * rate // stream.rate
    return mono[skip : skip + n_samples].copy()


def _decode_timeline(
    container: InputContainer, stream: AudioStream, begin: int, end: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Decode the samples from ``begin`` to ``end`` (both at the stream's rate).

    Returns
    -------
    float32 array of shape (channels, end - begin), zero where there is no sound; and a bool
    array of shape (end - begin,), true where there is.
    """
    if not seeks_exactly(container):
        with open_media(container.name) as again:
            return _place_samples(again, audio_stream(again), begin, end)
    assert stream.time_base is not None
    lead_in = max(Fraction(begin, stream.rate) - LEAD_S, Fraction(0))
    origin = start_ticks(container, stream)
    container.seek(floor(lead_in / stream.time_base) + origin, stream=stream, backward=True)
    return _place_samples(container, stream, begin, end)


def _place_samples(
    container: InputContainer, stream: AudioStream, begin: int, end: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Decode from here on, and lay each frame where its timestamp says."""
    assert stream.time_base is not None
    origin = start_ticks(container, stream)
    # (channels, samples) float32 whatever the codec's own format; neither mixes nor resamples.
    to_float = AudioResampler(format="fltp", layout=stream.layout, rate=stream.rate)
    timeline = np.zeros((stream.channels, end - begin), dtype=np.float32)
    covered = np.zeros(end - begin, dtype=bool)
    place: int | None = None
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue  # a broken packet leaves a gap, as in ffmpeg; no sound at all is found above
        for decoded in frames:
            if decoded.pts is not None:
                at = (decoded.pts - origin) * stream.time_base * stream.rate
                # Timestamps coarser than a sample jitter; follow on unless there is a real gap.
                if place is None or abs(at - place) > stream.rate // 100:
                    place = round(at)
            if place is None:
                place = 0
            if place >= end:
                return timeline, covered
            for frame in to_float.resample(decoded):
                samples = frame.to_ndarray()
                low, high = max(place, begin), min(place + frame.samples, end)
                if low < high:
                    timeline[:, low - begin : high - begin] = samples[:, low - place : high - place]
                    covered[low - begin : high - begin] = True
                place += frame.samples
    return timeline, covered


def _resample(samples: NDArray[np.float32], stream: AudioStream, rate: int) -> NDArray[np.float32]:
    """Mix to mono and bring to ``rate``; sample 0 stays where it is in time."""
    frame = AudioFrame.from_ndarray(samples, format="fltp", layout=stream.layout)
    frame.sample_rate = stream.rate
    # Into integers, because FFmpeg weighs channels to at most full scale only on the way there.
    resampler = AudioResampler(format="s32", layout="mono", rate=rate)
    pieces = [*resampler.resample(frame), *resampler.resample(None)]
    whole = np.concatenate([piece.to_ndarray()[0] for piece in pieces])
    return (whole / 2.0**31).astype(np.float32)


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
