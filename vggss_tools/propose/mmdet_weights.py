"""MMDetection's Faster R-CNN R50-FPN in torchvision's names and order.

A state dict is turned by :func:`to_torchvision`; what else has to agree for the same boxes to come
out (anchors, region pooling, box coder, scale) is in ``mmdet_network``. Read from MMDetection
3.3.0's source, and compared with it number by number (docs/detectors.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vggss_tools.errors import InvalidInput

# MMDetection's name -> torchvision's, for what is copied as it is.
_RENAMED = (
    (r"backbone\.(.+)", r"backbone.body.\1"),
    (r"neck\.lateral_convs\.(\d)\.conv\.(.+)", r"backbone.fpn.inner_blocks.\1.0.\2"),
    (r"neck\.fpn_convs\.(\d)\.conv\.(.+)", r"backbone.fpn.layer_blocks.\1.0.\2"),
    (r"rpn_head\.rpn_conv\.(.+)", r"rpn.head.conv.0.0.\1"),
    (r"rpn_head\.rpn_cls\.(.+)", r"rpn.head.cls_logits.\1"),
    (r"rpn_head\.rpn_reg\.(.+)", r"rpn.head.bbox_pred.\1"),
    (r"roi_head\.bbox_head\.shared_fcs\.0\.(.+)", r"roi_heads.box_head.fc6.\1"),
    (r"roi_head\.bbox_head\.shared_fcs\.1\.(.+)", r"roi_heads.box_head.fc7.\1"),
    (r"roi_head\.bbox_head\.fc_cls\.(.+)", r"roi_heads.box_predictor.cls_score.\1"),
    (r"roi_head\.bbox_head\.fc_reg\.(.+)", r"roi_heads.box_predictor.bbox_pred.\1"),
)
_RULES = tuple((re.compile(old), new) for old, new in _RENAMED)

CLASS_SCORES = "roi_head.bbox_head.fc_cls.weight"  # its rows: the classes, and the background last
_OTHER_BOX_HEADS = "roi_head.bbox_head.0."  # a cascade has several


def state_dict_of(checkpoint: Mapping[str, Any], name: str) -> Mapping[str, Tensor]:
    """Return the weights in a checkpoint, with or without ``state_dict`` around them.

    Raises
    ------
    InvalidInput
        If they are not those of a Faster R-CNN of MMDetection.
    """
    state = checkpoint.get("state_dict", checkpoint)
    if not isinstance(state, Mapping) or CLASS_SCORES not in state:
        raise InvalidInput(f"{name}: {_what_instead(state)}; give a Faster R-CNN R50-FPN of "
                           "MMDetection")  # fmt: skip
    return state


def class_count(state: Mapping[str, Tensor]) -> int:
    """Return how many object classes the weights are for."""
    return int(state[CLASS_SCORES].shape[0]) - 1


def to_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict of torchvision's ``FasterRCNN`` with the weights of MMDetection's.

    The background is class C in MMDetection and 0 in torchvision: its row of scores goes to the
    front, and as MMDetection has no box for it, four rows of zeros do. Order and scale of the box
    deltas are the same in both (standard deviations 0.1, 0.1, 0.2, 0.2 are weights 10, 10, 5, 5).
    ``num_batches_tracked`` is left out: batch norm is frozen.
    """
    converted: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        renamed = _new_name(name)
        if renamed.startswith("roi_heads.box_predictor.cls_score"):
            value = torch.cat([value[-1:], value[:-1]])
        elif renamed.startswith("roi_heads.box_predictor.bbox_pred"):
            value = torch.cat([torch.zeros_like(value[:4]), value])
        converted[renamed] = value
    return converted


def load_converted(network: torch.nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Put weights of MMDetection into a network of torchvision's; all of them, and no others.

    Raises
    ------
    InvalidInput
        If weights are missing, unknown, of another shape or not numbers, in one line.
    """
    converted = to_torchvision(state)
    wanted = network.state_dict()
    remedy = "give a Faster R-CNN R50-FPN of MMDetection (docs/detectors.md)"
    for what, names in (
        ("missing", sorted(set(wanted) - set(converted))),
        ("unknown", sorted(set(converted) - set(wanted))),
    ):
        if names:
            raise InvalidInput(f"{name}: {len(names)} weights {what}, e.g. {names[0]}; {remedy}")
    for key, value in wanted.items():
        if converted[key].shape != value.shape:
            raise InvalidInput(
                f"{name}: {key} is {tuple(converted[key].shape)}, the network has "
                f"{tuple(value.shape)}; {remedy}"
            )
        if not converted[key].isfinite().all():
            raise InvalidInput(f"{name}: {key} holds NaN or infinities; copy the file again")
    network.load_state_dict(converted)


def _new_name(name: str) -> str:
    for old, new in _RULES:
        if match := old.fullmatch(name):
            return match.expand(new)
    return name


def _what_instead(state: Any) -> str:
    if not isinstance(state, Mapping):
        return "holds no state dict"
    if any(str(key).startswith(_OTHER_BOX_HEADS) for key in state):
        return "a cascade of box heads, which is not read here"
    if "roi_heads.box_predictor.cls_score.weight" in state:
        return "weights with torchvision's names, not MMDetection's"
    return f"no {CLASS_SCORES} in it"
