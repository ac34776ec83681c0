"""Detector ``sample``: finds the objects of the sample world."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.models.detection import FasterRCNN

from vggss_tools.atomic import atomic_path
from vggss_tools.boxes import Box
from vggss_tools.errors import InvalidInput
from vggss_tools.propose.detector import Detection, DetectorCard
from vggss_tools.propose.sample_input import shrink
from vggss_tools.propose.sample_network import build_network
from vggss_tools.propose.sample_weights import describe, weights_path

# Boxes and scores are rounded: a twentieth of a pixel at 160 px means nothing, and short numbers
# keep the files small.
DECIMALS = 4


def to_tensor(image: NDArray[np.uint8]) -> Tensor:
    """Turn uint8 (h, w, 3) into float32 (3, h, w) in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float().div_(255)


class SampleDetector:
    """The trained network with its classes."""

    def __init__(self, card: DetectorCard, network: FasterRCNN, device: str = "cpu") -> None:
        self.card = card
        self.device = torch.device(device)
        self.network = network.eval().to(self.device, memory_format=torch.channels_last)

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[list[Detection]]:
        """Find the objects in each frame; see :class:`~vggss_tools.propose.detector.Detector`.

        Frames go through the network one at a time. A batch would be padded to its largest
        frame, and sums would be rounded differently: what is found in a frame must not depend
        on its company, or a run that was stopped and continued would end differently.
        """
        return [self._detect_one(image) for image in images]

    def _detect_one(self, image: NDArray[np.uint8]) -> list[Detection]:
        small = shrink(image)
        height, width = small.shape[:2]
        with torch.inference_mode():
            (found,) = self.network([to_tensor(small).to(self.device)])
        # The network saw pixels of `small`; fractions of it are fractions of the frame.
        boxes = found["boxes"].cpu().double().numpy() / (width, height, width, height)
        boxes = np.clip(boxes, 0, 1).round(DECIMALS)
        scores = found["scores"].cpu().double().numpy().round(DECIMALS)
        labels = found["labels"].cpu().numpy()
        detections = [
            Detection(Box(*map(float, box)), self.card.classes[label - 1], float(score))
            for box, score, label in zip(boxes, scores, labels, strict=True)
            if box[0] < box[2] and box[1] < box[3]
        ]
        return sorted(detections, key=lambda d: (-d.score, d.label, d.box))


def pack_weights(network: FasterRCNN) -> bytes:
    """Return the weights file: matrices and kernels in float16, all else in float32."""
    state = {
        name: value.detach().cpu().contiguous().half() if value.ndim > 1 else value.detach().cpu()
        for name, value in network.state_dict().items()
    }
    return torch_bytes(state)


def torch_bytes(value: dict[str, Any]) -> bytes:
    """Return what torch would write to a file; written directly, it would hold the file's name."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def write_weights(network: FasterRCNN, path: Path) -> str:
    """Write the weights file atomically; return its sha256."""
    content = pack_weights(network)
    with atomic_path(path) as part:
        part.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def read_network(path: Path, card: DetectorCard) -> FasterRCNN:
    """Read a weights file into a network; no code in the file is run.

    Raises
    ------
    InvalidInput
        If the file is damaged or is not the one that its card describes.
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != card.fingerprint:
        raise InvalidInput(
            f"{path}: not the file that its card describes (sha256 differs); restore both, or "
            "train again with `vggss train-detector`"
        )
    network = build_network(len(card.classes))
    try:
        state: dict[str, Any] = torch.load(
            io.BytesIO(content), map_location="cpu", weights_only=True
        )
        network.load_state_dict(state)  # copies into float32
    except (RuntimeError, TypeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(
            f"{path}: not weights of this network ({reason}); train it again with "
            "`vggss train-detector`"
        ) from None
    return network


def load(argument: str | None, device: str) -> SampleDetector:
    """Load ``sample`` or ``sample:FILE``."""
    card = describe(argument)
    return SampleDetector(card, read_network(weights_path(argument), card), device)
