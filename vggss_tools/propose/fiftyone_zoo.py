"""Detectors ``fiftyone:MODEL``: the models of FiftyOne's zoo.

``fiftyone:yolov8x-oiv7-torch`` finds OpenImages' classes. Open-vocabulary models, which the zoo
calls zero-shot (``fiftyone:yolov8x-world-torch``), are given the names of VGG-Sound's 309 classes
to look for. FiftyOne downloads and keeps the weights, each under its own licence.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vggss_tools.boxes import Box
from vggss_tools.checksums import sha256_of
from vggss_tools.errors import VggssError, import_extra
from vggss_tools.propose.detector import Detection, DetectorCard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EXTRA = "verify"
NAME = "fiftyone"
DECIMALS = 4


class ZooDetector:
    """A model of the zoo.

    Parameters
    ----------
    model : fiftyone.core.models.Model
        One that takes uint8 RGB pictures and answers with ``fiftyone.Detections``.
    """

    def __init__(self, card: DetectorCard, model: Any) -> None:
        self.card = card
        self.model = model

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[list[Detection]]:
        """Find the objects in each frame, one frame at a time: none depends on another."""
        with self.model:
            return [self._detect_one(image) for image in images]

    def _detect_one(self, image: NDArray[np.uint8]) -> list[Detection]:
        found = []
        for one in _detections(self.model.predict(image), self.card.name):
            if one.confidence is None:
                raise VggssError(
                    f"{self.card.name}: gives no confidence with its boxes; choose another model"
                )
            x, y, width, height = map(float, one.bounding_box)
            edges = [round(min(max(v, 0.0), 1.0), DECIMALS) for v in (x, y, x + width, y + height)]
            if edges[0] < edges[2] and edges[1] < edges[3]:
                score = min(max(round(float(one.confidence), DECIMALS), 0.0), 1.0)
                found.append(Detection(Box(*edges), str(one.label), score))
        return sorted(found, key=lambda d: (-d.score, d.label, d.box))


def _detections(answer: Any, name: str) -> list[Any]:
    """Return the list of detections in what a model answers; none where it found none."""
    if isinstance(answer, dict):
        with_boxes = [value for value in answer.values() if hasattr(value, "detections")]
        answer = with_boxes[0] if with_boxes else answer
    if answer is None:
        return []
    if not hasattr(answer, "detections"):
        raise VggssError(
            f"{name}: answers with {type(answer).__name__} and not with boxes; choose a model "
            "for detection"
        )
    return list(answer.detections)


def describe(argument: str | None) -> DetectorCard:
    """Return the card of a zoo model.

    The zoo does not say what a model's classes are, so it is loaded for it, and downloaded the
    first time.

    Raises
    ------
    MissingExtra
        If FiftyOne is not installed.
    VggssError
        If there is no such model, or it cannot be loaded.
    """
    return load(argument, "cpu").card


def load(argument: str | None, device: str) -> ZooDetector:
    """Load a zoo model."""
    import_extra("fiftyone", EXTRA)
    if not argument:
        raise VggssError("fiftyone: name a model, as in --detector fiftyone:yolov8x-oiv7-torch")
    return _load(argument, device)


@lru_cache(maxsize=1)
def _load(name: str, device: str) -> ZooDetector:
    zoo: Any = import_extra("fiftyone.zoo", EXTRA)
    fiftyone: Any = import_extra("fiftyone", EXTRA)
    known = zoo.list_zoo_models()
    bare = name.partition("@")[0]
    if bare not in known:
        near = difflib.get_close_matches(bare, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "see fiftyone.zoo"
        raise VggssError(f"fiftyone:{name}: no such model in FiftyOne's zoo; {hint}")
    tags = zoo.get_zoo_model(name).tags or []
    if "detection" not in tags:
        raise VggssError(
            f"fiftyone:{name}: not a model for detection ({', '.join(tags)}); choose another"
        )
    options: dict[str, Any] = {"device": device} if "torch" in tags else {}
    wanted = open_vocabulary() if "zero-shot" in tags else None
    if wanted is not None:
        options["classes"] = list(wanted)
    try:
        model = zoo.load_zoo_model(name, **options)
    except Exception as error:  # noqa: BLE001 - a zoo of other people's models raises anything
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise VggssError(
            f"fiftyone:{name}: cannot be loaded ({reason}); check the network and what the model "
            "requires, or choose another detector"
        ) from None
    classes = wanted or tuple(str(one) for one in getattr(model, "classes", None) or ())
    if not classes:
        raise VggssError(f"fiftyone:{name}: does not say which classes it finds; choose another")
    fingerprint = hashlib.sha256(
        "\n".join([name, fiftyone.__version__, _weights(zoo, name), *classes]).encode()
    ).hexdigest()
    classes = tuple(dict.fromkeys(classes))
    return ZooDetector(DetectorCard(f"{NAME}:{name}", classes, fingerprint), model)


def _weights(zoo: Any, name: str) -> str:
    """Return the checksum of a model's file; "" where FiftyOne keeps none."""
    try:
        path = Path(zoo.find_zoo_model(name))
    except (ValueError, TypeError, AttributeError):  # of another library's cache
        return ""
    return sha256_of(path) if path.is_file() else ""


def open_vocabulary() -> tuple[str, ...]:
    """Return the names that open-vocabulary models are to look for."""
    from vggss_tools.classes import vggsound_classes

    return tuple(vggsound_classes())
