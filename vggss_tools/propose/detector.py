"""Object detectors behind one interface, chosen by name.

A detector is a :class:`DetectorCard`, which costs nothing to read, and an object with ``detect``,
which may cost a gigabyte to load. To add one, write a module with ``describe(argument)`` and
``load(argument, device)``, and name it in :data:`DETECTORS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from vggss_tools.boxes import Box
from vggss_tools.errors import VggssError, import_extra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Detection:
    """One object found in one frame.

    Attributes
    ----------
    label : str
        Class, one of the detector's own.
    score : float
        Confidence, 0..1.
    """

    box: Box
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class DetectorCard:
    """What is known of a detector before it is loaded.

    Attributes
    ----------
    classes : tuple of str
        Its whole vocabulary.
    fingerprint : str
        Changes whenever its detections may (sha256 of the weights).
    """

    name: str
    classes: tuple[str, ...]
    fingerprint: str


class Detector(Protocol):
    """Something that finds objects in frames."""

    card: DetectorCard

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[list[Detection]]:
        """Find the objects in each frame (uint8 RGB, shape (h, w, 3), of any sizes).

        What is found in a frame does not depend on the other frames. The best score comes first.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where a detector's card and its loader are; the loader's module may import torch."""

    card_module: str
    module: str


DETECTORS: dict[str, _Entry] = {
    "sample": _Entry("vggss_tools.propose.sample_weights", "vggss_tools.propose.sample_detector"),
}


def _look_up(detector: str) -> tuple[_Entry, str | None]:
    """Split ``name`` or ``name:argument``."""
    name, colon, argument = detector.partition(":")
    if name not in DETECTORS:
        raise VggssError(f"detector {name!r}: unknown; choose one of: {', '.join(DETECTORS)}")
    return DETECTORS[name], argument if colon else None


def describe_detector(detector: str) -> DetectorCard:
    """Return the card of the detector ``name`` or ``name:argument``, without loading it.

    Raises
    ------
    VggssError
        If there is no such detector, or its weights are missing.
    """
    entry, argument = _look_up(detector)
    card: DetectorCard = importlib.import_module(entry.card_module).describe(argument)
    return card


def load_detector(detector: str, device: str = "cpu") -> Detector:
    """Load the detector ``name`` or ``name:argument`` onto a torch device.

    Raises
    ------
    MissingExtra
        If torch or torchvision is not installed.
    VggssError
        If there is no such detector, or its weights are missing or damaged.
    """
    entry, argument = _look_up(detector)
    import_extra("torch", extra="models")
    import_extra("torchvision", extra="models")
    loaded: Detector = importlib.import_module(entry.module).load(argument, device)
    return loaded


def choose_device(*, gpu: bool) -> str:
    """Return the torch device: the CPU, or a CUDA GPU where one is asked for.

    Raises
    ------
    VggssError
        If a GPU is asked for and torch finds none.
    """
    if not gpu:
        return "cpu"
    torch: Any = import_extra("torch", extra="models")
    if not torch.cuda.is_available():
        raise VggssError(
            f"--gpu: torch {torch.__version__} finds no CUDA GPU here; "
            "leave --gpu out to use the CPU, or install a CUDA build of torch and its driver"
        )
    return "cuda"
