"""``vggss extract`` against the usual two ffmpeg processes a clip, 2 workers each, in one run.

    python tests/perf/bench_extract.py [--clips 60] [--repetitions 3] [CLIP ...]

Without a CLIP, four of 640x360 with stereo AAC are made, at 1 and at 5 Mbit/s: with the frame
that is wanted just after a key frame, and with the only key frame at the start, the worst case.
Ours is the whole command, with the start of Python, ledger, checks, JPEG, WAV and the flushing of
both to disk; it gets twenty times the clips, so that its start is shared out as in a real run.
ffmpeg writes the same two files in both of the ways that are in use:

- ``ffmpeg -i CLIP -ss T``: decodes everything up to the moment; the usual one;
- ``ffmpeg -ss T -i CLIP``: seeks first, then decodes from the key frame before.

All are run in turn, and the best of the repetitions counts. Beside clips a second of wall time,
which other work on the machine disturbs, stands CPU time, children included. With ``TMPDIR`` in
memory (``TMPDIR=/dev/shm``) a slow disk is left out; ffmpeg does not wait for the disk, ours does.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from vggss_tools.clips import Clip, write_clips
from vggss_tools.media.encode import ffmpeg_path
from vggss_tools.media.ticks import FRAME_TIME
from vggss_tools.workspace import Workspace

WORKERS = 2
SHARE = 20  # times as many clips for ours
# Frames from one key frame to the next, at 25 fps. The moment is frame 124, counted from 0.
KEY_FRAMES = {"key frame just before": 123, "key frame at 0 s alone": 999}
MEGABITS = (1, 5)  # a second


def make_example(path: Path, key_frame_every: int, megabits: int) -> None:
    """Ten seconds of moving test pictures with a tone."""
    noise = f"noise=alls={4 if megabits < 3 else 12}:allf=t"
    # fmt: off
    subprocess.run([
        ffmpeg_path(), "-v", "error", "-y",
        "-f", "lavfi", "-i", f"testsrc2=s=640x360:r=25:d=10,{noise}",
        "-f", "lavfi", "-i", "aevalsrc=0.3*sin(440*2*PI*t)|0.3*sin(660*2*PI*t):s=44100:d=10",
        "-c:v", "libx264", "-pix_fmt", "yuv420p", "-b:v", f"{megabits}M",
        "-g", str(key_frame_every), "-sc_threshold", "0", "-c:a", "aac", path,
    ], check=True)
    # fmt: on


def make_folder(root: Path, clip: Path, count: int) -> Workspace:
    """Return a data directory with ``count`` clips that are all the same file."""
    workspace = Workspace.create(root)
    clips = [
        Clip(f"bench-{number:05d}_000000", "church bell ringing", "test") for number in range(count)
    ]
    write_clips(workspace.clips_table, clips)
    workspace.clip_path("x").parent.mkdir()
    for one in clips:
        os.link(clip, workspace.clip_path(one.clip_id))
    return workspace


def ours(workspace: Workspace) -> None:
    """The command, as a user runs it."""
    command = [sys.executable, "-m", "vggss_tools", "extract", "--data", str(workspace.root)]
    subprocess.run([*command, "--workers", str(WORKERS)], check=True, capture_output=True)


def two_processes(workspace: Workspace, *, seek_first: bool) -> None:
    """What a script does: for each clip one ffmpeg for the frame, one for the sound."""
    for folder in ("frames", "audio"):
        (workspace.root / folder).mkdir(exist_ok=True)

    def one(clip: Path) -> None:
        frame = workspace.frame_path(clip.stem)
        sound = workspace.audio_path(clip.stem)
        pieces = [
            (["-ss", str(FRAME_TIME)], ["-frames:v", "1", "-q:v", "2", str(frame)]),
            (["-ss", "3.5", "-t", "3"], ["-vn", "-ac", "1", "-ar", "16000", str(sound)]),
        ]
        for span, output in pieces:
            source = ["-i", str(clip)]
            moment = [*span, *source] if seek_first else [*source, *span]
            subprocess.run(
                [ffmpeg_path(), "-v", "error", "-nostdin", "-y", *moment, *output], check=True
            )

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(one, sorted((workspace.root / "clips").iterdir())))


@contextmanager
def measured(times: list[tuple[float, float]]) -> Iterator[None]:
    """Append wall and CPU seconds of what runs inside, of child processes."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    yield
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    times.append((wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))


def compare(name: str, clip: Path, folder: Path, count: int, repetitions: int) -> None:
    """Print one line for each way."""
    ways: dict[str, tuple[Callable[[Workspace], None], int]] = {
        "vggss extract": (ours, SHARE * count),
        "ffmpeg -i CLIP -ss T": (lambda where: two_processes(where, seek_first=False), count),
        "ffmpeg -ss T -i CLIP": (lambda where: two_processes(where, seek_first=True), count),
    }
    times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(repetitions):
        for way, (work, clips) in ways.items():
            workspace = make_folder(folder / "data", clip, clips)
            with measured(times[way]):
                work(workspace)
            assert len(list((workspace.root / "frames").glob("*.jpg"))) == clips
            shutil.rmtree(workspace.root)
    best = {
        way: tuple(min(side) / ways[way][1] for side in zip(*runs, strict=True))
        for way, runs in times.items()
    }
    my_wall, my_cpu = best["vggss extract"]
    print(f"{name} ({clip.stat().st_size / 1e6:.1f} MB, {WORKERS} workers)")
    for way, (wall, cpu) in best.items():
        print(
            f"  {way:<22} {1 / wall:7.1f} clips/s  {1000 * cpu:6.1f} ms CPU a clip"
            f"   ours: {wall / my_wall:4.1f} times the clips/s, {cpu / my_cpu:4.1f} times less CPU"
        )


def main() -> None:
    """Compare on each clip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="CLIP")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--repetitions", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for file in arguments.files:
            copy = folder / file.name
            shutil.copy(file, copy)
            compare(file.name, copy, folder, arguments.clips, arguments.repetitions)
        if not arguments.files:
            for megabits in MEGABITS:
                for name, every in KEY_FRAMES.items():
                    example = folder / "example.mp4"
                    make_example(example, every, megabits)
                    title = f"{name}, {megabits} Mbit/s"
                    compare(title, example, folder, arguments.clips, arguments.repetitions)


if __name__ == "__main__":
    main()
