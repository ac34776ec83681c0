"""One scene of the sample world: what stands in it, how it moves, looks, sounds, and its boxes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from vggss_tools.boxes import Box
from vggss_tools.clips import Clip
from vggss_tools.sample import sounds
from vggss_tools.sample.backgrounds import draw_background
from vggss_tools.sample.classes import SampleClass
from vggss_tools.sample.drawing import Drawing
from vggss_tools.sample.sprites import (
    Plane,
    Sprite,
    Stamp,
    grain_tiles,
    paint,
    planes,
    stamp,
    to_i420,
    to_rgb,
    visible,
)

FPS = 25
SECONDS = 10
N_FRAMES = FPS * SECONDS  # 250
WIDTH, HEIGHT = 320, 240
SAMPLE_RATE = 16_000
N_SAMPLES = SAMPLE_RATE * SECONDS  # 160,000
# Frame 125 of a 25 fps extraction, counted from 1: the frame that VGG-SS annotates, t = 4.96 s.
BENCHMARK_FRAME = 124

PAN = 24  # pixels that the background may move, each way
GRAIN_TILES, GRAIN_SLACK = 5, 64  # sheets of grain, and how many pixels they exceed a frame


@dataclass(frozen=True, slots=True)
class TruthBox:
    """What one object shows in one frame.

    Attributes
    ----------
    object : int
        Number of the object within its scene, from 0, the same in every frame.
    label : str
        Its sound class, whether it sounds or not.
    object_class : str
        Its detector class.
    sounding : bool
    box : Box
        Tight box of its visible pixels, fractions of the frame.
    """

    object: int
    label: str
    object_class: str
    sounding: bool
    box: Box


def _unset() -> NDArray[np.float64]:
    return np.empty(0)


@dataclass(slots=True)
class Thing:
    """One object of a scene: a drawing, its pose at the benchmark frame, and how it moves.

    Attributes
    ----------
    index : int
        Its number in the scene.
    linear : array of shape (2, 2)
        From drawing units to frame pixels.
    size, centre : arrays of shape (2,)
        Its box at the benchmark frame: sides as shares of the frame, middle in pixels.
    motion : array of shape (N_FRAMES, 4)
        Offset in x and y (pixels), turn (radians) and log scale; zero at the benchmark frame.
    """

    index: int
    kind: SampleClass
    sounding: bool
    drawing: Drawing
    linear: NDArray[np.float64]
    size: NDArray[np.float64]
    centre: NDArray[np.float64] = field(default_factory=_unset)
    motion: NDArray[np.float64] = field(default_factory=_unset)


_GRAIN = grain_tiles(WIDTH, HEIGHT, GRAIN_TILES, GRAIN_SLACK)


@dataclass
class Scene:
    """Ten seconds of the sample world.

    Attributes
    ----------
    clip : Clip
    things : list of Thing
        In drawing order, back to front: the larger stand behind the smaller.
    light : (x, y)
        Where the light comes from, on screen.
    entropy : tuple of int
        What its random numbers are made from.
    lamp : float32 array of shape (3,)
        Colour and strength of the light, RGB.
    pan : array of shape (3, 2)
        Reach (pixels), period (seconds) and phase of the background's drift in x and y.
    flicker : array of shape (3,)
        Strength, period (seconds) and phase of the light's flicker.
    grain : float
        Strength of the sensor's grain, 1 for a standard deviation of 40 levels.
    """

    clip: Clip
    things: list[Thing]
    light: tuple[float, float]
    entropy: tuple[int, ...]
    lamp: NDArray[np.float32] = field(repr=False)
    pan: NDArray[np.float64] = field(repr=False)
    flicker: NDArray[np.float64] = field(repr=False)
    grain: float = field(repr=False)

    @property
    def label(self) -> str:
        """Sound class of the clip."""
        return self.clip.label

    @cached_property
    def _sprites(self) -> list[Sprite]:
        return [paint(thing.drawing, thing.linear, self.light, self.lamp) for thing in self.things]

    @cached_property
    def _background(self) -> tuple[Plane, Plane, Plane]:
        rng = np.random.default_rng([*self.entropy, 1])
        place = draw_background(rng, WIDTH + 2 * PAN, HEIGHT + 2 * PAN, self.light, self.lamp)
        return planes(to_i420(place))

    def _stamps(self, frame: int) -> list[Stamp | None]:
        stamps = []
        for thing, sprite in zip(self.things, self._sprites, strict=True):
            x, y, turn, grow = thing.motion[frame].tolist()
            centre = thing.centre + np.array([x, y])
            stamps.append(stamp(sprite, centre, turn, math.exp(grow), WIDTH, HEIGHT))
        return stamps

    def _compose(self, frame: int, stamps: list[Stamp | None]) -> Plane:
        when = frame / FPS
        image = np.empty((HEIGHT * 3 // 2, WIDTH), np.uint8)
        (reach_x, reach_y), (period_x, period_y), (phase_x, phase_y) = self.pan
        x = PAN + reach_x * math.sin(2 * math.pi * when / period_x + phase_x)
        y = PAN + reach_y * math.sin(2 * math.pi * when / period_y + phase_y)
        for plane, source, part in zip(planes(image), self._background, (1, 2, 2), strict=True):
            width, height = WIDTH // part, HEIGHT // part
            middle = (x / part + (width - 1) / 2, y / part + (height - 1) / 2)
            plane[:] = cv2.getRectSubPix(source, (width, height), middle)
        for each in stamps:
            if each is not None:
                each.lay_on(image)
        strength, period, phase = self.flicker
        gain = 1 + strength * math.sin(2 * math.pi * when / period + phase)
        # The cut of the grain that a frame gets jumps about, by steps that share no factor.
        dx, dy = frame * 37 % GRAIN_SLACK, frame * 23 % GRAIN_SLACK
        grain = _GRAIN[frame % GRAIN_TILES][dy : dy + HEIGHT, dx : dx + WIDTH]
        luma = image[:HEIGHT]
        luma[:] = cv2.addWeighted(luma, gain, grain, self.grain, -128 * self.grain)
        return image

    def _measure(self, stamps: list[Stamp | None]) -> list[TruthBox]:
        shown = []
        front_to_back = visible(stamps[::-1], WIDTH, HEIGHT)
        for thing, edges in zip(reversed(self.things), front_to_back, strict=True):
            if edges is not None:
                kind, tight = thing.kind, Box.from_pixels(*edges, WIDTH, HEIGHT)
                shown.append(
                    TruthBox(
                        thing.index, kind.sound_class, kind.object_class, thing.sounding, tight
                    )
                )
        return sorted(shown, key=lambda truth: truth.object)

    def render(self, frame: int) -> NDArray[np.uint8]:
        """One frame, 0-based: uint8 (240, 320, 3), RGB."""
        return to_rgb(self._compose(frame, self._stamps(frame)))

    def boxes(self, frame: int) -> list[TruthBox]:
        """What is seen in one frame, by object number; an object that shows nothing is absent."""
        return self._measure(self._stamps(frame))

    def film(self) -> Iterator[tuple[Plane, list[TruthBox]]]:
        """Every frame in turn, as the encoder takes it (I420: (360, 320)), with its boxes."""
        for frame in range(N_FRAMES):
            stamps = self._stamps(frame)
            yield self._compose(frame, stamps), self._measure(stamps)

    def sound(self) -> NDArray[np.float32]:
        """The clip's sound over its noise: float32 (160000,), 16 kHz mono, within -1..1."""
        kind = next(thing.kind for thing in self.things if thing.sounding)
        return sounds.record(np.random.default_rng([*self.entropy, 2]), kind.synthesise)
