"""Object detectors behind one interface, chosen by name.

A detector is a :class:`DetectorCard`, which costs nothing to read, and an object with ``detect``,
which may cost a gigabyte to load. Both come from a module with ``describe(argument)`` and
``load(argument, device)``. Another package adds one by an entry point in the group
:data:`ENTRY_POINTS`; docs/propose.md shows one in 20 lines.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from vggss_tools.boxes import Box
from vggss_tools.errors import VggssError, import_extra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ENTRY_POINTS = "vggss_tools.detectors"
DEFAULT_DETECTOR = "openimages"
DEFAULT_BATCH = 16  # frames at once, for detectors that do not say what they prefer
SCORE_THRESHOLD = 0.3


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
    """Something that finds objects in frames.

    It may have an attribute ``batch_size``, the frames that it prefers to be given at once.
    """

    card: DetectorCard

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[list[Detection]]:
        """Find the objects in each frame (uint8 RGB, shape (h, w, 3), of any sizes).

        What is found in a frame does not depend on the other frames. The best score comes first.
        """
        ...


@runtime_checkable
class ClipDetector(Detector, Protocol):
    """A detector that goes by the clip and not by the picture, such as a file of detections.

    Attributes
    ----------
    needs_frames : bool
        Whether the frames have to be read, for their sizes.
    """

    needs_frames: bool

    def detections_of(self, clip_id: str, frame_size: tuple[int, int] | None) -> list[Detection]:
        """Return what was found in a clip's frame of this ``(width, height)``, best score first.

        The size is None unless ``needs_frames``.

        Raises
        ------
        ClipFailure
            If there is no saying.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where a detector's card and its loader are; the loader's module may import torch.

    ``extras`` are the packages without which it cannot be loaded, and the extras that bring them.
    """

    card_module: str
    module: str
    extras: tuple[tuple[str, str], ...] = ()
    score_threshold: float = SCORE_THRESHOLD


_ROOM = "vggss_tools.propose"
_TORCH = (("torch", "models"), ("torchvision", "models"))
DETECTORS: dict[str, _Entry] = {
    "openimages": _Entry(f"{_ROOM}.openimages_card", f"{_ROOM}.openimages", _TORCH),
    "coco": _Entry(f"{_ROOM}.coco_card", f"{_ROOM}.coco", _TORCH),
    "fiftyone": _Entry(f"{_ROOM}.fiftyone_zoo", f"{_ROOM}.fiftyone_zoo", (("fiftyone", "verify"),)),
    "boxes": _Entry(f"{_ROOM}.boxes_file", f"{_ROOM}.boxes_file"),
    # Its published figures are those at 0.5.
    "sample": _Entry(f"{_ROOM}.sample_weights", f"{_ROOM}.sample_detector", _TORCH, 0.5),
}


def detector_names() -> list[str]:
    """Return the names of the detectors there are, those of other packages last."""
    others = sorted(point.name for point in _entry_points() if point.name not in DETECTORS)
    return [*DETECTORS, *dict.fromkeys(others)]


def _entry_points() -> Any:
    from importlib.metadata import entry_points

    return entry_points(group=ENTRY_POINTS)


def split_name(detector: str) -> tuple[str, str | None]:
    """Split ``name`` or ``name:argument``."""
    name, colon, argument = detector.partition(":")
    return name, argument if colon else None


def _look_up(detector: str) -> tuple[_Entry, ModuleType | None, str | None]:
    """Return where a detector is, its module if another package brings it, and its argument."""
    name, argument = split_name(detector)
    if name in DETECTORS:  # first: what is shipped cannot be replaced in silence
        return DETECTORS[name], None, argument
    for point in _entry_points():
        if point.name == name:
            return _Entry(point.module, point.module), _load_plugin(point), argument
    raise VggssError(f"detector {name!r}: unknown; choose one of: {', '.join(detector_names())}")


def _load_plugin(point: Any) -> ModuleType:
    """Import the module of an entry point."""
    package = point.dist.name if point.dist else "another package"
    try:
        module: ModuleType = point.load()
    except (ImportError, AttributeError) as error:
        raise VggssError(
            f"detector {point.name!r} of {package}: cannot be loaded ({error}); "
            "repair that package, or uninstall it"
        ) from None
    missing = [name for name in ("describe", "load") if not callable(getattr(module, name, None))]
    if missing:
        raise VggssError(
            f"detector {point.name!r} of {package}: {point.value} has no function "
            f"{' and '.join(missing)}; docs/propose.md shows what a detector is"
        )
    return module


def describe_detector(detector: str) -> DetectorCard:
    """Return the card of the detector ``name`` or ``name:argument``, without loading it.

    Raises
    ------
    VggssError
        If there is no such detector, or its weights are missing.
    """
    entry, module, argument = _look_up(detector)
    card: DetectorCard = (module or importlib.import_module(entry.card_module)).describe(argument)
    return card


def load_detector(detector: str, device: str = "cpu") -> Detector:
    """Load the detector ``name`` or ``name:argument`` onto a torch device.

    Raises
    ------
    MissingExtra
        If torch, or what else it needs, is not installed.
    VggssError
        If there is no such detector, or its weights are missing or damaged.
    """
    entry, module, argument = _look_up(detector)
    for package, extra in entry.extras:
        import_extra(package, extra)
    loaded: Detector = (module or importlib.import_module(entry.module)).load(argument, device)
    return loaded


def default_score_threshold(detector: str) -> float:
    """Return the confidence from which on a detector's detections are recorded."""
    return _look_up(detector)[0].score_threshold


def choose_device(name: str | None = None, *, gpu: bool = False) -> str:
    """Return the torch device: the CPU, a CUDA GPU where one is asked for, or ``auto``.

    Parameters
    ----------
    name : str, optional
        ``cpu``, ``cuda``, ``cuda:1``, or ``auto``: a GPU where torch finds one, else the CPU.
    gpu : bool
        The same as ``cuda``.

    Raises
    ------
    VggssError
        If a GPU is asked for and torch does not find it, or there is no such device.
    """
    asked = f"--device {name}" if name else "--gpu"
    name = name or ("cuda" if gpu else "cpu")
    if name == "cpu":
        return name
    kind, colon, number = name.partition(":")
    if name != "auto" and (kind != "cuda" or (colon and not number.isdecimal())):
        raise VggssError(f"--device {name}: unknown; choose auto, cpu, cuda or cuda:NUMBER")
    torch: Any = import_extra("torch", extra="models")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if count else "cpu"
    if not count:
        raise VggssError(
            f"{asked}: torch {torch.__version__} finds no CUDA GPU here; "
            f"leave {asked.split()[0]} out to use the CPU, or install a CUDA build of torch and "
            "its driver"
        )
    if colon and int(number) >= count:
        raise VggssError(f"{asked}: there are {count} GPUs; choose cuda:0 to cuda:{count - 1}")
    return name
