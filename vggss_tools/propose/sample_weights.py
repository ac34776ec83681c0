"""The sample world's detector as files: the weights, and a card that says where they come from.

``sample-detector.pth`` holds the weights alone, in half precision. ``sample-detector.json``
beside it is the card: classes, checksum, and how to train the same again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.propose.detector import DetectorCard

SCHEMA = "vggss-detector/1"
SHIPPED = Path(__file__).parent / "weights" / "sample-detector.pth"


def weights_path(argument: str | None) -> Path:
    """Return the weights that ``sample`` (None) or ``sample:FILE`` means."""
    return SHIPPED if argument is None else Path(argument)


def card_path(weights: Path) -> Path:
    """Return where the card of a weights file lies."""
    return weights.with_suffix(".json")


def read_card(weights: Path) -> dict[str, Any]:
    """Read the card of a weights file.

    Raises
    ------
    VggssError
        If the weights or the card are missing.
    InvalidInput
        If the card is not one.
    """
    path = card_path(weights)
    if not weights.is_file():
        raise VggssError(f"{weights}: no such file; make it with `vggss train-detector`")
    if not path.is_file():
        raise VggssError(
            f"{path}: no such file, and {weights.name} needs its card beside it; `vggss "
            "train-detector` writes both"
        )
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        card = None
    if (
        not isinstance(card, dict)
        or card.get("schema") != SCHEMA
        or not {"classes", "sha256"} <= card.keys()
    ):
        raise InvalidInput(
            f"{path}: not the card of a detector ({SCHEMA}); train it again with "
            "`vggss train-detector`"
        )
    return card


def describe(argument: str | None) -> DetectorCard:
    """Return the card of ``sample`` or ``sample:FILE``; torch is not needed."""
    card = read_card(weights_path(argument))
    return DetectorCard("sample", tuple(card["classes"]), str(card["sha256"]))
