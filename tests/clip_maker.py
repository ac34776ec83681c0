"""Small clips made by the real ffmpeg, and what ffmpeg itself extracts from them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vggss_tools.media.encode import ffmpeg_path

WIDTH, HEIGHT = 96, 64
SOUND_RATE = 44_100
H264 = ("-c:v", "libx264", "-preset", "veryfast")


def ffmpeg(*arguments: str | Path, data: bytes = b"") -> None:
    """Run ffmpeg quietly; fails the test if ffmpeg fails."""
    command = [ffmpeg_path(), "-v", "error", "-y", *map(str, arguments)]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def distinct_frames(n: int) -> NDArray[np.uint8]:
    """Frames of random blocks: no two look alike, and each survives compression."""
    blocks = np.random.default_rng(0).integers(0, 256, (n, HEIGHT // 16, WIDTH // 16, 3))
    return blocks.astype(np.uint8).repeat(16, axis=1).repeat(16, axis=2)


def sweep(seconds: float, rate: int = SOUND_RATE) -> NDArray[np.float32]:
    """A tone that rises from 200 to 1,400 Hz in 10 s: every moment sounds different."""
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (200 + 60 * t) * t)).astype(np.float32)


def make_clip(
    path: Path,
    *,
    fps: str = "25",
    seconds: float = 10.0,
    picture: bool = True,
    sound: bool = True,
    codec: Sequence[str] = H264,
    before_picture: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Path:
    """Encode distinct frames at ``fps`` with a rising tone."""
    inputs: list[str | Path] = []
    data = b""
    if picture:
        numerator, _, denominator = fps.partition("/")
        n = round(seconds * float(numerator) / float(denominator or 1))
        data = distinct_frames(n).tobytes()
        inputs += [*before_picture, "-f", "rawvideo", "-pix_fmt", "rgb24"]
        inputs += ["-s", f"{WIDTH}x{HEIGHT}", "-r", fps, "-i", "-"]
    if sound:
        raw = path.with_suffix(".f32")
        raw.write_bytes(sweep(seconds).tobytes())
        inputs += ["-f", "f32le", "-ar", str(SOUND_RATE), "-ac", "1", "-i", raw]
    encoding = [*codec, "-pix_fmt", "yuv420p"] if picture else []
    ffmpeg(*inputs, *encoding, *options, path, data=data)
    return path


def extracted_by_ffmpeg(clip: Path, number: int = 125) -> NDArray[np.uint8] | None:
    """What ``ffmpeg -i CLIP -vf fps=25`` writes as file ``number``; None if it writes none."""
    folder = clip.with_suffix(".extracted")
    folder.mkdir()
    ffmpeg("-i", clip, "-vf", "fps=25", folder / "%03d.bmp")
    image = cv2.imread(str(folder / f"{number:03d}.bmp"))
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8)


def resampled_by_ffmpeg(clip: Path, rate: int) -> NDArray[np.float32]:
    """The whole sound, mono at ``rate``, silent from the file's start to the sound's."""
    raw = clip.with_suffix(".whole")
    # fmt: off
    ffmpeg("-i", clip, "-vn", "-af", "aresample=async=1:first_pts=0",
           "-ac", "1", "-ar", str(rate), "-f", "f32le", raw)
    # fmt: on
    return np.fromfile(raw, dtype="<f4")
