"""The sample world: the law by which scenes are made.

A scene is made from ``(seed, split, index)`` alone: it is the same in every process and does not
depend on the scenes made before it. One group of its objects sounds, the others are silent, and
all are drawn from one law of size, place, colour and motion.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from vggss_tools.clips import Clip
from vggss_tools.sample.classes import CLASSES, SampleClass
from vggss_tools.sample.drawing import Drawing, hsv
from vggss_tools.sample.layout import place, plan_groups
from vggss_tools.sample.objects import Palette
from vggss_tools.sample.scene import (
    BENCHMARK_FRAME,
    FPS,
    HEIGHT,
    N_FRAMES,
    N_SAMPLES,
    PAN,
    SAMPLE_RATE,
    SECONDS,
    WIDTH,
    Scene,
    Thing,
    TruthBox,
)

__all__ = [
    "BENCHMARK_FRAME",
    "CLASSES",
    "FPS",
    "HEIGHT",
    "N_FRAMES",
    "N_SAMPLES",
    "SAMPLE_RATE",
    "SECONDS",
    "SPLITS",
    "WIDTH",
    "WORLD_VERSION",
    "SampleClass",
    "Scene",
    "TruthBox",
    "clip_of",
    "make_scene",
]

# Any change to what a scene looks or sounds like raises this: every seed depends on it, and it is
# part of the settings of each clip's outcome.
WORLD_VERSION = 1
SPLITS = ("train", "test")

MAX_TURN = 25.0  # degrees, either way
# Instances are drawn anew until they fit the frame together, so that none covers more than this
# share of another's box; after so many draws the best is taken.
MOST_OVERLAP, POSE_TRIES = 0.2, 6
SMALLEST = 0.02  # share of the frame that one of several of a kind has at least


def make_scene(seed: int, split: str, index: int) -> Scene:
    """Make one scene.

    Parameters
    ----------
    seed : int, not negative
        Which world.
    split : ``train`` or ``test``
    index : int, not negative

    Raises
    ------
    ValueError
        If a number is negative or there is no such split.
    """
    clip, label = clip_of(seed, split, index), _label_of(seed, split, index)
    entropy = (WORLD_VERSION, seed, SPLITS.index(split), 0, index)
    rng = np.random.default_rng([*entropy, 0])
    groups = plan_groups(rng)
    others = rng.permutation([k for k in range(len(CLASSES)) if k != label])
    kinds = [CLASSES[k] for k in (label, *others[: len(groups) - 1])]
    angle = math.radians(rng.uniform(-150, -30))
    light = (math.cos(angle), math.sin(angle))

    best: list[Thing] = []
    least = math.inf
    for _ in range(POSE_TRIES):
        things: list[Thing] = []
        for group, kind in zip(groups, kinds, strict=True):
            shares = rng.dirichlet([20] * group.count) * group.area
            for area in np.maximum(shares, SMALLEST):
                drawing = kind.draw(rng, Palette.draw(rng))
                linear, size = _pose_of(rng, drawing, float(area))
                things.append(Thing(len(things), kind, group is groups[0], drawing, linear, size))
        centres, overlap = place(rng, np.array([thing.size for thing in things]))
        for thing, centre in zip(things, centres, strict=True):
            thing.centre = centre * (WIDTH, HEIGHT)
        if overlap < least:
            best, least = things, overlap
        if overlap <= MOST_OVERLAP:
            break
    for thing in best:
        x0, y0, x1, y1 = thing.drawing.extent(thing.linear)
        thing.motion = _draw_motion(rng, 3 + 0.04 * math.sqrt((x1 - x0) * (y1 - y0)))
    for thing, number in zip(best, rng.permutation(len(best)), strict=True):
        thing.index = int(number)  # so that neither order nor number tells which one sounds
    return Scene(
        clip=clip,
        things=sorted(best, key=lambda thing: -thing.size.prod()),
        light=light,
        entropy=entropy,
        lamp=_draw_lamp(rng),
        pan=np.array(
            [rng.uniform(0.2, 0.95, 2) * (PAN - 1), rng.uniform(14, 40, 2), rng.uniform(0, 6.3, 2)]
        ),
        flicker=np.array([rng.uniform(0, 0.04), rng.uniform(0.4, 3), rng.uniform(0, 6.3)]),
        grain=float(rng.uniform(0.02, 0.08)),
    )


def clip_of(seed: int, split: str, index: int) -> Clip:
    """Name and class of a scene, without making it; the id has the form of a real one."""
    label = CLASSES[_label_of(seed, split, index)].sound_class
    return Clip(f"sample{seed}-{split}-{index:05d}_000000", label, split)


def _label_of(seed: int, split: str, index: int) -> int:
    """Class of a scene: every run of as many scenes as there are classes holds each class once."""
    if split not in SPLITS or seed < 0 or index < 0:
        raise ValueError(f"no scene {index} of split {split!r} in a world of seed {seed}")
    block, place_in_block = divmod(index, len(CLASSES))
    rng = np.random.default_rng([WORLD_VERSION, seed, SPLITS.index(split), 3, block])
    return int(rng.permutation(len(CLASSES))[place_in_block])


def _pose_of(
    rng: np.random.Generator, drawing: Drawing, area: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn, mirror and stretch a drawing, at the scale where its box has the area asked for.

    Returns the map from drawing units to pixels, and the box's width and height as shares of the
    frame.
    """
    turn = math.radians(rng.uniform(-MAX_TURN, MAX_TURN))
    c, s = math.cos(turn), math.sin(turn)
    stretch = math.exp(rng.normal(0, 0.1))
    shear = rng.normal(0, 0.05)
    shape = np.diag([rng.choice([-1.0, 1.0]) * stretch, 1 / stretch])
    linear = np.array([[c, -s], [s, c]]) @ np.array([[1, shear], [0, 1]]) @ shape
    x0, y0, x1, y1 = drawing.extent(linear)
    width, height = (x1 - x0) / WIDTH, (y1 - y0) / HEIGHT
    scale = math.sqrt(area / (width * height))
    # What would be wider or higher than the frame is squeezed into it, at the same area.
    widest = 0.98
    squeeze = max(scale * width / widest, 1.0) / max(scale * height / widest, 1.0)
    linear = np.diag([scale / squeeze, scale * squeeze]) @ linear
    size = np.array([scale / squeeze * width, scale * squeeze * height])
    return linear, size


def _draw_motion(rng: np.random.Generator, reach: float) -> NDArray[np.float64]:
    """Draw the sway, drift and breath of an object, at most ``reach`` pixels from its place.

    Returns
    -------
    array of shape (N_FRAMES, 4)
        Offset in x and y (pixels), turn (radians) and log scale; all zero at the benchmark frame.
    """
    amplitude = np.array([reach, 0.7 * reach, math.radians(4), 0.035]) * rng.uniform(0.3, 1, 4)
    period, phase = rng.uniform(2.5, 7, 4), rng.uniform(0, 2 * np.pi, 4)  # seconds, radians
    when = np.arange(N_FRAMES)[:, None] / FPS
    path = amplitude * np.sin(2 * np.pi * when / period + phase)
    return path - path[BENCHMARK_FRAME]


def _draw_lamp(rng: np.random.Generator) -> NDArray[np.float32]:
    """Colour and strength of the light over the whole scene, RGB about 1."""
    cast = np.array(hsv(rng.uniform(), rng.uniform(0, 0.2), 1.0), np.float32)
    return cast / cast.mean() * np.float32(rng.uniform(0.75, 1.2))
