"""``vggss verify`` on 5,158 clips: its data set, and how soon the next clip shows.

    python tests/perf/bench_verify.py [--clips 5158] [--answers 40] [--cut 24]

The clips are links to one synthetic clip, so that the time is FiftyOne's database and ours.
Cutting the segments is measured apart, on ``--cut`` real ones, two at a time: it is done once, and
takes as long as ffmpeg does. The baseline of the data set is the plain loop of FiftyOne's first
tutorial, ``dataset.add_sample`` for each, on 200 clips, with the same samples. The next clip is
measured in the browser, from the key to the first picture of the next clip that is painted; the
answer is on disk by then. All that is started is stopped again.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from verify.app_driver import (
    Database,
    browser_page,
    environment_for,
    free_port,
    log_lines,
    missing,
    open_review,
    press,
    start_app,
)

from vggss_tools.annotate.events import new_event
from vggss_tools.annotate.items import WorkspaceItems
from vggss_tools.annotate.log import append_events
from vggss_tools.clips import Clip, write_clips
from vggss_tools.verify.segments import cut_segments, segment_path
from vggss_tools.workspace import Workspace

NAIVE = 200  # clips that the plain loop gets


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("--clips", type=int, default=5_158)
    parser.add_argument("--answers", type=int, default=40)
    parser.add_argument("--cut", type=int, default=24)
    options = parser.parse_args()
    reason = missing()
    if reason:
        print(f"verify: not measured, {reason}")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        workspace = make_workspace(folder, options.clips, options.cut)
        database = Database(folder / "database", free_port())
        database.start()
        try:
            environment = environment_for(folder, database)
            os.environ.update(environment)
            measure_data_set(workspace, options.clips)
            measure_next_clip(workspace.root, environment, options.answers)
        finally:
            database.kill()


def make_workspace(folder: Path, n_clips: int, n_cut: int) -> Workspace:
    """Make one clip for real and link it; cut some segments and link the first of them."""
    world = folder / "world"
    for arguments in (
        ["sample", world, "--train", "0", "--test", "1", "--workers", "1"],
        ["--data", world, "extract", "--workers", "1"],
    ):
        subprocess.run(
            [sys.executable, "-m", "vggss_tools", *map(str, arguments)],
            check=True,
            capture_output=True,
        )
    source, workspace = Workspace(world), Workspace.create(folder / "many")
    (first,) = source.clips("test")
    clips = [Clip(f"bench{index:06d}_000000", first.label, "test") for index in range(n_clips)]
    write_clips(workspace.clips_table, clips)
    for clip in clips:
        link(source.clip_path(first.clip_id), workspace.clip_path(clip.clip_id))
        link(source.frame_path(first.clip_id), workspace.frame_path(clip.clip_id))
    items = WorkspaceItems(workspace, "test")
    some = [items[clip.clip_id] for clip in clips[:n_cut]]
    start = time.perf_counter()
    cut_segments(workspace, some, workers=2)
    seconds = time.perf_counter() - start
    print(f"cutting segments (320x240, once): {seconds / n_cut * 1000:.0f} ms a clip, 2 at a time")
    for clip in clips[n_cut:]:
        link(segment_path(workspace, clips[0].clip_id), segment_path(workspace, clip.clip_id))
    return workspace


def link(source: Path, target: Path) -> None:
    """Give a file another name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(source, target)


def measure_data_set(workspace: Workspace, n_clips: int) -> None:
    """Time a new data set, one that is up to date, and one whose clips were all answered."""
    from vggss_tools.verify.environment import import_fiftyone
    from vggss_tools.verify.review import Review, build

    start = time.perf_counter()
    fo = import_fiftyone()
    print(f"importing FiftyOne and asking its database: {time.perf_counter() - start:.1f} s")
    review = Review(workspace, "test", "ann")
    new = timed(lambda: build(review, print))
    print(f"data set of {n_clips:,} clips, new: {new:.1f} s")
    print(f"data set of {n_clips:,} clips, up to date: {timed(lambda: build(review, print)):.1f} s")
    append_events(
        workspace.annotations_log,
        [
            new_event(clip.clip_id, clip.label, "yes", stage="verify", reviewer="bob", tool="bench")
            for clip in workspace.clips("test")
        ],
    )
    print(
        f"data set of {n_clips:,} clips, all answered since: "
        f"{timed(lambda: build(review, print)):.1f} s"
    )
    naive = naive_per_clip(fo, workspace)
    print(
        f"add_sample one by one: {naive * n_clips:.1f} s for as many; "
        f"ours is {naive * n_clips / new:.1f} times as fast"
    )


def timed(work: Any) -> float:
    """Return the seconds that something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def naive_per_clip(fo: Any, workspace: Workspace) -> float:
    """Return the seconds a clip of FiftyOne's plain loop."""
    from vggss_tools.verify.review import Review, questions_of
    from vggss_tools.verify.samples import SLICES, Row, new_sample

    dataset = fo.Dataset()
    dataset.add_group_field("group", default="frame")
    review = Review(workspace, "test", "ann")
    questions = questions_of(review, WorkspaceItems(workspace, "test"), {})[:NAIVE]
    start = time.perf_counter()
    for question in questions:
        group = fo.Group()
        for name in SLICES:
            row = Row.of(question, None, "test")
            dataset.add_sample(new_sample(fo, row, group.element(name), name))
    seconds = time.perf_counter() - start
    with suppress(ValueError):
        dataset.delete()
    return seconds / len(questions)


def measure_next_clip(world: Path, environment: dict[str, str], n_answers: int) -> None:
    """Answer clips in a browser and print what it measured."""
    app = start_app(world, environment)
    try:
        with browser_page() as page:
            open_review(page, app)
            for index in range(n_answers):
                press(page, "ynu"[index % 3])
            saved, shown = (
                page.evaluate(f"performance.getEntriesByName('{name}').map(m => m.duration)")
                for name in ("vggss-saved", "vggss-next")
            )
    finally:
        app.stop()
    logged = [event for event in log_lines(world) if event["reviewer"] == "ann"]
    assert len(logged) == n_answers, f"{len(logged)} answers in the log, not {n_answers}"
    for name, times in (("answer on disk", saved), ("next clip shown", shown)):
        tail = statistics.quantiles(times, n=20)[-1]
        print(f"{name}: median {statistics.median(times):.0f} ms, 95 % within {tail:.0f} ms")


if __name__ == "__main__":
    main()
