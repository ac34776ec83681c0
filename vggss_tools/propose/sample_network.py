"""The sample world's detector network: torchvision's Faster R-CNN on a small backbone.

Nothing here is special to the sample world but its size. The whole has 1.35 M parameters,
where torchvision's ``fasterrcnn_resnet50_fpn`` has 41 M.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.resnet import BasicBlock
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

from vggss_tools.propose.sample_input import LONG_SIDE

WIDTHS = (32, 64, 128)  # channels of the backbone's stages, at strides 4, 8 and 16
PYRAMID_CHANNELS = 64
HIDDEN = 256  # width of the box head
POOL = 5  # RoIAlign's grid

# One octave a level and two sizes an octave, from 20 px (2% of the frame) to 113 px; 80% of a
# 160 x 120 frame is 124 px squared.
ANCHOR_SIZES = ((20, 28), (40, 56), (80, 113))
ANCHOR_RATIOS = (0.5, 1.0, 2.0)

# RoIs of 40 to 80 px are pooled from the middle level (stride 8), smaller ones from stride 4.
CANONICAL_SIDE = 80
CANONICAL_LEVEL = 4  # log2 of the coarsest stride, 16

# Mean and standard deviation of pixel values, 0..1, in each channel; nothing was measured.
IMAGE_MEAN = (0.5, 0.5, 0.5)
IMAGE_STD = (0.25, 0.25, 0.25)


class Backbone(nn.Module):
    """A ResNet of basic blocks with a feature pyramid of strides 4, 8 and 16."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third = WIDTHS
        self.stem = nn.Sequential(
            nn.Conv2d(3, first, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(first),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.stage1 = _stage(first, first, stride=1)
        self.stage2 = _stage(first, second, stride=2)
        self.stage3 = _stage(second, third, stride=2)
        self.pyramid = FeaturePyramidNetwork(list(WIDTHS), PYRAMID_CHANNELS)
        self.out_channels = PYRAMID_CHANNELS

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Return the pyramid's levels ``"4"``, ``"8"`` and ``"16"`` for (n, 3, h, w) images."""
        fine = self.stage1(self.stem(images))
        middle = self.stage2(fine)
        coarse = self.stage3(middle)
        return self.pyramid(OrderedDict({"4": fine, "8": middle, "16": coarse}))


def _stage(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or channels_in != channels_out:
        shortcut = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False),
            nn.BatchNorm2d(channels_out),
        )
    return nn.Sequential(
        BasicBlock(channels_in, channels_out, stride, shortcut),
        BasicBlock(channels_out, channels_out),
    )


def build_network(n_classes: int) -> FasterRCNN:
    """Return an untrained network for ``n_classes`` object classes; label 0 is the background.

    It takes float images (3, h, w) in 0..1, already shrunk to ``LONG_SIDE``, and is otherwise
    used as any of torchvision's detectors.
    """
    backbone = Backbone()
    anchors = AnchorGenerator(ANCHOR_SIZES, (ANCHOR_RATIOS,) * len(ANCHOR_SIZES))
    pooler = MultiScaleRoIAlign(
        ["4", "8", "16"],
        output_size=POOL,
        sampling_ratio=2,
        canonical_scale=CANONICAL_SIDE,
        canonical_level=CANONICAL_LEVEL,
    )
    network = FasterRCNN(
        backbone,
        rpn_anchor_generator=anchors,
        box_roi_pool=pooler,
        box_head=TwoMLPHead(PYRAMID_CHANNELS * POOL**2, HIDDEN),
        box_predictor=FastRCNNPredictor(HIDDEN, n_classes + 1),
        image_mean=list(IMAGE_MEAN),
        image_std=list(IMAGE_STD),
        # The caller has shrunk the frames (averaging areas, where the network's own resizing
        # would skip pixels), so both of these leave a frame as it is.
        min_size=LONG_SIDE,
        max_size=LONG_SIDE,
        rpn_pre_nms_top_n_train=300,
        rpn_post_nms_top_n_train=120,
        rpn_pre_nms_top_n_test=200,
        rpn_post_nms_top_n_test=60,
        rpn_batch_size_per_image=128,
        box_batch_size_per_image=48,
        box_detections_per_img=20,
        box_score_thresh=0.05,
        box_nms_thresh=0.5,
    )
    # 16 instead of 32 keeps a 160 x 120 frame from being padded by a sixteenth of its height.
    network.transform.size_divisible = 16
    return network


def parameter_count(network: nn.Module) -> int:
    """Return how many numbers are learnt."""
    return sum(p.numel() for p in network.parameters())
