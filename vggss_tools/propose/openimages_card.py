"""Detector ``openimages`` as files: published weights, or the user's own of the same network.

Four checkpoints of MMDetection are known by name; their addresses, classes and box APs are those
of ``configs/openimages/metafile.yml`` in version 3.3.0, whose authors measured them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vggss_tools.checksums import sha256_of
from vggss_tools.classes import openimages_classes
from vggss_tools.errors import InvalidInput, VggssError, not_readable
from vggss_tools.propose.checkpoint_classes import read_classes
from vggss_tools.propose.detector import DetectorCard
from vggss_tools.propose.weights_download import PublishedWeights
from vggss_tools.resources import resource

NAME = "openimages"
CLASS_SCORES = "roi_head.bbox_head.fc_cls.weight"  # rows: the classes and the background

_FOLDER = "https://download.openmmlab.com/mmdetection/v2.0/openimages"


@dataclass(frozen=True, slots=True)
class OpenImagesWeights:
    """A checkpoint that MMDetection publishes.

    Attributes
    ----------
    box_ap : float
        As its authors say, on the validation images of its classes; not measured by us.
    """

    weights: PublishedWeights
    n_classes: int
    box_ap: float


def _published(folder: str, file: str, n_classes: int, box_ap: float) -> OpenImagesWeights:
    return OpenImagesWeights(PublishedWeights(f"{_FOLDER}/{folder}/{file}"), n_classes, box_ap)


# ``openimages`` is the first, ``openimages:<name>`` any. "cas" is class-aware sampling in
# training; the network is the same.
PUBLISHED = {
    "v6": _published(
        "faster_rcnn_r50_fpn_32x2_1x_openimages",
        "faster_rcnn_r50_fpn_32x2_1x_openimages_20211130_231159-e87ab7ce.pth",
        601,
        51.6,
    ),
    "v6-cas": _published(
        "faster_rcnn_r50_fpn_32x2_cas_1x_openimages",
        "faster_rcnn_r50_fpn_32x2_cas_1x_openimages_20220306_202424-98c630e5.pth",
        601,
        60.0,
    ),
    "challenge": _published(
        "faster_rcnn_r50_fpn_32x2_1x_openimages_challenge",
        "faster_rcnn_r50_fpn_32x2_1x_openimages_challenge_20220114_045100-0e79e5df.pth",
        500,
        54.9,
    ),
    "challenge-cas": _published(
        "faster_rcnn_r50_fpn_32x2_cas_1x_openimages_challenge",
        "faster_rcnn_r50_fpn_32x2_cas_1x_openimages_challenge_20220221_192021-34c402d9.pth",
        500,
        65.0,
    ),
}
DEFAULT = "v6"


def challenge_classes() -> tuple[str, ...]:
    """Return the classes of the Challenge 2019 models by index; two names stand there twice."""
    text = resource("openimages_challenge_classes.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


def published(argument: str | None) -> OpenImagesWeights | None:
    """Return the checkpoint that ``openimages`` or ``openimages:<name>`` means; None for a path."""
    return PUBLISHED.get(DEFAULT if argument is None else argument)


def names_of(argument: str | None) -> tuple[str, ...]:
    """Return the name of each class index; a name may stand for two.

    Raises
    ------
    VggssError
        If there is no such file.
    InvalidInput
        If it is no such checkpoint, or nobody knows the names of its classes.
    """
    if known := published(argument):
        return _names_by_count(known.n_classes) or ()
    rows, names = read_classes(_existing(argument), CLASS_SCORES)
    count = rows - 1
    found = _names_by_count(count) or names
    if found is None or len(found) != count:
        raise InvalidInput(
            f"{argument}: {count} classes, and no names of so many in its meta; OpenImages models "
            "have 601 or 500 classes, others need meta['CLASSES']"
        )
    return found


def describe(argument: str | None) -> DetectorCard:
    """Return the card of ``openimages``, ``openimages:<name>`` or ``openimages:PATH``.

    Nothing is downloaded and torch is not needed. The fingerprint is the start of the sha256 that
    stands in a published file's name, or the whole sha256 of another file.
    """
    classes = tuple(dict.fromkeys(names_of(argument)))
    if known := published(argument):
        return DetectorCard(NAME, classes, known.weights.sha256_start)
    path = _existing(argument)
    try:
        sha256 = sha256_of(path)
    except PermissionError as error:
        raise not_readable(path, error) from None
    # A published file is the same wherever it lies.
    starts = (one.weights.sha256_start for one in PUBLISHED.values())
    fingerprint = next((start for start in starts if sha256.startswith(start)), sha256)
    return DetectorCard(NAME, classes, fingerprint)


def _names_by_count(count: int) -> tuple[str, ...] | None:
    if count == len(openimages_classes()):
        return openimages_classes()
    return challenge_classes() if count == len(challenge_classes()) else None


def _existing(argument: str | None) -> Path:
    path = Path(argument or "").expanduser()
    if not path.is_file():
        raise VggssError(
            f"{argument or 'openimages:'}: no such weights; give a file, or one of: "
            f"{', '.join(PUBLISHED)}"
        )
    return path
