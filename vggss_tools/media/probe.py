"""Opening a clip and saying what is in it; every failure gets its kind.

What makes a file unfit is found out here, in one place:

============================================  ==============
no such file                                  ``not_found``
no right to read it                           ``permission``
zero bytes, not a media file, undecodable     ``corrupt``
no picture (a cover image does not count)     ``no_video``
no sound                                      ``no_audio``
ends before the moment that is asked for      ``too_short``
============================================  ==============
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from vggss_tools.errors import ClipFailure, FailureKind

# MP4 and Matroska index their key frames and stamp every packet.
INDEXED_FORMATS = ("mov,mp4", "matroska,webm")
# MPEG transport and program streams: their timestamps start anywhere.
UNANCHORED_FORMATS = ("mpegts", "mpeg")
MICROSECOND = Fraction(1, 1_000_000)  # the unit of a container's own times


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """What a media file says about itself; nothing is decoded to find out.

    Attributes
    ----------
    duration : float or None
        Seconds from the first timestamp of the file to its end.
    width, height : int
        Pixels as stored, before any rotation that the file asks for.
    pixel_aspect : float
        Width of a pixel over its height; 1 where the file does not say.
    fps : float or None
        Average frame rate.
    n_frames : int or None
        Frames of the picture, where the container counts them.
    has_audio : bool
    sample_rate, channels : int or None
        Of the sound, in hertz; None without sound.
    video_codec, audio_codec : str or None
    """

    duration: float | None
    width: int
    height: int
    pixel_aspect: float
    fps: float | None
    n_frames: int | None
    video_codec: str
    has_audio: bool
    sample_rate: int | None
    channels: int | None
    audio_codec: str | None


def probe(path: Path | str, *, at_least: float = 0.0) -> ClipInfo:
    """Read the header of a clip.

    Parameters
    ----------
    at_least : float
        Seconds that the file has to last.

    Raises
    ------
    ClipFailure
        Of kind not_found, permission, corrupt, no_video or too_short. A clip without sound is
        not a failure here: see ``has_audio``.
    """
    with open_media(path) as container:
        video = video_stream(container)
        audio = _best(container, "audio")
        duration = lasts(container)
        if duration is not None and duration < at_least:
            raise ClipFailure(
                FailureKind.TOO_SHORT, f"{path}: lasts {duration:.2f} s, {at_least:g} s are needed"
            )
        return ClipInfo(
            duration=duration,
            width=video.width,
            height=video.height,
            pixel_aspect=float(video.sample_aspect_ratio or 1),
            fps=float(video.average_rate) if video.average_rate else None,
            n_frames=video.frames or None,
            video_codec=video.codec_context.name,
            has_audio=isinstance(audio, AudioStream),
            sample_rate=audio.rate if isinstance(audio, AudioStream) else None,
            channels=audio.channels if isinstance(audio, AudioStream) else None,
            audio_codec=audio.codec_context.name if isinstance(audio, AudioStream) else None,
        )


def lasts(container: InputContainer) -> float | None:
    """Return the seconds from a file's first timestamp to its end, where it says so."""
    return None if container.duration is None else float(container.duration * MICROSECOND)


class NotAsDeclared(Exception):
    """A file is not quite what its header says; open it again, not hastily."""


def is_mp4(path: Path) -> bool:
    """Whether a file begins as MP4 and QuickTime do; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(8)[4:] == b"ftyp"
    except OSError:
        return False


@contextmanager
def open_media(path: Path | str, *, hasty: bool = False) -> Iterator[InputContainer]:
    """Open a media file for reading; what fails inside of the block is told apart by kind.

    Parameters
    ----------
    hasty : bool
        Believe the header, which FFmpeg would check by decoding the first pictures; that takes
        longer than all else. Only for MP4, and for readers that notice where it was wrong
        (:class:`NotAsDeclared`).

    Raises
    ------
    ClipFailure
        Of kind not_found, permission or corrupt.
    """
    path = Path(path)
    try:
        if path.stat().st_size == 0:
            raise ClipFailure(FailureKind.CORRUPT, f"{path}: is empty (zero bytes)")
        # Absolute, because FFmpeg would read `a:b.mp4` as a protocol's name.
        options = {"skip_frame": "all"} if hasty else None
        with av.open(
            str(path.absolute()), "r", metadata_errors="replace", options=options
        ) as container:
            yield container
    except FileNotFoundError:
        raise ClipFailure(FailureKind.NOT_FOUND, f"{path}: no such file") from None
    except PermissionError:
        raise ClipFailure(FailureKind.PERMISSION, f"{path}: no permission to read it") from None
    except av.error.FFmpegError as error:
        reason = (error.strerror or str(error)).rstrip(".")
        raise ClipFailure(FailureKind.CORRUPT, f"{path}: cannot be read ({reason})") from None


def video_stream(container: InputContainer) -> VideoStream:
    """Return the picture, or raise ``ClipFailure`` of kind no_video."""
    stream = _best(container, "video")
    if not isinstance(stream, VideoStream) or stream.codec_context is None or not stream.width:
        raise ClipFailure(FailureKind.NO_VIDEO, f"{container.name}: holds no picture")
    stream.codec_context.thread_count = 1  # clips are spread over processes instead
    return stream


def audio_stream(container: InputContainer) -> AudioStream:
    """Return the sound, or raise ``ClipFailure`` of kind no_audio."""
    stream = _best(container, "audio")
    if not isinstance(stream, AudioStream) or stream.codec_context is None or not stream.rate:
        raise ClipFailure(FailureKind.NO_AUDIO, f"{container.name}: holds no sound")
    return stream


def seeks_exactly(container: InputContainer) -> bool:
    """Whether seeking never lands after the moment that is asked for."""
    return container.format.name.startswith(INDEXED_FORMATS)


def start_ticks(container: InputContainer, stream: Stream) -> int:
    """Return the moment that ``ffmpeg`` counts from, in the stream's time base.

    It is the file's first timestamp; in MPEG transport and program streams, the picture's first.
    Sound and picture count from the same moment.
    """
    if stream.time_base is None:
        return 0
    if container.format.name in UNANCHORED_FORMATS:
        first = _best(container, "video") or stream
        if first.start_time is not None and first.time_base is not None:
            return round_half_away(first.start_time * first.time_base / stream.time_base)
    if container.start_time is None:
        return 0
    return round_half_away(container.start_time * MICROSECOND / stream.time_base)


def round_half_away(value: Fraction) -> int:
    """Round to the nearest integer, halves away from zero (FFmpeg's ``AV_ROUND_NEAR_INF``)."""
    rounded = int(abs(value) + Fraction(1, 2))
    return rounded if value >= 0 else -rounded


def _best(container: InputContainer, kind: Literal["video", "audio"]) -> Stream | None:
    """Return FFmpeg's own choice among the streams of a kind."""
    stream = container.streams.best(kind)
    if stream is not None and stream.disposition & Disposition.attached_pic:
        return None
    return stream


def decoder_versions() -> dict[str, str]:
    """Return the versions of PyAV and of the decoders that it carries."""
    codecs = av.library_versions["libavcodec"]
    return {"av": av.__version__, "libavcodec": ".".join(map(str, codecs))}
