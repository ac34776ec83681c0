"""Torchvision's Faster R-CNN R50-FPN with MMDetection's conventions, where the two differ.

The network is an ordinary :class:`torchvision.models.detection.FasterRCNN` with three parts
exchanged: anchors are not rounded, regions are pooled with half-pixel alignment, and deltas are
limited from below too. Pictures are resized by OpenCV in bytes, as MMDetection does, before they
reach it. Limits on sides and counts are MMDetection's (``configs/_base_/models/
faster-rcnn_r50_fpn.py`` of version 3.3.0).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.resnet import resnet50
from torchvision.ops import FrozenBatchNorm2d, roi_align

# Longest and shortest side that a picture is enlarged or shrunk to: configs/_base_/datasets/
# openimages_detection.py. (1333, 800) is the setting of COCO, and loses boxes here.
LONG_SIDE, SHORT_SIDE = 1024, 800

STRIDES = (4, 8, 16, 32, 64)
ANCHOR_SCALE = 8  # side of the square anchor, in strides
ANCHOR_RATIOS = (0.5, 1.0, 2.0)  # height / width, in this order
FINEST_SIDE = 56  # regions of up to twice this side are pooled from stride 4
POOL = 7
LIMIT = math.log(1000 / 16)  # of the logarithms of a box's change of size


class UnroundedAnchors(AnchorGenerator):
    """Anchors as MMDetection's ``AnchorGenerator`` has them: not rounded, strides fixed."""

    def __init__(self) -> None:
        sizes = tuple((ANCHOR_SCALE * stride,) for stride in STRIDES)
        super().__init__(sizes, (ANCHOR_RATIOS,) * len(STRIDES))

    def level(self, index: int, height: int, width: int, device: torch.device) -> Tensor:
        """Return the anchors of one level, in order of row, column, ratio; (h * w * 3, 4)."""
        stride = STRIDES[index]
        root = torch.tensor(ANCHOR_RATIOS).sqrt()
        side = float(ANCHOR_SCALE * stride)
        widths, heights = side / root, side * root
        base = torch.stack([-widths, -heights, widths, heights], dim=1).to(device) / 2
        x = torch.arange(width, device=device) * float(stride)
        y = torch.arange(height, device=device) * float(stride)
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
        corners = torch.stack([grid_x, grid_y, grid_x, grid_y], dim=-1)
        return (corners.reshape(-1, 1, 4) + base).reshape(-1, 4)

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """Return the anchors of each picture, all levels one after the other."""
        levels = [
            self.level(index, features.shape[-2], features.shape[-1], features.device)
            for index, features in enumerate(feature_maps)
        ]
        return [torch.cat(levels)] * len(image_list.image_sizes)


class LimitedBoxCoder(BoxCoder):
    """Torchvision's box coder with the changes of size limited on both sides."""

    def decode_single(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        """Return the boxes that the deltas (n, 4 k) make of ``boxes`` (n, 4)."""
        size = rel_codes.new_tensor(self.weights[2:])
        codes = rel_codes.reshape(len(rel_codes), -1, 4)
        least = torch.maximum(codes[..., 2:], -LIMIT * size)
        codes = torch.cat([codes[..., :2], least], dim=-1)
        decoded: Tensor = super().decode_single(codes.reshape(rel_codes.shape), boxes)
        return decoded


class AlignedRoIPool(nn.Module):
    """Regions of all sizes as 7 x 7 features, as MMDetection's ``SingleRoIExtractor`` pools them.

    Half-pixel aligned, with as many samples a bin as it has pixels; torchvision's own pooler is
    not aligned and takes two.
    """

    output_size = (POOL, POOL)

    def forward(
        self, x: Mapping[str, Tensor], boxes: list[Tensor], _: list[tuple[int, int]]
    ) -> Tensor:
        """Pool ``boxes`` (one tensor a picture, in pixels of the input) from levels 0..3."""
        rows = torch.cat([torch.full_like(b[:, :1], i) for i, b in enumerate(boxes)])
        regions = torch.cat([rows, torch.cat(boxes)], dim=1)
        width, height = regions[:, 3] - regions[:, 1], regions[:, 4] - regions[:, 2]
        level = (width * height).sqrt().div(FINEST_SIDE).add(1e-6).log2().floor().clamp(0, 3)
        pooled = regions.new_zeros(len(regions), x["0"].shape[1], POOL, POOL)
        for index, stride in enumerate(STRIDES[:4]):
            chosen = torch.nonzero(level == index)[:, 0]
            if len(chosen):
                features = x[str(index)].to(regions.dtype)
                pooled[chosen] = roi_align(
                    features, regions[chosen], POOL, 1 / stride, sampling_ratio=0, aligned=True
                )
        return pooled


def build_network(n_classes: int, score_threshold: float = 0.05) -> FasterRCNN:
    """Return an untrained network for ``n_classes`` object classes; label 0 is the background.

    It takes float pictures in 0..1 that :func:`resize` has been at; others it would resize in
    float, which is not quite the same.
    """
    body = resnet50(weights=None, norm_layer=FrozenBatchNorm2d)
    layers = {f"layer{stage}": str(stage - 1) for stage in range(1, 5)}
    backbone = BackboneWithFPN(body, layers, [256, 512, 1024, 2048], 256)
    network = FasterRCNN(
        backbone,
        n_classes + 1,
        image_mean=[123.675 / 255, 116.28 / 255, 103.53 / 255],
        image_std=[58.395 / 255, 57.12 / 255, 57.375 / 255],
        rpn_anchor_generator=UnroundedAnchors(),
        rpn_pre_nms_top_n_test=1000,
        rpn_post_nms_top_n_test=1000,
        rpn_nms_thresh=0.7,
        box_score_thresh=score_threshold,
        box_nms_thresh=0.5,
        box_detections_per_img=100,
        min_size=SHORT_SIDE,
        max_size=LONG_SIDE,
    )
    network.roi_heads.box_roi_pool = AlignedRoIPool()
    network.rpn.box_coder = LimitedBoxCoder((1.0, 1.0, 1.0, 1.0))
    network.roi_heads.box_coder = LimitedBoxCoder((10.0, 10.0, 5.0, 5.0))
    return network.eval()


def resized_shape(height: int, width: int) -> tuple[int, int]:
    """Return the height and width that MMDetection would resize a picture to; at least 1."""
    scale = min(LONG_SIDE / max(height, width), SHORT_SIDE / min(height, width))
    return max(int(height * scale + 0.5), 1), max(int(width * scale + 0.5), 1)


def resize(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Enlarge or shrink a picture (uint8, (h, w, 3)) as MMDetection does: bilinear, in bytes."""
    height, width = resized_shape(*image.shape[:2])
    image = np.ascontiguousarray(image)  # OpenCV takes no views that run backwards
    if image.shape[:2] == (height, width):
        return image
    resized: NDArray[np.uint8] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return resized
