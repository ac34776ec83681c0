from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from propose.mmdet_maker import make_picture, make_state
from torch import nn
from torchvision.models.detection import FasterRCNN, fasterrcnn_resnet50_fpn
from torchvision.models.resnet import resnet18
from torchvision.ops import FrozenBatchNorm2d

from vggss_tools.errors import InvalidInput
from vggss_tools.propose import coco
from vggss_tools.propose.mmdet_weights import to_torchvision
from vggss_tools.propose.sample_detector import read_network
from vggss_tools.propose.sample_input import shrink
from vggss_tools.propose.sample_weights import SHIPPED, describe
from vggss_tools.propose.torchvision_detector import (
    FastInference,
    Found,
    TorchvisionDetector,
    choose_dtype,
    fold_batch_norm,
)

CPU = torch.device("cpu")
CARD = describe(None)

Image = NDArray[np.uint8]


def scenes(count: int) -> list[Image]:
    """Pictures of several sizes and shapes."""
    sizes = ((120, 160), (160, 120), (90, 160), (200, 300))
    return [make_picture(*sizes[i % len(sizes)], seed=i) for i in range(count)]


def fast(precision: str = "float32", rows: int | None = None) -> FastInference:
    return FastInference(read_network(SHIPPED, CARD), CPU, shrink, precision, rows)


def assert_equal(one: Found, other: Found) -> None:
    assert one.boxes.tobytes() == other.boxes.tobytes()
    assert one.scores.tobytes() == other.scores.tobytes()
    assert one.labels.tobytes() == other.labels.tobytes()


def assert_near(found: Found, usual: dict[str, torch.Tensor], size: tuple[int, int]) -> None:
    """The same detections as torchvision's, within a hundredth of a pixel and 0.001."""
    height, width = size
    boxes = found.boxes * (width, height, width, height)
    assert len(found.scores) == len(usual["scores"])
    free = set(range(len(found.scores)))
    for box, score, label in zip(
        usual["boxes"].numpy(), usual["scores"].numpy(), usual["labels"].numpy() - 1, strict=True
    ):
        near = [
            i
            for i in free
            if found.labels[i] == label
            and abs(found.scores[i] - score) < 1e-3
            and np.abs(boxes[i] - box).max() < 0.01
        ]
        assert near, f"nothing like {label} {score} {box}"
        free.remove(near[0])


def to_tensor(image: Image) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255


def test_finds_what_the_network_finds() -> None:
    """In float32 the detections are those of calling torchvision's network."""
    network, ours = read_network(SHIPPED, CARD).eval(), fast()
    for image in scenes(4):
        small = shrink(image)
        with torch.inference_mode():
            (usual,) = network([to_tensor(small)])
        assert_near(ours([image])[0], usual, small.shape[:2])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("rows", [1, 3])
def test_company_does_not_matter(precision: str, rows: int) -> None:
    """A frame's detections are the same bits alone, among others, and in another order."""
    ours = fast(precision, rows)
    images = scenes(9)
    together = ours(images)
    for index in (0, 5, 8):
        assert_equal(ours([images[index]])[0], together[index])
    backwards = ours(images[::-1])[::-1]
    for one, other in zip(together, backwards, strict=True):
        assert_equal(one, other)


def test_lower_precision_finds_the_same_objects() -> None:
    """In bfloat16, objects that are found with confidence stay, with nearly the same boxes."""
    exact, rough = fast(), fast("bfloat16")
    confident = 0
    for one, other in zip(exact(scenes(8)), rough(scenes(8)), strict=True):
        for box, label in zip(one.boxes[one.scores > 0.8], one.labels, strict=False):
            confident += 1
            same = other.boxes[other.labels == label]
            assert np.abs(same - box).max(axis=1).min() < 0.03
    assert confident


def test_nothing_in_nothing_out() -> None:
    """No frames are no detections, and an empty frame is an empty list."""
    detector = TorchvisionDetector(CARD, fast())
    assert detector.detect([]) == []
    assert detector.batch_size
    (found,) = detector.detect([np.zeros((120, 160, 3), np.uint8)])
    assert all(one.label in CARD.classes for one in found)


def test_folding_keeps_what_a_network_computes() -> None:
    """A ResNet whose norms are folded gives the same features, and has no norm left."""
    torch.manual_seed(0)
    network = resnet18(weights=None, norm_layer=FrozenBatchNorm2d).eval()
    for module in network.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.weight.uniform_(0.5, 1)
            module.bias.normal_()
    picture = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        before = network(picture)
    fold_batch_norm(network)
    with torch.inference_mode():
        assert torch.allclose(network(picture), before, rtol=1e-3, atol=1e-3)
    assert not any(isinstance(m, (FrozenBatchNorm2d, nn.BatchNorm2d)) for m in network.modules())


@pytest.fixture(scope="module")
def coco_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights for torchvision's version 1, made by rule."""
    path = tmp_path_factory.mktemp("coco") / "v1.pth"
    torch.save(to_torchvision(make_state(90)), path)
    return path


def test_coco_finds_what_torchvision_finds(coco_weights: Path) -> None:
    """Version 1 as torchvision runs it: batch norm without epsilon, resized in float."""
    network: FasterRCNN = fasterrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=91, min_size=200, max_size=300
    ).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0
    network.load_state_dict(torch.load(coco_weights, weights_only=True), strict=False)
    ours = coco.load(str(coco_weights), "cpu", "float32")
    ours.look.network.transform.min_size, ours.look.network.transform.max_size = (200,), 300
    image = make_picture(120, 160, 3)
    with torch.inference_mode():
        (usual,) = network([to_tensor(image)])
    assert len(usual["scores"]) > 10
    assert_near(ours.look([image])[0], usual, image.shape[:2])
    assert all(one.label in ours.card.classes for one in ours.detect([image])[0])


def test_coco_tells_its_two_networks_apart() -> None:
    """The weights' names say which of torchvision's two networks they are for."""
    first = coco.build_network({})
    second = coco.build_network({"rpn.head.conv.1.0.weight": torch.zeros(1)})
    assert len(first.rpn.head.conv) == 1
    assert len(second.rpn.head.conv) == 2


@pytest.mark.parametrize(
    "change", [lambda s: s.popitem(), lambda s: s.update(x=torch.zeros(1)), lambda s: s.clear()]
)
def test_other_weights_are_no_coco(
    coco_weights: Path, tmp_path: Path, change: Callable[[dict[str, torch.Tensor]], object]
) -> None:
    """Weights of another network are one line."""
    state = torch.load(coco_weights, weights_only=True)
    change(state)
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(InvalidInput, match="not the weights of torchvision's") as caught:
        coco.load(str(tmp_path / "x.pth"), "cpu")
    assert "\n" not in caught.value.message


def test_precision_has_a_name() -> None:
    """A precision is asked for by its name; by itself, the CPU's own is taken."""
    assert choose_dtype(CPU, "float32") is torch.float32
    assert choose_dtype(CPU) in (torch.float32, torch.bfloat16)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_finds_the_same() -> None:
    """On a GPU, in batches and float16, confident objects are found where the CPU finds them."""
    exact = fast()
    on_gpu = FastInference(read_network(SHIPPED, CARD), torch.device("cuda"), shrink)
    assert on_gpu.rows > 1
    for one, other in zip(exact(scenes(8)), on_gpu(scenes(8)), strict=True):
        for box, label in zip(one.boxes[one.scores > 0.8], one.labels, strict=False):
            same = other.boxes[other.labels == label]
            assert np.abs(same - box).max(axis=1).min() < 0.03
