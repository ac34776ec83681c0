"""Detector throughput: this package's batches against the loop that is usually written.

Run with ``python tests/perf/bench_propose.py [--device cuda] [--threads N] [--weights PATH]``.
Both look at the same pictures with the same weights, in turn within one run. The usual loop calls
torchvision's network with one picture at a time, in float32. Pictures per second of CPU time on
the CPU, of wall time on a GPU, best round; and the mean average precision at IoU 0.5 of our boxes,
the truth being the usual loop's from the score on that the stage keeps.

The network is that of ``openimages``, with ``--weights`` (a checkpoint of MMDetection) or, without,
weights made by rule; and, to see what rounding does to a network that was really trained, the
sample world's, on scenes it has not seen.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.models.detection import FasterRCNN

sys.path.insert(0, str(Path(__file__).parents[1]))

from propose.mmdet_maker import CALM, make_picture, make_state

from vggss_tools.models.torch_file import read_torch_file
from vggss_tools.propose.detector import SCORE_THRESHOLD
from vggss_tools.propose.mmdet_network import build_network, resize
from vggss_tools.propose.mmdet_weights import class_count, load_converted, state_dict_of
from vggss_tools.propose.sample_detector import read_network
from vggss_tools.propose.sample_examples import render_examples
from vggss_tools.propose.sample_input import shrink
from vggss_tools.propose.sample_weights import SHIPPED, describe
from vggss_tools.propose.torchvision_detector import FastInference, Found

SIZES = ((360, 640), (360, 480), (360, 640), (480, 640))  # frames of VGG-Sound's clips
ROUNDS = 2
IOU = 0.5

Image = NDArray[np.uint8]
Look = Callable[[Sequence[Image]], list[Found]]


def pictures(count: int, folder: Path | None) -> list[Image]:
    """Return pictures of a folder, or made by rule."""
    if folder is None:
        return [make_picture(*SIZES[i % len(SIZES)], seed=100 + i) for i in range(count)]
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".jpg", ".png"))
    return [np.asarray(cv2.imread(str(path)))[:, :, ::-1] for path in paths[:count]]


def usual_loop(
    network: torch.nn.Module, device: torch.device, resize: Callable[[Image], Image]
) -> Look:
    """Return the usual loop: torchvision's network, one picture at a time, float32."""
    network = network.to(device)

    def look(images: Sequence[Image]) -> list[Found]:
        found = []
        for image in images:
            small = resize(image)
            with torch.inference_mode():
                picture = torch.from_numpy(small.copy()).permute(2, 0, 1).to(device).float() / 255
                one = {name: value.cpu().numpy() for name, value in network([picture])[0].items()}
            height, width = small.shape[:2]
            boxes = one["boxes"] / np.array([width, height, width, height])
            found.append(Found(boxes, one["scores"], one["labels"] - 1))
        return found

    return look


def overlaps(one: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU of a box with others."""
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:])
    shared = np.prod((high - low).clip(0), axis=1)
    area = np.prod(others[:, 2:] - others[:, :2], axis=1) + np.prod(one[2:] - one[:2])
    return np.asarray(shared / (area - shared))


def mean_average_precision(found: Sequence[Found], truth: Sequence[Found]) -> float:
    """Mean over the truth's classes of the area under the curve of precision over recall."""
    claims: dict[int, list[tuple[float, int, NDArray[np.float64]]]] = defaultdict(list)
    wanted: dict[int, dict[int, NDArray[np.float64]]] = defaultdict(dict)
    for picture, (mine, theirs) in enumerate(zip(found, truth, strict=True)):
        for box, score, label in zip(mine.boxes, mine.scores, mine.labels, strict=True):
            claims[int(label)].append((float(score), picture, box))
        for label in np.unique(theirs.labels):
            wanted[int(label)][picture] = theirs.boxes[theirs.labels == label]
    precisions = []
    for label, there in wanted.items():
        taken = {picture: np.zeros(len(boxes), bool) for picture, boxes in there.items()}
        hits = []
        for _, picture, box in sorted(claims[label], key=lambda claim: -claim[0]):
            hit = False
            if picture in there:
                overlap = np.where(taken[picture], 0, overlaps(box, there[picture]))
                best = int(overlap.argmax())
                hit = bool(overlap[best] >= IOU)
                taken[picture][best] |= hit
            hits.append(hit)
        right = np.cumsum(hits)
        precision = right / np.arange(1, len(hits) + 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1] if hits else precision
        precisions.append(float(envelope[hits].sum()) / sum(map(len, there.values())))
    return float(np.mean(precisions))


def pictures_per_second(look: Look, images: Sequence[Image], device: torch.device) -> float:
    """Return the speed of the best round, after a picture of each size to warm up."""
    look(images[: len(SIZES)])
    on_gpu = device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    seconds = []
    for _ in range(ROUNDS):
        before = clock()
        look(images)  # ends with copies to the CPU, so the GPU is done
        seconds.append(clock() - before)
    return len(images) / min(seconds)


def main() -> None:
    """Print one line a precision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--pictures", type=int, default=8)
    parser.add_argument("--folder", type=Path, help="of pictures; default: made by rule")
    parser.add_argument("--weights", type=Path, help="checkpoint; default: made by rule")
    parser.add_argument("--precision", action="append", help="default: auto and float32")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    if arguments.weights:
        state = state_dict_of(read_torch_file(arguments.weights), str(arguments.weights))
    else:
        state = make_state(rule=CALM)

    def openimages() -> FasterRCNN:
        network = build_network(class_count(state))
        load_converted(network, state, "weights")
        return network

    card = describe(None)
    precisions = arguments.precision or ["auto", "float32"]
    images = pictures(arguments.pictures, arguments.folder)
    compare("openimages", openimages, resize, images, device, precisions)
    scenes = list(render_examples(5, 8 * arguments.pictures, 1, 1).images)
    compare("sample", lambda: read_network(SHIPPED, card), shrink, scenes, device, precisions)


def compare(
    title: str,
    network: Callable[[], FasterRCNN],
    resize: Callable[[Image], Image],
    images: Sequence[Image],
    device: torch.device,
    precisions: Sequence[str],
) -> None:
    """Print what one network does in the usual loop and in ours."""
    loop = usual_loop(network().eval(), device, resize)
    truth = [above(found, SCORE_THRESHOLD) for found in loop(images)]
    usual = pictures_per_second(loop, images, device)
    unit = "a second" if device.type == "cuda" else "a CPU second"
    count = sum(len(found.scores) for found in truth) / len(images)
    print(f"{title}: {len(images)} pictures, {count:.1f} boxes in each")
    print(f"  usual loop         {usual:7.2f} pictures {unit}")
    for precision in precisions:
        fast = FastInference(network(), device, resize, precision)
        ours = pictures_per_second(fast, images, device)
        agreement = mean_average_precision(fast(images), truth)
        name = str(fast.dtype).removeprefix("torch.")
        print(
            f"  ours ({name:<9})   {ours:7.2f} pictures {unit}   {ours / usual:4.2f} times"
            f"   mean AP {agreement:.4f}"
        )


def above(found: Found, score: float) -> Found:
    """Return the boxes of this score and more."""
    keep = found.scores >= score
    return Found(found.boxes[keep], found.scores[keep], found.labels[keep])


if __name__ == "__main__":
    main()
