"""Speed of scoring, against the arithmetic of the released evaluator, in one run.

::

    python tests/perf/bench_evaluate.py [--clips 5158] [--repeat 3] [--released CHECKOUT]

The baseline does, one clip at a time, what the evaluators of the field do: resize, min-max, sort
all pixels for the median, draw the boxes into float64 masks, and sum products of masks. Both see
the same maps and must agree to the last bit. Times are the best of the repeats, one process, one
thread, in CPU time, so that other work on the machine does not count.
With --released, the evaluator of a checkout (see make_lvs_golden.py) runs as well, in the same way.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from evaluate.make_lvs_golden import released_scores
from map_maker import make_entries

from vggss_tools.annotate.vggss_json import Annotations
from vggss_tools.evaluate.benchmark import run_benchmark, score_maps
from vggss_tools.evaluate.masks import pixel_edges
from vggss_tools.evaluate.predictions import read_predictions, write_predictions
from vggss_tools.evaluate.protocols import LVS, PAPER


def one_by_one(annotations: Annotations, maps: NDArray[np.float32]) -> NDArray[np.float64]:
    """Score as the field's evaluators do, in plain NumPy."""
    cious = []
    for entry, raw in zip(annotations.entries, maps, strict=True):
        value = -cv2.resize(raw, (224, 224), interpolation=cv2.INTER_LINEAR)
        low, high = value.min(), value.max()
        if high != low:
            value = (value - low) / (high - low)
        value = 1 - value
        threshold = np.sort(value.flatten())[224 * 224 // 2]
        value[value > threshold] = 1
        value[value < 1] = 0
        predicted = np.zeros((224, 224))
        predicted[value >= 0.5] = 1
        truth = np.zeros((224, 224))
        for box in entry.boxes:
            x0, y0, x1, y1 = (int(224 * max(edge, 0)) for edge in box)
            one = np.zeros((224, 224))
            one[y0:y1, x0:x1] = 1
            truth += one
        truth[truth > 0] = 1
        ciou, _, _ = (  # that code returns the cIoU and, summed once more, its two terms
            np.sum(predicted * truth) / (np.sum(truth) + np.sum(predicted * (truth == 0))),
            np.sum(predicted * truth),
            np.sum(truth) + np.sum(predicted * (truth == 0)),
        )
        cious.append(ciou)
    return np.array(cious)


def best_of(repeat: int, task: Callable[[], Any]) -> tuple[float, Any]:
    """Return the shortest time in seconds, and the last result."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        result = task()
        times.append(time.process_time() - start)
    return min(times), result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=5158)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--released", type=Path, metavar="CHECKOUT")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    n = arguments.clips
    annotations = Annotations("bench", "0" * 64, tuple(make_entries(n)))
    truth = [pixel_edges(entry.boxes) for entry in annotations.entries]
    maps = np.random.default_rng(0).random((n, 14, 14), dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "maps.npz")
        write_predictions(path, [entry.file for entry in annotations.entries], maps)
        print(f"{n} clips, maps of 14 x 14")
        naive, theirs = best_of(arguments.repeat, lambda: one_by_one(annotations, maps))
        print(f"  one by one, lvs                {naive:6.2f} s  {n / naive:8.0f} clips/s")
        ours, scores = best_of(
            arguments.repeat, lambda: score_maps(read_predictions(path), annotations, truth, [LVS])
        )
        print(f"  ours, lvs, from the file       {ours:6.2f} s  {n / ours:8.0f} clips/s")
        whole, _ = best_of(
            arguments.repeat,
            lambda: run_benchmark(read_predictions(path), annotations, [PAPER, LVS]),
        )
        print(f"  ours, both protocols, baselines, intervals {whole:6.2f} s")
        print(f"  ratio {naive / ours:.1f}, equal to the last bit: ", end="")
        print(np.array_equal(theirs, scores.cious["lvs"]))

        if arguments.released:
            checkout = arguments.released.absolute()
            released, _ = best_of(
                arguments.repeat,
                lambda: released_scores(checkout, annotations.entries, list(maps)),
            )
            print(
                f"  the released evaluator         {released:6.2f} s  {n / released:8.0f} clips/s"
            )
            print(f"  ratio {released / ours:.1f}")

        large = Path(folder, "large.npz")
        few = min(n, 1000)
        write_predictions(
            large,
            [entry.file for entry in annotations.entries[:few]],
            np.random.default_rng(0).random((few, 224, 224), dtype=np.float32).astype(np.float16),
        )
        tracemalloc.start()
        score_maps(read_predictions(large), annotations, truth, [LVS])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        size = large.stat().st_size
        print(f"{few} maps of 224 x 224 float16, {size / 1e6:.0f} MB: peak {peak / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
