"""Time to export, import and fold the annotations of 5,158 clips, in one run.

::

    python tests/perf/bench_annotations.py [--clips 5158] [--events 3] [--formats csv,coco]

Makes a data directory of that many clips with small frames and sounds, and a log with so many
events a clip. Prints

- the fold (log read and folded), against `json.loads` of every line, the least that any reader
  does;
- frame sizes from the files' headers, against decoding the pictures;
- export and import of each format through the functions of the command line, the log read each
  time, against the same baseline. The import is the most work that there can be: beside an empty
  log, so that every clip gives an event, and these are written.

One process.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from vggss_tools.annotate.events import AnnotationStage, Decision, Event, EventBox
from vggss_tools.annotate.exporting import export
from vggss_tools.annotate.fold import fold
from vggss_tools.annotate.formats.registry import FORMATS, REGISTERED
from vggss_tools.annotate.frame_sizes import jpeg_size
from vggss_tools.annotate.importing import plan_import
from vggss_tools.annotate.items import WorkspaceItems
from vggss_tools.annotate.log import append_events, read_events
from vggss_tools.annotate.media_references import media_of
from vggss_tools.annotate.project_files import read_answer_files
from vggss_tools.boxes import Box
from vggss_tools.classes import vggss_classes
from vggss_tools.clips import Clip, write_clips
from vggss_tools.workspace import Workspace

LIMIT = 10.0  # seconds


def make(root: Path, n_clips: int, n_events: int) -> Workspace:
    """Make the data directory."""
    rng = np.random.default_rng(0)
    workspace = Workspace.create(root)
    labels = list(vggss_classes())
    clips = [Clip(f"made{i:07d}_{i % 1000:06d}", labels[i % len(labels)], "test")
             for i in range(n_clips)]  # fmt: skip
    write_clips(workspace.clips_table, clips)
    picture = cv2.GaussianBlur(rng.integers(0, 255, (240, 320, 3), dtype=np.uint8), (9, 9), 0)
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    wav = b"RIFF" + bytes(32_000)
    for folder in ("frames", "clips", "audio"):
        (root / folder).mkdir()
    for clip in clips:
        workspace.frame_path(clip.clip_id).write_bytes(jpeg)
        workspace.audio_path(clip.clip_id).write_bytes(wav)
        workspace.clip_path(clip.clip_id).write_bytes(b"not looked at")
    events = []
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(n_clips * n_events):
        clip = clips[number % n_clips]
        x0, y0 = rng.uniform(0, 0.5, 2)
        boxes = tuple(
            EventBox(Box(float(x0), float(y0), float(x0 + w), float(y0 + h)), bool(w > 0.1))
            for w, h in rng.uniform(0.05, 0.5, (1 + number % 2, 2))
        )
        events.append(
            Event(
                str(UUID(int=number + 1)), clip.clip_id, clip.label,
                start + timedelta(seconds=number), AnnotationStage.VERIFY,
                f"reviewer{number // n_clips % 3}",
                "bench", Decision.YES if number % 7 else Decision.NOT_SURE, boxes,
            )
        )  # fmt: skip
    append_events(workspace.annotations_log, events)
    return workspace


def timed(what: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    what()
    return time.perf_counter() - start


def show(name: str, seconds: float, naive: float, against: str) -> None:
    """Print one line."""
    verdict = "" if seconds < LIMIT else f"   over {LIMIT:g} s"
    print(f"{name:<24}{seconds:8.2f} s{seconds / naive:9.2f} x {against}{verdict}")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=5158)
    parser.add_argument("--events", type=int, default=3, help="events a clip")
    parser.add_argument("--formats", default=",".join(n for n in REGISTERED if n != "review-page"))
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-annotations-"))
    try:
        run(folder, chosen.clips, chosen.events, chosen.formats.split(","))
    finally:
        shutil.rmtree(folder)


def run(folder: Path, n_clips: int, n_events: int, formats: list[str]) -> None:
    """Make, time and print."""
    workspace = make(folder / "data", n_clips, n_events)
    empty = Workspace.create(folder / "empty")
    write_clips(empty.clips_table, workspace.clips())
    for name in ("frames", "clips", "audio"):
        (empty.root / name).symlink_to(workspace.root / name)
    lines = workspace.annotations_log.read_bytes().splitlines()
    print(f"{n_clips:,} clips, {len(lines):,} events")
    bare = timed(lambda: [json.loads(line) for line in lines])
    show("fold", timed(lambda: fold(read_events(workspace.annotations_log))), bare, "json.loads")
    frames = [workspace.frame_path(clip.clip_id) for clip in workspace.clips()]
    decoding = timed(lambda: [cv2.imread(str(frame)) for frame in frames])
    headers = timed(lambda: [jpeg_size(frame) for frame in frames])
    show("frame sizes", headers, decoding, "decoding")
    for name in formats:
        try:
            format_ = FORMATS[name]
        except ModuleNotFoundError as error:
            print(f"{name:<24}{error}")
            continue
        out = folder / f"{name}{format_.suffix}"

        def write() -> None:
            items = list(WorkspaceItems(workspace).values())
            export(items, format_, out, media_of("relative"))  # noqa: B023

        def read() -> None:
            known = WorkspaceItems(empty)
            files = read_answer_files(out, format_, known)  # noqa: B023
            plan = plan_import(files, known, tool="bench", reviewer="eve")
            append_events(empty.annotations_log, plan.events)
            assert len(plan.events) > n_clips / 2
            empty.annotations_log.unlink()

        show(f"{name}: export", timed(write), bare, "json.loads")
        show(f"{name}: import", timed(read), bare, "json.loads")


if __name__ == "__main__":
    main()
