"""Any Faster R-CNN of torchvision as a detector, several times as fast as calling it.

The network's own parts are used (transform, anchors, box coders, pooling, thresholds), so that it
finds what it finds when it is called; what differs is how: batch norm is folded into the
convolutions, these run in bfloat16 or float16 where the hardware has it and with channels last,
boxes are decoded only for the classes that pass the threshold, and non-maximum suppression is one
call a picture.

What is found in a picture does not depend on its company: pictures share a batch only if they are
padded to the same size, and a batch always has the same number of rows, filled up with repeats,
each with the same number of proposals; so each sum is made in the same order whatever else is in
it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import FrozenBatchNorm2d, nms

from vggss_tools.boxes import Box
from vggss_tools.models.precision import native_precision
from vggss_tools.propose.detector import Detection, DetectorCard

ROWS_ON_GPU = 8  # pictures of one batch
ROWS_ON_CPU = 1  # one 1024 x 800 picture keeps a CPU's cores busy; padding rows would cost time
CALL_ON_GPU = 64  # pictures a call: few enough to hold, enough that most batches are full
CALL_ON_CPU = 8
LEAST_SIDE = 0.01  # as in torchvision's RoIHeads, where it is no option

BOX_DECIMALS = 5  # a hundredth of a pixel in a frame of 1,000
SCORE_DECIMALS = 4

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Found:
    """What is in one picture, the best score first.

    Attributes
    ----------
    boxes : (n, 4) float64, fractions of the picture
    scores : (n,) float64
    labels : (n,) int64, 0 is the first class
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]


def choose_dtype(device: torch.device, precision: str = "auto") -> torch.dtype:
    """Return in what the convolutions are computed: ``auto``, or the name of a torch dtype.

    ``auto`` is float16 on CUDA GPUs with tensor cores (three more bits than bfloat16, and a
    detector's activations fit), bfloat16 on CPUs that multiply in it, else float32.
    """
    if precision == "auto":
        if device.type == "cuda":
            fast = torch.cuda.get_device_capability(device) >= (7, 0)
            precision = "float16" if fast else "float32"
        else:
            precision = native_precision() if device.type == "cpu" else "float32"
    dtype: torch.dtype = getattr(torch, precision)
    return dtype


def fold_batch_norm(module: nn.Module) -> None:
    """Put each frozen batch norm of a ResNet into the convolution before it, in place.

    The convolution is the child that comes just before the norm, as it does in torchvision's.
    """
    before: nn.Module | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, (FrozenBatchNorm2d, nn.BatchNorm2d)) and isinstance(before, nn.Conv2d):
            _scale(before, child)
            setattr(module, name, nn.Identity())
        else:
            fold_batch_norm(child)
        before = child


def _scale(convolution: nn.Conv2d, norm: FrozenBatchNorm2d | nn.BatchNorm2d) -> None:
    weight = convolution.weight.detach().double()
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    old = 0.0 if convolution.bias is None else convolution.bias.detach().double()
    bias = norm.bias.detach().double() + (old - norm.running_mean.double()) * factor
    convolution.weight = nn.Parameter((weight * factor[:, None, None, None]).float(), False)
    convolution.bias = nn.Parameter(bias.float(), False)


class FastInference:
    """A trained network, made ready to look at many pictures.

    Parameters
    ----------
    network : FasterRCNN
        With a head of linear layers or convolutions, of torchvision's own or like it. It is
        changed (batch norm is folded, precision lowered) and must not be used otherwise after.
    resize : callable, optional
        Turns a picture (uint8, (h, w, 3)) into one of the size that the network wants; default:
        the network's own transform does it, in float.
    device : torch.device
    precision : str
        See :func:`choose_dtype`.
    rows : int, optional
        Pictures of a batch.
    least_side : float
        Boxes with a shorter side, in pixels of the network's input, are dropped.
    """

    def __init__(
        self,
        network: FasterRCNN,
        device: torch.device,
        resize: Callable[[Image], Image] | None = None,
        precision: str = "auto",
        rows: int | None = None,
        least_side: float = LEAST_SIDE,
    ) -> None:
        self.device = device
        self.least_side = least_side
        self.resize = resize
        self.dtype = choose_dtype(device, precision)
        self.rows = rows or (ROWS_ON_GPU if device.type == "cuda" else ROWS_ON_CPU)
        network.eval().requires_grad_(False)
        fold_batch_norm(network)
        network.to(device, memory_format=torch.channels_last)
        # The last layers stay in float32: they are small, and what they say is ranked.
        network.backbone.to(self.dtype)
        network.rpn.head.conv.to(self.dtype)
        network.roi_heads.box_head.to(self.dtype)
        self.network = network
        self.divisor = int(network.transform.size_divisible)
        self.proposals = int(network.rpn.post_nms_top_n())

    def __call__(self, images: Sequence[Image]) -> list[Found]:
        """Look at pictures (uint8 RGB, (h, w, 3), of any sizes)."""
        with torch.inference_mode():
            prepared = self._prepare(images)
            groups: dict[tuple[int, int], list[int]] = {}
            for index, picture in enumerate(prepared):
                groups.setdefault(_padded(picture, self.divisor), []).append(index)
            found: dict[int, Found] = {}
            for indices in groups.values():
                for chunk in _chunks(indices, self.rows):
                    filled = [chunk[row % len(chunk)] for row in range(self.rows)]
                    results = self._batch([prepared[index] for index in filled], len(chunk))
                    found |= dict(zip(chunk, results, strict=True))
        return [found[index] for index in range(len(images))]

    def _prepare(self, images: Sequence[Image]) -> list[Tensor]:
        """Resize; normalised float32 (3, h, w) on the device."""
        resized: Sequence[Image] = images
        if self.resize is not None and len(images) > 1:
            with ThreadPoolExecutor() as pool:  # OpenCV lets other threads run
                resized = list(pool.map(self.resize, images))
        elif self.resize is not None:
            resized = [self.resize(image) for image in images]
        return [self._to_device(image) for image in resized]

    def _to_device(self, image: Image) -> Tensor:
        transform = self.network.transform
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(self.device)
        # uint8 crosses to the device; the division and all that follows is done there.
        picture: Tensor = transform.normalize(pixels.permute(2, 0, 1).float().div_(255))
        if self.resize is None:
            picture, _ = transform.resize(picture, None)
        return picture

    def _batch(self, pictures: Sequence[Tensor], wanted: int) -> list[Found]:
        """Look at one batch of pictures that are padded to the same size."""
        sizes = [(int(p.shape[1]), int(p.shape[2])) for p in pictures]
        canvas = torch.zeros(
            (len(pictures), 3, *_padded(pictures[0], self.divisor)),
            dtype=self.dtype,
            device=self.device,
        ).to(memory_format=torch.channels_last)
        for row, (picture, (height, width)) in enumerate(zip(pictures, sizes, strict=True)):
            canvas[row, :, :height, :width] = picture
        features = self.network.backbone(canvas)
        proposals = self._propose(canvas, features, sizes)
        return self._classify(features, proposals, sizes)[:wanted]

    def _propose(
        self, canvas: Tensor, features: OrderedDict[str, Tensor], sizes: list[tuple[int, int]]
    ) -> list[Tensor]:
        """Return the regions to look at, as many for each picture: of those without, of no area."""
        rpn = self.network.rpn
        anchors = rpn.anchor_generator(ImageList(canvas, sizes), list(features.values()))[0]
        limits = _limits(sizes, self.device)
        all_scores, all_boxes, all_levels = [], [], []
        start = 0
        for level, one in enumerate(features.values()):
            hidden = rpn.head.conv(one).float()
            logits = rpn.head.cls_logits(hidden).permute(0, 2, 3, 1).flatten(1)
            deltas = rpn.head.bbox_pred(hidden).permute(0, 2, 3, 1).reshape(*logits.shape, 4)
            best, chosen = logits.topk(min(rpn.pre_nms_top_n(), logits.shape[1]), dim=1)
            of_level = anchors[start : start + logits.shape[1]]
            start += logits.shape[1]
            deltas = deltas.gather(1, chosen[..., None].expand(-1, -1, 4))
            boxes = rpn.box_coder.decode_single(
                deltas.reshape(-1, 4), of_level[chosen].flatten(0, 1)
            )
            all_boxes.append(boxes.reshape(*chosen.shape, 4))
            all_scores.append(best.sigmoid())
            all_levels.append(torch.full_like(best, level))
        scores, levels = torch.cat(all_scores, dim=1), torch.cat(all_levels, dim=1)
        boxes = torch.cat(all_boxes, dim=1).clamp(min=0).minimum(limits[:, None])
        sides = boxes[..., 2:] - boxes[..., :2]
        large = (sides >= rpn.min_size).all(dim=2) & (scores >= rpn.score_thresh)
        proposals = []
        for row in range(len(sizes)):
            mine = boxes[row][large[row]]
            kept = _nms_apart(
                mine, scores[row][large[row]], levels[row][large[row]], rpn.nms_thresh
            )
            chosen = mine[kept[: self.proposals]]
            if len(sizes) > 1:  # the same number in any company, so that the head's sums agree
                filler = chosen.new_zeros(self.proposals - len(chosen), 4)
                chosen = torch.cat([chosen, filler])
            proposals.append(chosen)
        return proposals

    def _classify(
        self,
        features: OrderedDict[str, Tensor],
        proposals: list[Tensor],
        sizes: list[tuple[int, int]],
    ) -> list[Found]:
        """Say what is in the regions."""
        heads = self.network.roi_heads
        in_float = OrderedDict((name, one.float()) for name, one in features.items())
        pooled = heads.box_roi_pool(in_float, proposals, sizes).to(self.dtype)
        hidden = heads.box_head(pooled).float()
        logits, deltas = heads.box_predictor(hidden)
        scores = logits.softmax(dim=1)
        deltas = deltas.reshape(*scores.shape, 4)
        counts = [len(one) for one in proposals]
        limits = _limits(sizes, self.device)
        found = []
        for row, (regions, mine, changes) in enumerate(
            zip(proposals, scores.split(counts), deltas.split(counts), strict=True)
        ):
            sides = regions[:, 2:] - regions[:, :2]
            real = (sides > 0).all(dim=1, keepdim=True)
            region, label = torch.nonzero((mine[:, 1:] > heads.score_thresh) & real, as_tuple=True)
            score = mine[region, label + 1]
            boxes = heads.box_coder.decode_single(changes[region, label + 1], regions[region])
            boxes = boxes.reshape(-1, 4).clamp(min=0).minimum(limits[row])
            large = ((boxes[:, 2:] - boxes[:, :2]) >= self.least_side).all(dim=1)
            boxes, score, label = boxes[large], score[large], label[large]
            kept = _nms_apart(boxes, score, label, heads.nms_thresh)[: heads.detections_per_img]
            found.append(
                Found(
                    (boxes[kept].double() / limits[row].double()).cpu().numpy(),
                    score[kept].double().cpu().numpy(),
                    label[kept].cpu().numpy(),
                )
            )
        return found


def _padded(picture: Tensor, divisor: int) -> tuple[int, int]:
    """Return the height and width that a (3, h, w) picture is padded to."""
    height, width = (-(-int(side) // divisor) * divisor for side in picture.shape[1:])
    return height, width


def _limits(sizes: Sequence[tuple[int, int]], device: torch.device) -> Tensor:
    """Return the largest coordinates of the pictures, (n, 4)."""
    return torch.tensor([[w, h, w, h] for h, w in sizes], dtype=torch.float32, device=device)


def _nms_apart(boxes: Tensor, scores: Tensor, kinds: Tensor, threshold: float) -> Tensor:
    """Suppress boxes that overlap a better one of their kind; indices, the best first.

    The kinds are moved apart, so that one call does for all; in float64, or boxes of the last
    kinds would be rounded to eighths of a pixel.
    """
    if not len(boxes):
        return kinds.new_zeros(0, dtype=torch.int64)
    moved = boxes.double() + (kinds.double() * (boxes.max().double() + 1))[:, None]
    kept: Tensor = nms(moved, scores.double(), threshold)
    return kept


def _chunks(indices: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


class TorchvisionDetector:
    """A network with the names of its classes.

    Attributes
    ----------
    batch_size : int
        Pictures that are best given at once.
    """

    def __init__(
        self, card: DetectorCard, look: FastInference, names: Sequence[str | None] | None = None
    ) -> None:
        self.card = card
        self.look = look
        self.names = card.classes if names is None else names
        on_gpu = look.device.type == "cuda"
        self.batch_size: int | None = CALL_ON_GPU if on_gpu else CALL_ON_CPU

    def detect(self, images: Sequence[Image]) -> list[list[Detection]]:
        """Find the objects in each frame; see :class:`~vggss_tools.propose.detector.Detector`."""
        return [self._named(found) for found in self.look(images)]

    def _named(self, found: Found) -> list[Detection]:
        boxes = found.boxes.clip(0, 1).round(BOX_DECIMALS)
        scores = found.scores.round(SCORE_DECIMALS)
        detections = [
            Detection(Box(*map(float, box)), name, float(score))
            for box, score, label in zip(boxes, scores, found.labels, strict=True)
            if (name := self.names[label]) and box[0] < box[2] and box[1] < box[3]
        ]
        return sorted(detections, key=lambda d: (-d.score, d.label, d.box))
