"""Videos for the tests of fetching: every moment of them looks and sounds different.

The picture carries its own number as stripes, so that a decoded frame says which one it is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from clip_maker import ffmpeg
from numpy.typing import NDArray

WIDTH, HEIGHT, FPS = 128, 64, 25
BITS = 16  # of the number, as columns of 8 pixels, black or white
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "100", "-crf", "28")


def numbered_frames(seconds: float) -> NDArray[np.uint8]:
    """Frames that show their number."""
    numbers = np.arange(round(seconds * FPS))
    bits = (numbers[:, None] >> np.arange(BITS)) & 1
    row = (bits * 200 + 28).astype(np.uint8).repeat(WIDTH // BITS, axis=1)
    frames = np.broadcast_to(row[:, None, :, None], (len(numbers), HEIGHT, WIDTH, 3)).copy()
    return frames


def number_of(image: NDArray[np.uint8]) -> int:
    """Read the number of a decoded frame, of shape (height, width, ...)."""
    row = image.reshape(image.shape[0], image.shape[1], -1)[..., 0].mean(axis=0)
    bits = row.reshape(BITS, -1).mean(axis=1) > 128
    return int((bits * (1 << np.arange(BITS))).sum())


def rising_tone(seconds: float, rate: int = 44_100) -> NDArray[np.float32]:
    """A tone that rises by 3 Hz a second: no two moments of five minutes sound the same."""
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (300 + 1.5 * t) * t)).astype(np.float32)


def make_video(
    path: Path,
    *,
    seconds: float = 10.0,
    picture: bool = True,
    sound: bool = True,
    still: bool = False,
    silent: bool = False,
    codec: tuple[str, ...] = H264,
    options: tuple[str, ...] = (),
) -> Path:
    """Encode numbered frames with a rising tone."""
    arguments: list[str | Path] = []
    data = b""
    if picture:
        frames = numbered_frames(seconds)
        if still:
            frames[:] = frames[25]
        data = frames.tobytes()
        arguments += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}"]
        arguments += ["-r", str(FPS), "-i", "-"]
    if sound:
        raw = path.with_suffix(".f32")
        tone = rising_tone(seconds) * (0 if silent else 1)
        raw.write_bytes(tone.astype("<f4").tobytes())
        arguments += ["-f", "f32le", "-ar", "44100", "-ac", "1", "-i", raw]
    if picture:
        arguments += [*codec, "-pix_fmt", "yuv420p"]
    if sound and "-c:a" not in options:
        arguments += ["-b:a", "48k"]
    ffmpeg(*arguments, *options, path, data=data)
    return path


def dash_manifest(video: str, audio: str, seconds: float) -> bytes:
    """Return a manifest of picture and sound apart, each one file: what YouTube has."""
    return f"""<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" mediaPresentationDuration="PT{seconds:g}S">
<Period><AdaptationSet mimeType="video/mp4"><Representation id="v" codecs="avc1.42c01e" width="{WIDTH}" height="{HEIGHT}" bandwidth="100000"><BaseURL>{video}</BaseURL></Representation></AdaptationSet>
<AdaptationSet mimeType="audio/mp4"><Representation id="a" codecs="mp4a.40.2" bandwidth="48000"><BaseURL>{audio}</BaseURL></Representation></AdaptationSet></Period></MPD>
""".encode()  # noqa: E501
