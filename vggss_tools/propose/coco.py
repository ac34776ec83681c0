"""Detector ``coco``: torchvision's Faster R-CNN R50-FPN trained on COCO, either version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torchvision.models.detection import FasterRCNN, fasterrcnn_resnet50_fpn_v2
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.resnet import resnet50
from torchvision.ops import FrozenBatchNorm2d

from vggss_tools.errors import InvalidInput
from vggss_tools.models.torch_file import read_torch_file
from vggss_tools.propose.coco_card import NAMES, describe, weights_path
from vggss_tools.propose.torchvision_detector import FastInference, TorchvisionDetector

# Only version 2 has a second convolution before the proposals.
_SECOND_VERSION = "rpn.head.conv.1.0.weight"


def build_network(state: Mapping[str, Any]) -> FasterRCNN:
    """Return the untrained network that the weights are for: version 1 or 2 of torchvision's."""
    if _SECOND_VERSION in state:
        return fasterrcnn_resnet50_fpn_v2(
            weights=None, weights_backbone=None, num_classes=len(NAMES) + 1
        )
    body = resnet50(weights=None, norm_layer=FrozenBatchNorm2d)
    layers = {f"layer{stage}": str(stage - 1) for stage in range(1, 5)}
    backbone = BackboneWithFPN(body, layers, [256, 512, 1024, 2048], 256)
    network = FasterRCNN(backbone, len(NAMES) + 1)
    for module in network.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = 0.0  # as torchvision does for these weights
    return network


def load(
    argument: str | None, device: str, precision: str = "auto", rows: int | None = None
) -> TorchvisionDetector:
    """Load ``coco``, ``coco:v1``, ``coco:v2`` (downloaded once) or ``coco:PATH``.

    Raises
    ------
    VggssError
        If the weights cannot be had.
    InvalidInput
        If they are damaged or of another network.
    """
    card = describe(argument)
    path = weights_path(argument)
    state = read_torch_file(path)
    network = build_network(state)
    try:
        network.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InvalidInput(
            f"{path}: not the weights of torchvision's fasterrcnn_resnet50_fpn or its v2 "
            f"({reason}); give such a file"
        ) from None
    fast = FastInference(network, torch.device(device), None, precision, rows)
    return TorchvisionDetector(card, fast, NAMES)
