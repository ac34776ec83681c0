"""The classes of the sample world: a sound, and the thing that makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vggss_tools.sample import objects, sounds
from vggss_tools.sample.drawing import Drawing


@dataclass(frozen=True, slots=True)
class SampleClass:
    """A sound class and the thing that makes the sound.

    ``sound_class`` is spelt as VGG-SS spells it, ``object_class`` as OpenImages does where it has
    the thing (all but the church bell, which is a plain ``Bell``).
    """

    sound_class: str
    object_class: str
    draw: Callable[[np.random.Generator, objects.Palette], Drawing]
    synthesise: Callable[[np.random.Generator], NDArray[np.float32]]


CLASSES: tuple[SampleClass, ...] = (
    SampleClass("alarm clock ringing", "Alarm clock", objects.alarm_clock, sounds.alarm_clock),
    SampleClass("canary calling", "Canary", objects.canary, sounds.canary),
    SampleClass("car engine idling", "Car", objects.car, sounds.car_engine),
    SampleClass("church bell ringing", "Bell", objects.bell, sounds.church_bell),
    SampleClass("dog barking", "Dog", objects.dog, sounds.dog),
    SampleClass("fire truck siren", "Truck", objects.fire_truck, sounds.siren),
    SampleClass("helicopter", "Helicopter", objects.helicopter, sounds.helicopter),
    SampleClass("owl hooting", "Owl", objects.owl, sounds.owl),
    SampleClass("playing harp", "Harp", objects.harp, sounds.harp),
    SampleClass("playing snare drum", "Drum", objects.snare_drum, sounds.snare_drum),
    SampleClass("playing trumpet", "Trumpet", objects.trumpet, sounds.trumpet),
    SampleClass("playing violin, fiddle", "Violin", objects.violin, sounds.violin),
)
