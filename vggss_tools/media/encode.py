"""Write a clip: frames and sound into one MP4, through one ffmpeg process."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vggss_tools.errors import ClipFailure, FailureKind, VggssError


@cache
def ffmpeg_path() -> str:
    """Path of the ffmpeg program: the system's, else the one that imageio-ffmpeg brings.

    Raises
    ------
    VggssError
        If there is neither.
    """
    system = shutil.which("ffmpeg")
    if system:
        return system
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        raise VggssError(
            "ffmpeg: found neither on the PATH nor in imageio-ffmpeg; "
            "install it (apt install ffmpeg, brew install ffmpeg) and run the same command again"
        ) from None


@cache
def ffmpeg_version() -> str:
    """Return the version that ffmpeg gives of itself."""
    told = subprocess.run(
        [ffmpeg_path(), "-version"], capture_output=True, text=True, errors="replace", check=False
    )
    words = told.stdout.split()
    return words[2] if words[:2] == ["ffmpeg", "version"] else "unknown"


def write_clip(
    path: Path | str,
    frames: Iterable[NDArray[np.uint8]],
    sound: NDArray[np.float32],
    *,
    width: int,
    height: int,
    fps: int,
    sample_rate: int,
    pixel_format: str = "rgb24",
    quality: int = 28,
) -> None:
    """Encode an MP4: H.264 (yuv420p, a key frame every second) and AAC.

    Parameters
    ----------
    path : destination, overwritten
    frames : uint8 arrays in the layout of ``pixel_format``, C-contiguous; sides even
    sound : float32 array of shape (n,), mono, -1..1
    fps, sample_rate : frames and samples per second
    pixel_format : ``rgb24`` (height, width, 3), or ``yuv420p`` (3 height / 2, width), which
        ffmpeg need not convert
    quality : constant rate factor of H.264; lower is better and larger

    Raises
    ------
    ClipFailure
        If ffmpeg fails: ``disk_full``, ``permission``, or ``error`` with ffmpeg's own words.
    """
    path = Path(path)
    # Beside the clip, and named after it: what a kill leaves is found with the unfinished clip.
    track = path.with_name(f"{path.name}.wav")
    command = _command(path, track, pixel_format, f"{width}x{height}", fps, quality)
    try:
        _write_wav(track, sound, sample_rate)
        status, words = _run(command, frames)
    finally:
        track.unlink(missing_ok=True)
    if status != 0:
        raise _failure(path, words)


def _run(command: list[str], frames: Iterable[NDArray[np.uint8]]) -> tuple[int, str]:
    """Feed frames to ffmpeg; return its exit status and what it said."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log)
        assert process.stdin is not None
        _widen(process.stdin.fileno())
        try:
            # Where ffmpeg stops early (a full disk), its words matter, not our broken pipe.
            with contextlib.suppress(BrokenPipeError):
                for frame in frames:
                    process.stdin.write(frame.data)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            status = process.wait()
        except BaseException:  # Ctrl-C too: ffmpeg must not outlive us; it goes on
            process.kill()
            process.wait()
            raise
        log.seek(0)
        return status, log.read().decode(errors="replace")


def _widen(pipe: int) -> None:
    """Make room for whole frames in a pipe, where the system can: fewer changes of process."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # a limit of the system; the pipe works all the same
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)


def _command(
    path: Path, track: Path, pixel_format: str, size: str, fps: int, quality: int
) -> list[str]:
    import ffmpeg

    picture = ffmpeg.input("pipe:", format="rawvideo", pix_fmt=pixel_format, s=size, r=fps)
    output = ffmpeg.output(
        picture,
        ffmpeg.input(str(track)),
        str(path),
        format="mp4",
        # One thread: the work is spread over clips.
        threads=1,
        vcodec="libx264",
        preset="superfast",
        # Looking ahead over frames costs a fifth of the time and gains these clips nothing.
        **{"x264-params": "scenecut=0:b-adapt=0:rc-lookahead=0:mbtree=0"},
        crf=quality,
        g=fps,
        pix_fmt="yuv420p",
        acodec="aac",
        audio_bitrate="48k",
        aac_coder="fast",
        movflags="+faststart",
    )
    quiet = ["-hide_banner", "-loglevel", "error"]
    command: list[str] = output.compile(cmd=[ffmpeg_path(), *quiet], overwrite_output=True)
    return command


def _write_wav(path: Path, sound: NDArray[np.float32], sample_rate: int) -> None:
    samples = (np.clip(sound, -1, 1) * 32767).round().astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.tobytes())


def _failure(path: Path, words: str) -> ClipFailure:
    text = " ".join(words.split()) or "no message"
    if "Unknown encoder" in words:
        kind = FailureKind.TOOL_MISSING
    elif "No space left on device" in words:
        kind = FailureKind.DISK_FULL
    elif "Permission denied" in words or "Read-only file system" in words:
        kind = FailureKind.PERMISSION
    else:
        kind = FailureKind.ERROR
    return ClipFailure(kind, f"{path.name}: ffmpeg could not write it ({text})")
