"""Pictures with boxes to train and to score the sample world's detector on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vggss_tools.boxes import Box, match_boxes
from vggss_tools.engines.local import map_unordered
from vggss_tools.progress import track
from vggss_tools.propose.detector import Detector
from vggss_tools.propose.sample_input import LONG_SIDE, shrink
from vggss_tools.sample.world import (
    BENCHMARK_FRAME,
    CLASSES,
    HEIGHT,
    N_FRAMES,
    WIDTH,
    TruthBox,
    make_scene,
)

# Labels of the network: 0 is the background, the classes follow in alphabetical order.
OBJECT_CLASSES = tuple(sorted({kind.object_class for kind in CLASSES}))
LABELS = {name: number for number, name in enumerate(OBJECT_CLASSES, start=1)}

# Frames of a clip come as H.264 and then JPEG of quality 95. Training sees JPEG of these
# qualities instead, whose blocks are as coarse and more.
QUALITIES = (45, 96)

SMALL_WIDTH, SMALL_HEIGHT = LONG_SIDE, round(HEIGHT * LONG_SIDE / WIDTH)


@dataclass(frozen=True, slots=True)
class Examples:
    """Pictures at the network's size, with their objects.

    Attributes
    ----------
    images : uint8 array (n, 120, 160, 3), RGB
    boxes : list of float32 arrays (k, 4)
        Pixels of those pictures, ``xmin, ymin, xmax, ymax``.
    labels : list of int64 arrays (k,)
    """

    images: NDArray[np.uint8]
    boxes: list[NDArray[np.float32]]
    labels: list[NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.images)

    def fingerprint(self) -> str:
        """Return a checksum of all of it."""
        digest = hashlib.sha256(self.images.data)
        for boxes in self.boxes:
            digest.update(boxes.tobytes())
        for labels in self.labels:
            digest.update(labels.tobytes())
        return digest.hexdigest()


def compress(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """Return an RGB picture as it comes back from a JPEG file."""
    _, content = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    back: NDArray[np.uint8] = cv2.cvtColor(
        cv2.imdecode(content, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB
    )
    return back


@dataclass(frozen=True, slots=True)
class _Renderer:
    """Renders some frames of one scene; runs in worker processes."""

    seed: int
    frames: int

    def setup(self) -> None:
        cv2.setNumThreads(1)

    def __call__(self, index: int) -> tuple[int, list[NDArray[np.uint8]], list[list[TruthBox]]]:
        rng = np.random.default_rng([self.seed, index])
        scene = make_scene(self.seed, "train", index)
        moments = rng.choice(N_FRAMES, self.frames, replace=False)
        images = [
            shrink(compress(scene.render(int(moment)), int(rng.integers(*QUALITIES))))
            for moment in moments
        ]
        return index, images, [scene.boxes(int(moment)) for moment in moments]


def render_examples(seed: int, scenes: int, frames: int, workers: int | None = None) -> Examples:
    """Render ``frames`` moments of each of ``scenes`` scenes; equal arguments, equal examples."""
    images = np.empty((scenes * frames, SMALL_HEIGHT, SMALL_WIDTH, 3), np.uint8)
    boxes: list[NDArray[np.float32]] = [np.empty((0, 4), np.float32)] * len(images)
    labels: list[NDArray[np.int64]] = [np.empty(0, np.int64)] * len(images)
    renderer = _Renderer(seed, frames)
    scale = (SMALL_WIDTH, SMALL_HEIGHT, SMALL_WIDTH, SMALL_HEIGHT)
    rendered = map_unordered(renderer, range(scenes), setup=renderer.setup, workers=workers)
    for index, shots, truths in track(rendered, "rendering", total=scenes, unit="scene"):
        for k, (image, truth) in enumerate(zip(shots, truths, strict=True)):
            row = index * frames + k
            images[row] = image
            boxes[row] = np.array([t.box.as_list() for t in truth], np.float32).reshape(-1, 4)
            boxes[row] *= scale
            labels[row] = np.array([LABELS[t.object_class] for t in truth], np.int64)
    return Examples(images, boxes, labels)


@dataclass(frozen=True, slots=True)
class Score:
    """How well boxes were found, matched one to one at an overlap of at least 0.5.

    Attributes
    ----------
    precision, recall : float
        0..1; 0 where nothing was found, or nothing was there.
    """

    found: int
    truth: int
    right: int

    @property
    def precision(self) -> float:
        """Share of the found boxes that are right."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of the true boxes that are found."""
        return self.right / self.truth if self.truth else 0.0

    def __add__(self, other: Score) -> Score:
        return Score(self.found + other.found, self.truth + other.truth, self.right + other.right)

    def as_json(self) -> dict[str, float | int]:
        """Return counts and shares."""
        return {
            "precision": round(self.precision, 4),
            "recall": round(self.recall, 4),
            "found": self.found,
            "truth": self.truth,
        }


def compare(found: Sequence[Box], truth: Sequence[Box]) -> Score:
    """Count the boxes that agree."""
    return Score(len(found), len(truth), len(match_boxes(found, truth)))


def benchmark_frames(
    seed: int, scenes: int, split: str = "test"
) -> Iterator[tuple[str, NDArray[np.uint8], list[TruthBox]]]:
    """Yield label, benchmark frame as a JPEG of quality 95 gives it, and truth of each scene."""
    for index in range(scenes):
        scene = make_scene(seed, split, index)
        image = compress(scene.render(BENCHMARK_FRAME), 95)
        yield scene.clip.label, image, scene.boxes(BENCHMARK_FRAME)


def score_candidates(
    detector: Detector, seed: int, scenes: int, score_threshold: float, split: str = "test"
) -> Score:
    """Compare the detections of the sounding class with the boxes of what sounds."""
    total = Score(0, 0, 0)
    object_of = {kind.sound_class: kind.object_class for kind in CLASSES}
    frames = benchmark_frames(seed, scenes, split)
    for label, image, truth in track(frames, "scoring", total=scenes, unit="scene"):
        (detections,) = detector.detect([image])
        total += compare(
            [
                d.box
                for d in detections
                if d.label == object_of[label] and d.score >= score_threshold
            ],
            [t.box for t in truth if t.sounding],
        )
    return total
