"""Frame and sound of a clip: this package, in process, against two ffmpeg processes a clip.

Run with ``python tests/perf/bench_extract.py [CLIP ...]``; without clips, one of 640x360 with a
key frame every 5 s is made. Both are timed in turn within one run, on one core each, and the
best of the repetitions counts: CPU time, children included.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from vggss_tools.media.audio import decode_audio
from vggss_tools.media.encode import ffmpeg_path
from vggss_tools.media.frames import FRAME_TIME, decode_frame
from vggss_tools.media.probe import open_media


def make_example(path: Path, key_frame_every: int) -> None:
    """Ten seconds of moving test pictures with a tone."""
    # fmt: off
    subprocess.run([
        ffmpeg_path(), "-v", "error", "-y",
        "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=10,noise=alls=12:allf=t",
        "-f", "lavfi", "-i", "sine=440:sample_rate=44100:d=10",
        "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p",
        "-g", str(key_frame_every), "-c:a", "aac", path,
    ], check=True)
    # fmt: on


def ours(clip: Path, folder: Path) -> None:
    """One opening of the file, no process."""
    with open_media(clip) as container:
        decode_frame(container)
        decode_audio(container)


def two_processes(clip: Path, folder: Path) -> None:
    """What a shell script does: one ffmpeg for the frame, one for the sound."""
    quiet = [ffmpeg_path(), "-v", "error", "-y", "-threads", "1", "-i", str(clip)]
    # fmt: off
    subprocess.run([*quiet, "-ss", str(FRAME_TIME), "-frames:v", "1", "-q:v", "2",
                    folder / "frame.jpg"], check=True)
    subprocess.run([*quiet, "-ss", "3.5", "-t", "3", "-vn", "-ac", "1", "-ar", "16000",
                    folder / "sound.wav"], check=True)
    # fmt: on


def cpu_seconds(work: Callable[[Path, Path], None], clip: Path, folder: Path) -> float:
    """CPU time of one call, of this process and its children."""
    before = sum(os.times()[:4])
    work(clip, folder)
    return sum(os.times()[:4]) - before


def compare(name: str, clip: Path, folder: Path, repetitions: int) -> None:
    """Print one line."""
    # os.times() counts in 1/100 s, so ours is repeated within one measurement.
    inner = 10

    def ours_often(clip: Path, folder: Path) -> None:
        for _ in range(inner):
            ours(clip, folder)

    pairs = [
        (cpu_seconds(ours_often, clip, folder) / inner, cpu_seconds(two_processes, clip, folder))
        for _ in range(repetitions)
    ]
    mine, theirs = (1000 * min(side) for side in zip(*pairs, strict=True))
    print(
        f"{name:<28} ours {mine:7.1f} ms   two ffmpeg processes {theirs:7.1f} ms"
        f"   {theirs / mine:5.1f} times"
    )


def main() -> None:
    """Compare on each clip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = {clip.name: clip for clip in arguments.clips}
        if not clips:
            for name, every in (("key frame every 1 s", 25), ("key frame every 5 s", 125)):
                clips[name] = folder / f"{every}.mp4"
                make_example(clips[name], every)
        for name, clip in clips.items():
            compare(name, clip, folder, arguments.repetitions)


if __name__ == "__main__":
    main()
