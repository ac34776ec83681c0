"""One frame of a clip, by its place in a 25 fps extraction.

VGG-SS was annotated on the files that ``ffmpeg -i CLIP -vf fps=25 %03d.jpg`` numbers 125, which is
index 124, t = 4.96 s, and not the exact centre. What that file shows depends on FFmpeg's ``fps``
filter: every source frame moves to the nearest tick of 1/25 s (halves away from zero, counted
from the file's first timestamp), and each tick shows the last frame at or before it. The same
rule is applied here, without converting anything but the one frame that is wanted.

- Rotation and mirroring that the file asks for are carried out, as players and ``ffmpeg`` do.
- Pixels stay as stored, also where they are not square: boxes are fractions of the frame, so
  they fit either way, and nothing is resampled.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.media.probe import (
    open_media,
    seeks_exactly,
    start_ticks,
    video_stream,
)

EXTRACTION_FPS = 25
FRAME_NUMBER = 125  # 1-based, as the benchmark's authors numbered the files
FRAME_TIME = (FRAME_NUMBER - 1) / EXTRACTION_FPS  # 4.96 s


def frame_at(path: Path | str, time: float = FRAME_TIME) -> NDArray[np.uint8]:
    """Return the frame that a 25 fps extraction shows at ``time``.

    Parameters
    ----------
    time : float
        Seconds from the file's first timestamp, taken to the nearest 1/25 s.

    Returns
    -------
    uint8 array of shape (H, W, 3), RGB, row 0 = top.

    Raises
    ------
    ClipFailure
        Of kind not_found, permission, corrupt, no_video or too_short.
    """
    with open_media(path) as container:
        return decode_frame(container, time)


def decode_frame(container: InputContainer, time: float = FRAME_TIME) -> NDArray[np.uint8]:
    """Do as :func:`frame_at`, in a container that is open."""
    if time < 0:
        raise ValueError(f"time {time} lies before the clip")
    stream = video_stream(container)
    if stream.time_base is None:
        raise ClipFailure(FailureKind.CORRUPT, f"{container.name}: its picture has no clock")
    index = round(time * EXTRACTION_FPS)
    # The last tick of the stream's clock that rounds to `index`.
    last = ceil((index + Fraction(1, 2)) / EXTRACTION_FPS / stream.time_base) - 1
    last += start_ticks(container, stream)

    frame = None
    if seeks_exactly(container):
        frame = _decode_needed(container, stream, last)
    if frame is None:
        with open_media(container.name) as again:  # a fresh start is surer than any rewinding
            frame = _decode_all(again, last)
    if frame is None:
        raise ClipFailure(
            FailureKind.TOO_SHORT,
            f"{container.name}: its picture ends before {index / EXTRACTION_FPS:.2f} s",
        )
    image = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    return _upright(image, _display_matrix(frame))


def _decode_needed(container: InputContainer, stream: VideoStream, last: int) -> VideoFrame | None:
    """Decode only what the wanted frame depends on; None where the file does not lend itself.

    Packets are read first, which is cheap, so that the wanted one is known; then every frame
    before it to which no other refers (in most clips half of them) need not be decoded.
    """
    try:
        container.seek(last, stream=stream, backward=True)
        packets, ended = _packets_until(container, stream, last)
    except av.error.FFmpegError:
        return None
    times = [packet.pts for packet in packets if packet.pts is not None and not packet.is_discard]
    wanted = max((pts for pts in times if pts <= last), default=None)
    if wanted is None or any(packet.pts is None for packet in packets):
        return None
    if ended and wanted == max(times):
        return None  # perhaps too short: decoding tells for certain

    context = stream.codec_context
    frames: list[VideoFrame] = []
    try:
        for packet in packets:
            context.skip_frame = "DEFAULT" if packet.pts == wanted else "NONREF"
            frames += packet.decode()
            if packet.pts == wanted:
                frames += context.decode(None)  # hand out what is held back for reordering
                break
    except av.error.FFmpegError:
        return None
    return next((frame for frame in frames if frame.pts == wanted), None)


def _packets_until(
    container: InputContainer, stream: VideoStream, last: int
) -> tuple[list[Packet[VideoStream]], bool]:
    """Read packets up to the first that is decoded after ``last``; whether the file ended first."""
    packets = []
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        packets.append(packet)
        # Nothing is shown before it is decoded, so no later packet can be shown by `last`.
        if packet.dts is not None and packet.dts > last:
            return packets, False
    return packets, True


def _decode_all(container: InputContainer, last: int) -> VideoFrame | None:
    """Decode every frame from the start; None if the picture ends before ``last``.

    A picture that begins after ``last`` gives its first frame: a 25 fps extraction repeats it
    from the beginning of the file.
    """
    stream = video_stream(container)
    found: VideoFrame | None = None
    for frame in container.decode(stream):
        if frame.pts is None:
            continue
        if frame.pts > last:
            return found or frame
        found = frame
    if found is None or found.pts is None:
        raise ClipFailure(FailureKind.CORRUPT, f"{container.name}: none of its frames decodes")
    return found if found.pts + _ticks_shown(found, stream) > last else None


def _ticks_shown(frame: VideoFrame, stream: VideoStream) -> int:
    """Return how long a frame is shown; one average frame where the file does not say."""
    if frame.duration:
        return frame.duration
    if stream.average_rate and stream.time_base:
        return round(1 / (stream.average_rate * stream.time_base))
    return 0


def _display_matrix(frame: VideoFrame) -> NDArray[np.int32] | None:
    """Return the 3x3 matrix by which stored pixels are shown (ISO/IEC 14496-12), if any."""
    side_data: Any = frame.side_data  # PyAV's own stub knows only one of its keys
    if "DISPLAYMATRIX" not in side_data:
        return None
    return np.frombuffer(side_data["DISPLAYMATRIX"], dtype=np.int32).reshape(3, 3)


def _upright(image: NDArray[np.uint8], matrix: NDArray[np.int32] | None) -> NDArray[np.uint8]:
    """Turn and mirror an image as its display matrix asks, by quarter turns.

    The matrix maps the stored ``(x, y)`` to ``(a x + c y, b x + d y)`` with rows ``a b`` and
    ``c d``; an odd angle is taken to the nearest quarter turn.
    """
    if matrix is not None:
        (a, b), (c, d) = matrix[:2, :2].tolist()
        if abs(b) > abs(a):  # x becomes vertical
            image, horizontal, vertical = image.transpose(1, 0, 2), c, b
        else:
            horizontal, vertical = a, d
        if horizontal < 0:
            image = image[:, ::-1]
        if vertical < 0:
            image = image[::-1]
    return np.ascontiguousarray(image)
