"""Speed and memory of scoring, against the released evaluator of LVS, in one run.

::

    python tests/perf/bench_evaluate.py [--clips 5158] [--repeat 3] [--released CHECKOUT]

With the environment's VGGSS_REFERENCE_DATA the clips are those of VGG-SS, else made-up ones. All
see the same maps, and must agree to the last bit. Prints

- ours under ``lvs`` against the released evaluator: the loop of a checkout of
  github.com/hche11/Localizing-Visual-Sounds-the-Hard-Way with --released, and in any case its
  arithmetic one clip at a time (resize, min-max, sort, boxes into float64 masks, products of
  masks), written down below;
- all published protocols in one call against ``lvs`` alone: the pass over the maps, and the
  benchmark with its baselines, ceiling and intervals;
- memory with maps of 224 x 224 float16, streamed from a file.

One process; OpenCV and linear algebra have one thread. Times are the best of the repeats, taken in
turns, in CPU time (of all threads; other work on the machine counts less) and by the clock.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Before NumPy is imported: its linear algebra would take every core.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from map_maker import make_entries

from vggss_tools.annotate.vggss_json import Annotations, Entry, read_vggss_json
from vggss_tools.evaluate.benchmark import run_benchmark
from vggss_tools.evaluate.predictions import read_predictions, write_predictions
from vggss_tools.evaluate.protocols import LVS, PROTOCOLS, Protocol
from vggss_tools.evaluate.scoring import score_maps
from vggss_tools.evaluate.test_sets import test_set_of

GRID = 224
PUBLISHED = [protocol for protocol in PROTOCOLS.values() if protocol.name != "vggss"]


def one_by_one(entries: list[Entry], maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Score as the field's evaluators do, in plain NumPy."""
    cious = []
    for entry, raw in zip(entries, maps, strict=True):
        value = -cv2.resize(raw, (GRID, GRID), interpolation=cv2.INTER_LINEAR)
        low, high = value.min(), value.max()
        if high != low:
            value = (value - low) / (high - low)
        value = 1 - value
        threshold = np.sort(value.flatten())[GRID * GRID // 2]
        value[value > threshold] = 1
        value[value < 1] = 0
        predicted = np.zeros((GRID, GRID))
        predicted[value >= 0.5] = 1
        truth = np.zeros((GRID, GRID))
        for box in entry.boxes:
            x0, y0, x1, y1 = (int(GRID * max(edge, 0)) for edge in box)
            one = np.zeros((GRID, GRID))
            one[y0:y1, x0:x1] = 1
            truth += one
        truth[truth > 0] = 1
        with np.errstate(invalid="ignore"):  # an empty truth of which nothing is predicted
            ciou, _, _ = (  # that code returns the cIoU and, summed once more, its two terms
                np.sum(predicted * truth) / (np.sum(truth) + np.sum(predicted * (truth == 0))),
                np.sum(predicted * truth),
                np.sum(truth) + np.sum(predicted * (truth == 0)),
            )
        cious.append(ciou)
    return np.nan_to_num(np.array(cious))


@dataclass
class Timed:
    """A task, its best times in seconds, and what it gave last."""

    name: str
    task: Callable[[], Any]
    cpu: float = np.inf
    clock: float = np.inf
    result: Any = field(default=None, repr=False)

    def run(self) -> None:
        cpu, clock = time.process_time(), time.perf_counter()
        self.result = self.task()
        self.cpu = min(self.cpu, time.process_time() - cpu)
        self.clock = min(self.clock, time.perf_counter() - clock)

    def report(self, n: int) -> None:
        print(
            f"  {self.name:48}{self.cpu:7.2f} s CPU {self.clock:7.2f} s clock"
            f"{n / self.cpu:8.0f} clips/s"
        )


def take_turns(repeat: int, *tasks: Timed) -> None:
    """Run all tasks, one after the other, so many times."""
    for _ in range(repeat):
        for task in tasks:
            task.run()


def clips_of(count: int) -> tuple[str, list[Entry]]:
    """Return what the clips are, and the clips."""
    folder = os.environ.get("VGGSS_REFERENCE_DATA")
    if folder:
        entries = list(read_vggss_json(Path(folder) / "vggss" / "vggss.json").entries)
        return "VGG-SS", entries[:count]
    return "made-up clips", make_entries(count)


def annotations_of(entries: list[Entry]) -> Annotations:
    # The name makes every protocol treat them as VGG-SS.
    return Annotations("vgg-ss", "0" * 64, tuple(entries))


def compare_speed(arguments: argparse.Namespace, folder: Path) -> None:
    """Measure (and check) against the released evaluator, and all protocols against one."""
    what, entries = clips_of(arguments.clips)
    n = len(entries)
    annotations = annotations_of(entries)
    test_set = test_set_of(annotations)
    maps = np.random.default_rng(0).random((n, 14, 14), dtype=np.float32)
    path = folder / "maps.npz"
    write_predictions(path, [entry.file for entry in entries], maps)
    print(f"{what}: {n}, maps of 14 x 14, best of {arguments.repeat}")

    def score(protocols: list[Protocol]) -> Any:
        return score_maps(read_predictions(path), test_set, protocols)

    def benchmark(protocols: list[Protocol]) -> Any:
        return run_benchmark(read_predictions(path), annotations, protocols)

    naive = Timed("the released arithmetic, one by one", lambda: one_by_one(entries, maps))
    ours = Timed("ours, lvs, the pass over the file", lambda: score([LVS]))
    every = Timed(f"ours, {len(PUBLISHED)} protocols, the pass", lambda: score(PUBLISHED))
    whole = Timed("ours, lvs, the whole benchmark", lambda: benchmark([LVS]))
    full = Timed(
        f"ours, {len(PUBLISHED)} protocols, the whole benchmark", lambda: benchmark(PUBLISHED)
    )
    tasks = [naive, ours, every, whole, full]
    released = None
    if arguments.released:
        from peers import lvs
        from peers.cases import Case, Cases

        items = [Case(e.file, e.boxes, one, one) for e, one in zip(entries, maps, strict=True)]
        cases, checkout = Cases(False, items), arguments.released.absolute()
        released = Timed("the released evaluator", lambda: lvs.score_checkout(checkout, cases))
        tasks.append(released)
    take_turns(arguments.repeat, *tasks)
    for task in tasks:
        task.report(n)
    print(f"  {'ratios':63}{'of CPU':>7}{'of clock':>10}")
    compared = [(naive, ours), (every, ours), (full, whole)]
    if released is not None:
        compared[1:1] = [(released, ours), (released, whole)]
    for slow, fast in compared:
        name = f"{slow.name} / {fast.name.removeprefix('ours, ')}"
        print(f"  {name:64}{slow.cpu / fast.cpu:6.1f}{slow.clock / fast.clock:10.1f}")
    cious = ours.result.cious["lvs"][:, 0]
    print(f"  equal to the last bit, one by one: {np.array_equal(naive.result, cious)}")
    same = np.array_equal(every.result.cious["lvs"][:, 0], cious)
    print(f"  equal to the last bit, alone and among {len(PUBLISHED)}: {same}")
    if released is not None:
        same = np.array_equal(np.nan_to_num(np.array(released.result.cious)), cious)
        print(f"  equal to the last bit, the released evaluator: {same}")


def compare_memory(arguments: argparse.Namespace, folder: Path) -> None:
    """Score large maps in processes of their own, and print what these needed."""
    _, entries = clips_of(arguments.clips)
    n = len(entries)
    stored, path = folder / "large.npy", folder / "large.npz"
    maps = np.lib.format.open_memmap(stored, "w+", np.float16, (n, GRID, GRID))  # type: ignore[no-untyped-call]
    rng = np.random.default_rng(0)
    for i in range(n):
        maps[i] = rng.random((GRID, GRID), dtype=np.float32)
    write_predictions(path, [entry.file for entry in entries], maps)
    del maps
    stored.unlink()
    print(f"{n} maps of 224 x 224 float16, {path.stat().st_size / 1e6:.0f} MB, streamed")
    for which in ("lvs", "all"):
        for measure in ("resident", "allocated"):
            command = [sys.executable, __file__, "--clips", str(arguments.clips), "--inside"]
            subprocess.run([*command, f"{measure}:{which}:{path}"], check=True)


def measure_inside(arguments: argparse.Namespace) -> None:
    """Score in this process and print how much memory it took."""
    measure, which, path = arguments.inside.split(":", 2)
    annotations = annotations_of(clips_of(arguments.clips)[1])
    protocols = [LVS] if which == "lvs" else list(PROTOCOLS.values())
    before = peak_resident()
    if measure == "allocated":
        tracemalloc.start()
    start = time.process_time()
    run_benchmark(read_predictions(path), annotations, protocols)
    spent = time.process_time() - start
    if measure == "allocated":
        peak = tracemalloc.get_traced_memory()[1]
        print(f"  {len(protocols):2} protocols: peak of Python's allocations {peak / 1e6:8.0f} MB")
    else:
        after = peak_resident()
        print(
            f"  {len(protocols):2} protocols: peak resident {after / 1e6:8.0f} MB, "
            f"of it {(after - before) / 1e6:.0f} MB by scoring; {spent:.1f} s CPU"
        )


def peak_resident() -> int:
    """Return the largest resident size of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage counts the parent's too, from before the process was its own
        lines = status.read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=5158)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--released", type=Path, metavar="CHECKOUT")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.inside:
        measure_inside(arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        compare_speed(arguments, Path(folder))
        compare_memory(arguments, Path(folder))


if __name__ == "__main__":
    main()
