"""Detector ``openimages``: Faster R-CNN R50-FPN trained on OpenImages, as MMDetection runs it."""

from __future__ import annotations

from pathlib import Path

import torch

from vggss_tools.errors import InvalidInput
from vggss_tools.models.torch_file import read_torch_file
from vggss_tools.propose.mmdet_network import build_network, resize
from vggss_tools.propose.mmdet_weights import class_count, load_converted, state_dict_of
from vggss_tools.propose.openimages_card import describe, names_of, published
from vggss_tools.propose.torchvision_detector import FastInference, TorchvisionDetector
from vggss_tools.propose.weights_download import get_weights

# As in MMDetection's configurations (test_cfg.rcnn.score_thr).
SCORE_THRESHOLD = 0.05
CHALLENGE_SCORE_THRESHOLD = 0.01
CHALLENGE_CLASSES = 500


def load(
    argument: str | None, device: str, precision: str = "auto", rows: int | None = None
) -> TorchvisionDetector:
    """Load ``openimages``, ``openimages:<name>`` (downloaded once) or ``openimages:PATH``.

    Parameters
    ----------
    precision, rows : see :class:`~vggss_tools.propose.torchvision_detector.FastInference`

    Raises
    ------
    VggssError
        If the weights cannot be had.
    InvalidInput
        If they are damaged or of another network.
    """
    card, names = describe(argument), names_of(argument)
    known = published(argument)
    path = get_weights(known.weights) if known else Path(argument or "").expanduser()
    state = state_dict_of(read_torch_file(path), str(path))
    if class_count(state) != len(names):
        raise InvalidInput(
            f"{path}: {class_count(state)} classes where {len(names)} are expected; remove the file"
        )
    challenge = len(names) == CHALLENGE_CLASSES
    network = build_network(len(names), CHALLENGE_SCORE_THRESHOLD if challenge else SCORE_THRESHOLD)
    load_converted(network, state, str(path))
    fast = FastInference(network, torch.device(device), resize, precision, rows, least_side=0)
    return TorchvisionDetector(card, fast, names)
