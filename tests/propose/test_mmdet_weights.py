from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from propose.mmdet_maker import make_picture, make_state
from torch import Tensor
from torchvision.models.detection import FasterRCNN

from vggss_tools.errors import InvalidInput
from vggss_tools.propose.mmdet_network import (
    AlignedRoIPool,
    LimitedBoxCoder,
    UnroundedAnchors,
    build_network,
    resize,
    resized_shape,
)
from vggss_tools.propose.mmdet_weights import (
    class_count,
    load_converted,
    state_dict_of,
    to_torchvision,
)
from vggss_tools.propose.torchvision_detector import FastInference

GOLDEN = json.loads((Path(__file__).parent / "mmdet_golden.json").read_text())
CASES = [case for case in GOLDEN["cases"] if case["classes"] == 601]

# The smallest pictures of the golden file: a test is done in seconds.
QUICK = [case for case in CASES if case["height"] * case["width"] < 200_000]


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return make_state()


@pytest.fixture(scope="module")
def network(state: dict[str, Tensor]) -> FasterRCNN:
    network = build_network(601)
    load_converted(network, state, "made by rule")
    return network


@pytest.fixture(scope="module")
def fast(state: dict[str, Tensor]) -> FastInference:
    network = build_network(601)
    load_converted(network, state, "made by rule")
    return FastInference(network, torch.device("cpu"), resize, "float32", least_side=0)


def assert_same(boxes: Any, scores: Any, labels: Any, case: dict[str, Any]) -> None:
    """Each detection of MMDetection's has one of ours, within half a pixel and 0.001."""
    assert len(scores) == len(case["scores"])
    free = set(range(len(scores)))
    for box, score, label in zip(case["boxes"], case["scores"], case["labels"], strict=True):
        near = [
            i
            for i in free
            if labels[i] == label
            and abs(scores[i] - score) < 1e-3
            and np.abs(np.asarray(boxes[i]) - box).max() < 0.5
        ]
        assert near, f"nothing like {label} {score} {box}"
        free.remove(near[0])


@pytest.mark.parametrize("case", QUICK, ids=lambda c: f"{c['width']}x{c['height']}")
def test_finds_what_mmdetection_finds(fast: FastInference, case: dict[str, Any]) -> None:
    """Boxes, scores and classes are those of MMDetection's own network with the same weights."""
    size = (case["height"], case["width"])
    (found,) = fast([make_picture(*size, case["seed"])])
    boxes = found.boxes * (size[1], size[0], size[1], size[0])
    assert_same(boxes, found.scores, found.labels, case)


def test_challenge_models_find_it_too() -> None:
    """A network with the 500 classes of the challenge agrees as well."""
    (case,) = (case for case in GOLDEN["cases"] if case["classes"] == 500)
    network = build_network(500)
    load_converted(network, make_state(500), "made by rule")
    ours = FastInference(network, torch.device("cpu"), resize, "float32", least_side=0)
    (found,) = ours([make_picture(case["height"], case["width"], case["seed"])])
    boxes = found.boxes * (case["width"], case["height"], case["width"], case["height"])
    assert_same(boxes, found.scores, found.labels, case)


def test_a_view_is_resized_like_its_copy() -> None:
    """A picture whose channels are turned round without a copy is a picture like others."""
    turned = make_picture(50, 80, 0)[:, :, ::-1]
    assert np.array_equal(resize(turned), resize(turned.copy()))


def test_the_network_alone_finds_it_too(network: FasterRCNN) -> None:
    """The converted network gives MMDetection's boxes when it is called as torchvision's are."""
    case = min(CASES, key=lambda c: resized_shape(c["height"], c["width"])[1])
    image = resize(make_picture(case["height"], case["width"], case["seed"]))
    with torch.inference_mode():
        (found,) = network([torch.from_numpy(image).permute(2, 0, 1).float() / 255])
    height, width = image.shape[:2]
    scale = np.array([case["width"] / width, case["height"] / height] * 2)
    boxes = found["boxes"].numpy() * scale
    assert_same(boxes, found["scores"].numpy(), found["labels"].numpy() - 1, case)


def test_background_goes_from_last_to_first(state: dict[str, Tensor]) -> None:
    """The last row of scores becomes the first, and the background gets a box of zeros."""
    converted = to_torchvision(state)
    scores = converted["roi_heads.box_predictor.cls_score.weight"]
    boxes = converted["roi_heads.box_predictor.bbox_pred.weight"]
    assert torch.equal(scores[0], state["roi_head.bbox_head.fc_cls.weight"][601])
    assert torch.equal(scores[1], state["roi_head.bbox_head.fc_cls.weight"][0])
    assert boxes.shape == (4 * 602, 1024)
    assert not boxes[:4].any()
    assert torch.equal(boxes[4:], state["roi_head.bbox_head.fc_reg.weight"])


def test_nothing_is_left_over(state: dict[str, Tensor], network: FasterRCNN) -> None:
    """The converted names are the network's, each once; class count goes by the scores' rows."""
    assert set(to_torchvision(state)) == set(network.state_dict())
    assert class_count(state) == 601


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("neck.fpn_convs.3.conv.bias"), "1 weights missing"),
        (lambda s: s.update({"roi_head.mask_head.x": torch.zeros(1)}), "1 weights unknown"),
        (lambda s: s.update({"rpn_head.rpn_cls.bias": torch.zeros(9)}), "(9,)"),
        (lambda s: s.update({"rpn_head.rpn_cls.bias": torch.full((3,), torch.nan)}), "NaN"),
    ],
)
def test_other_weights_are_refused(
    state: dict[str, Tensor], network: FasterRCNN, change: Any, said: str
) -> None:
    """Missing, unknown, misshapen and broken weights are one line that names one of them."""
    changed = dict(state)
    change(changed)
    with pytest.raises(InvalidInput, match=re.escape(said)) as caught:
        load_converted(network, changed, "other.pth")
    assert "other.pth" in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"state_dict": {"roi_head.bbox_head.0.fc_cls.weight": 0}}, "cascade"),
        ({"roi_heads.box_predictor.cls_score.weight": 0}, "torchvision's names"),
        ({"state_dict": [1]}, "no state dict"),
        ({"model": {}}, "fc_cls"),
    ],
)
def test_other_checkpoints_are_named(content: dict[str, Any], said: str) -> None:
    """A checkpoint of another kind is said to be so."""
    with pytest.raises(InvalidInput, match=said):
        state_dict_of(content, "x.pth")


@pytest.mark.parametrize(
    ("shape", "resized"),
    [
        ((360, 640), (576, 1024)),
        ((360, 480), (768, 1024)),
        ((1200, 1024), (938, 800)),
        ((1, 1), (800, 800)),
        ((1, 5000), (1, 1024)),
        ((3000, 4000), (768, 1024)),
    ],
)
def test_pictures_are_fitted_into_1024_by_800(
    shape: tuple[int, int], resized: tuple[int, int]
) -> None:
    """The scale is that of MMDetection's OpenImages configuration; no side gets lost."""
    assert resized_shape(*shape) == resized
    assert resize(np.zeros((*shape, 3), np.uint8)).shape == (*resized, 3)


def test_anchors_are_not_rounded_and_keep_their_strides() -> None:
    """Base anchors are exact, and the coarsest level has its stride where the one below is odd."""
    anchors = UnroundedAnchors().level(4, 13, 16, torch.device("cpu"))
    assert anchors.shape == (13 * 16 * 3, 4)
    side = 512 / 2**0.5
    assert anchors[0].tolist() == pytest.approx([-side, -side / 2, side, side / 2])
    assert anchors[3, 0] - anchors[0, 0] == 64  # next column
    assert anchors[16 * 3, 1] - anchors[0, 1] == 64  # next row


def test_changes_of_size_are_limited_on_both_sides() -> None:
    """A box shrinks and grows by 62.5 at most, in the head's units too."""
    for weights in ((1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)):
        deltas = torch.tensor([[0.0, 0.0, -900.0, 900.0]])
        box = LimitedBoxCoder(weights).decode_single(deltas, torch.tensor([[0.0, 0.0, 62.5, 62.5]]))
        x0, y0, x1, y1 = box.flatten().tolist()
        assert x1 - x0 == pytest.approx(1, rel=1e-4)
        assert y1 - y0 == pytest.approx(62.5**2, rel=1e-4)


def test_regions_are_pooled_from_the_level_of_their_size() -> None:
    """Regions with sides under 112 come from stride 4, of 448 and more from stride 32."""
    levels = {str(i): torch.full((1, 1, 256 // 2**i, 256 // 2**i), float(i)) for i in range(5)}
    sides = [10.0, 111.0, 112.0, 223.0, 224.0, 447.0, 448.0, 900.0]
    boxes = torch.tensor([[0.0, 0.0, side, side] for side in sides])
    pooled = AlignedRoIPool()(levels, [boxes], [(1024, 1024)])
    assert pooled[:, 0, 3, 3].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
