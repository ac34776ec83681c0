"""Whether a fetched file is fit: picture, sound, long enough, heard and moving.

An unfit file is removed and its clip recorded with the kind of the defect; the source may be
asked again with ``--retry KIND``, or another source be given.

================  ================================================================================
``corrupt``       cannot be opened, or ends before its own header says
``no_video``      no picture (a cover image does not count)
``no_audio``      no sound
``too_short``     less than 9.5 s of picture from the clip's start on; ``extract`` needs 4.96 s
                  for the frame and 6.5 s for the sound, but less than the clip is not the clip
``silent``        no sample of the ten seconds is louder than -60 dBFS
``still_image``   all pictures of the ten seconds are the same, but for what compression changes
================  ================================================================================
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.media.probe import (
    audio_stream,
    open_media,
    seeks_exactly,
    start_ticks,
    video_stream,
)

# Cuts lose up to a few pictures at their end, and published clips are up to 0.4 s short.
SLACK_S = 0.5
# -60 dBFS: below the noise of any microphone, above the dither of a muted track.
SILENCE = 10 ** (-60 / 20)
# Blocks of 16 x 16 pixels of one still picture differ by less than this from key frame to key
# frame; of 255.
SAME_LEVELS = 3.0
BLOCK_PX = 16
# Layouts whose first plane is the brightness, a byte a pixel.
BRIGHTNESS_FIRST = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "nv12", "gray"}


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What was found out about a fit file.

    Attributes
    ----------
    seconds : float
        From the file's first timestamp to the end of its picture.
    width, height : int
        Pixels as stored.
    video_codec, audio_codec : str
    """

    seconds: float
    width: int
    height: int
    video_codec: str
    audio_codec: str

    def as_json(self) -> dict[str, Any]:
        """Return the facts by name."""
        return asdict(self)


def check_media(path: Path, *, start: float, seconds: float) -> MediaFacts:
    """Look at a file, decoding only as much as is needed to find sound and movement.

    Parameters
    ----------
    start, seconds : float
        The clip's part of the file.

    Raises
    ------
    ClipFailure
        Of a kind of the table above.
    """
    with _Looks(path) as looks:
        container = looks.container
        video = video_stream(container)
        audio = audio_stream(container)
        header_s = None if container.duration is None else container.duration / 1_000_000
        lasts = _picture_seconds(container, video, path.stat().st_size)
        facts = MediaFacts(
            round(lasts, 3),
            video.width,
            video.height,
            video.codec_context.name,
            audio.codec_context.name,
        )
        _check_length(path, lasts, header_s, start, seconds)
        container = looks.again()
        if not _is_heard(container, audio_stream(container), start, start + seconds):
            raise ClipFailure(FailureKind.SILENT, f"{path}: no sound above -60 dBFS")
        container = looks.again()
        if not _moves(container, video_stream(container), start, start + seconds):
            raise ClipFailure(FailureKind.STILL_IMAGE, f"{path}: one still picture throughout")
        return facts


class _Looks:
    """A file that is read several times from its start; not every container can be wound back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> _Looks:
        self.container: Any = self._stack.enter_context(open_media(self._path))
        return self

    def __exit__(self, *error: Any) -> bool | None:
        return self._stack.__exit__(*error)

    def again(self) -> Any:
        """Return the container at its start."""
        if seeks_exactly(self.container):
            self.container.seek(self.container.start_time or 0)
        else:
            self.container = self._stack.enter_context(open_media(self._path))
        return self.container


def _check_length(
    path: Path, lasts: float, header_s: float | None, start: float, seconds: float
) -> None:
    needed = start + seconds - SLACK_S
    if lasts < needed:
        if header_s is not None and header_s >= needed and lasts < header_s - 2 * SLACK_S:
            raise ClipFailure(
                FailureKind.CORRUPT,
                f"{path}: its header says {header_s:.2f} s, but the picture ends after "
                f"{lasts:.2f} s",
            )
        raise ClipFailure(
            FailureKind.TOO_SHORT,
            f"{path}: {max(lasts - start, 0):.2f} s from the clip's start to the end of the "
            f"picture, {seconds - SLACK_S:g} s are needed",
        )


def _picture_seconds(container: Any, video: Any, size: int) -> float:
    """Return when the picture ends, by what the file holds rather than by its header."""
    zero = start_ticks(container, video)
    if container.format.name.startswith("mov,mp4") and video.duration:
        # The index lists every picture with its place; all there are have to lie in the file.
        entries = video.index_entries
        last = entries[len(entries) - 1] if len(entries) else None
        if last is not None and last.size and last.pos + last.size <= size:
            return float(((video.start_time or 0) + video.duration - zero) * video.time_base)
    end = zero
    for packet in container.demux([video]):
        if packet.pts is not None:
            end = max(end, packet.pts + (packet.duration or 0))
    return float((end - zero) * video.time_base)


def _is_heard(container: Any, audio: Any, start: float, end: float) -> bool:
    """Whether any sample between two moments is louder than silence; stops at the first."""
    zero = start_ticks(container, audio)
    _seek(container, audio, zero, start)
    for frame in container.decode(audio):
        if frame.pts is None:
            continue
        moment = float((frame.pts - zero) * audio.time_base)
        if moment + frame.samples / frame.sample_rate <= start:
            continue
        if moment >= end:
            break
        if _peak(frame) > SILENCE:
            return True
    return False


def _peak(frame: Any) -> float:
    samples: NDArray[Any] = frame.to_ndarray()
    if samples.dtype.kind == "f":
        return float(np.abs(samples).max(initial=0.0))
    if samples.dtype.kind == "u":  # 8 bits, 128 is silence
        return float(np.abs(samples.astype(np.int16) - 128).max(initial=0)) / 128
    return float(np.abs(samples.astype(np.float64)).max(initial=0.0)) / -float(
        np.iinfo(samples.dtype).min
    )


def _moves(container: Any, video: Any, start: float, end: float) -> bool:
    """Whether two pictures between two moments differ; stops at the first that does."""
    zero = start_ticks(container, video)
    _seek(container, video, zero, start)
    first: NDArray[np.float32] | None = None
    for frame in container.decode(video):
        if frame.pts is not None:
            moment = float((frame.pts - zero) * video.time_base)
            if moment < start:
                continue
            if moment >= end:
                break
        blocks = _blocks(frame)
        if first is None:
            first = blocks
        elif blocks.shape != first.shape or float(np.abs(blocks - first).max()) > SAME_LEVELS:
            return True
    return False


def _blocks(frame: Any) -> NDArray[np.float32]:
    """Return the mean brightness of blocks of the picture."""
    grey = _brightness(frame)
    rows, columns = max(grey.shape[0] // BLOCK_PX, 1), max(grey.shape[1] // BLOCK_PX, 1)
    side_y, side_x = grey.shape[0] // rows, grey.shape[1] // columns
    cut = grey[: rows * side_y, : columns * side_x]
    blocks = cut.reshape(rows, side_y, columns, side_x)
    return blocks.mean(axis=(1, 3), dtype=np.float32)


def _brightness(frame: Any) -> NDArray[np.uint8]:
    """Return the brightness of a picture, without converting what holds it as it is."""
    if frame.format.name not in BRIGHTNESS_FIRST:
        converted: NDArray[np.uint8] = frame.to_ndarray(format="gray")
        return converted
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]


def _seek(container: Any, stream: Any, zero: int, moment: float) -> None:
    """Go to a key frame before a moment; where that is not possible, stay at the start."""
    if moment > 0:
        ticks = zero + int(moment / stream.time_base)
        with contextlib.suppress(OSError):  # FFmpeg's EPERM: the format cannot seek
            container.seek(ticks, backward=True, any_frame=False, stream=stream)
