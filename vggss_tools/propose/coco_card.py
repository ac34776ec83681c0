"""Detector ``coco`` as files: torchvision's own weights, or the user's of the same networks."""

from __future__ import annotations

import os
from pathlib import Path

from vggss_tools.checksums import sha256_of
from vggss_tools.errors import VggssError, not_readable
from vggss_tools.propose.detector import DetectorCard
from vggss_tools.propose.weights_download import PublishedWeights, get_weights

NAME = "coco"

_FOLDER = "https://download.pytorch.org/models"
PUBLISHED = {
    # Box AP 46.7 and 37.0 on COCO val2017, as torchvision says.
    "v2": PublishedWeights(f"{_FOLDER}/fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth"),
    "v1": PublishedWeights(f"{_FOLDER}/fasterrcnn_resnet50_fpn_coco-258fb6c6.pth"),
}
DEFAULT = "v2"

# COCO's categories by their ids from 1 to 90, ten of which were never used.
_BY_ID = (
    "person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant||"
    "stop sign|parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe||"
    "backpack|umbrella|||handbag|tie|suitcase|frisbee|skis|snowboard|sports ball|kite|"
    "baseball bat|baseball glove|skateboard|surfboard|tennis racket|bottle||wine glass|cup|fork|"
    "knife|spoon|bowl|banana|apple|sandwich|orange|broccoli|carrot|hot dog|pizza|donut|cake|"
    "chair|couch|potted plant|bed||dining table|||toilet||tv|laptop|mouse|remote|keyboard|"
    "cell phone|microwave|oven|toaster|sink|refrigerator||book|clock|vase|scissors|teddy bear|"
    "hair drier|toothbrush"
)
NAMES = tuple(_BY_ID.split("|"))  # by class index; empty where there is no such class
CLASSES = tuple(name for name in NAMES if name)


def published(argument: str | None) -> PublishedWeights | None:
    """Return the weights that ``coco``, ``coco:v1`` or ``coco:v2`` mean; None for a path."""
    return PUBLISHED.get(DEFAULT if argument is None else argument)


def describe(argument: str | None) -> DetectorCard:
    """Return the card of ``coco``, ``coco:v1``, ``coco:v2`` or ``coco:PATH``.

    Nothing is downloaded and torch is not needed.
    """
    if known := published(argument):
        return DetectorCard(NAME, CLASSES, known.sha256_start)
    try:
        sha256 = sha256_of(existing(argument))
    except PermissionError as error:
        raise not_readable(Path(argument or ""), error) from None
    starts = (one.sha256_start for one in PUBLISHED.values())
    fingerprint = next((start for start in starts if sha256.startswith(start)), sha256)
    return DetectorCard(NAME, CLASSES, fingerprint)


def weights_path(argument: str | None) -> Path:
    """Return the file of weights; a published one may be in torch.hub's cache, or is downloaded.

    Raises
    ------
    VggssError
        If it cannot be had.
    """
    known = published(argument)
    if known is None:
        return existing(argument)
    there = torch_hub_folder() / known.name
    if there.is_file() and sha256_of(there).startswith(known.sha256_start):
        return there
    return get_weights(known)


def torch_hub_folder() -> Path:
    """Return where torch.hub keeps what it has downloaded."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("TORCH_HOME") or os.path.join(cache, "torch")
    return Path(home).expanduser() / "hub" / "checkpoints"


def existing(argument: str | None) -> Path:
    """Return the user's own file."""
    path = Path(argument or "").expanduser()
    if not path.is_file():
        raise VggssError(
            f"{argument or 'coco:'}: no such weights; give a file, or one of: "
            f"{', '.join(PUBLISHED)}"
        )
    return path
