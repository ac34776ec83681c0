"""A picture and a table that say, for one clip, what was detected, what was kept, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vggss_tools.atomic import atomic_path
from vggss_tools.clips import Clip
from vggss_tools.errors import ClipFailure, InvalidInput
from vggss_tools.propose.choosing import Choice
from vggss_tools.propose.frame_reader import read_frame
from vggss_tools.propose.matching import Match
from vggss_tools.propose.proposals import Proposal

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

LONG_SIDE = 960  # pixels of the frame in the picture
LINE = 24  # pixels a line of text
SCALE = 0.5
# BGR. Kept, matching and not kept, of another class.
KEPT_COLOUR: Colour = (60, 180, 40)
CANDIDATE_COLOUR: Colour = (0, 140, 255)
OTHER_COLOUR: Colour = (150, 150, 150)
INK: Colour = (30, 30, 30)
NO_CLASS = "no class of the detector"


def explanation(
    clip: Clip, choice: Choice, matches: Mapping[str, Match], detector: str
) -> dict[str, Any]:
    """Return what was decided and why, as JSON; rows are numbered as in the picture."""
    return {
        "schema": "vggss-explain/1",
        "clip_id": clip.clip_id,
        "label": clip.label,
        "detector": detector,
        "outcome": str(choice.outcome),
        "why": choice.why,
        "matches": [
            {"name": m.detector_class, "similarity": m.similarity, "reason": m.reason}
            for m in matches.values()
        ],
        "boxes": [
            {
                "number": number,
                "detector_class": p.detector_class,
                "bbox": p.box.as_list(),
                "score": p.score,
                "similarity": p.similarity,
                "kept": p.kept,
                "reason": p.reason,
            }
            for number, p in enumerate(choice.proposals, 1)
        ],
    }


def explanation_lines(value: Mapping[str, Any]) -> list[str]:
    """Return an explanation as lines of text."""
    matches = ", ".join(f"{m['name']} {m['similarity']:.2f}" for m in value["matches"])
    lines = [
        f"{value['clip_id']}: {value['label']}",
        f"{value['outcome']}: {value['why']}  ({value['detector']})",
        f"matches: {matches or NO_CLASS}",
    ]
    for box in value["boxes"]:
        similarity = "" if box["similarity"] is None else f" x {box['similarity']:.2f}"
        lines.append(
            f"{box['number']:>3} {box['detector_class']}  {box['score']:.2f}{similarity}  "
            f"{box['reason']}"
        )
    return lines


def draw_explanation(path: Path, frame_path: Path, choice: Choice, lines: Iterable[str]) -> None:
    """Write a PNG: the frame with all boxes, those kept in green, and the lines below.

    Raises
    ------
    InvalidInput
        If the frame cannot be read.
    """
    import cv2

    frame = read_frame(frame_path)
    if isinstance(frame, ClipFailure):
        raise InvalidInput(frame.message)
    height, width = frame.shape[:2]
    scale = LONG_SIDE / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    canvas: Image = cv2.resize(
        np.ascontiguousarray(frame[..., ::-1]),
        size,
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
    )
    numbered = list(enumerate(choice.proposals, 1))
    for number, proposal in sorted(numbered, key=lambda pair: (pair[1].kept, pair[1].is_candidate)):
        _draw(canvas, number, proposal)
    panel = _text_panel([line.encode("ascii", "replace").decode() for line in lines], numbered)
    wide = max(canvas.shape[1], panel.shape[1])
    picture = np.vstack([_padded(canvas, wide), _padded(panel, wide)])
    good, content = cv2.imencode(".png", picture)
    assert good
    with atomic_path(path) as part:
        part.write_bytes(content.tobytes())


def colour_of(proposal: Proposal) -> Colour:
    """Return the colour that says what became of a detection."""
    if proposal.kept:
        return KEPT_COLOUR
    return CANDIDATE_COLOUR if proposal.is_candidate else OTHER_COLOUR


def _draw(canvas: Image, number: int, proposal: Proposal) -> None:
    import cv2

    height, width = canvas.shape[:2]
    box, colour = proposal.box, colour_of(proposal)
    x0, y0 = round(box.xmin * (width - 1)), round(box.ymin * (height - 1))
    x1, y1 = round(box.xmax * (width - 1)), round(box.ymax * (height - 1))
    cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, 4 if proposal.kept else 2)
    text = f"{number} {proposal.detector_class}".encode("ascii", "replace").decode()
    (w, h), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, SCALE, 1)
    # Above the box; within it where there is no room.
    top = y0 - h - 8 if y0 - h - 8 >= 0 else y0
    left = min(x0, max(width - w - 8, 0))
    cv2.rectangle(canvas, (left, top), (left + w + 8, top + h + 8), colour, cv2.FILLED)
    white = (255, 255, 255)
    at = (left + 4, top + h + 3)
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, SCALE, white, 1, cv2.LINE_AA)


def _text_panel(lines: list[str], numbered: list[tuple[int, Proposal]]) -> Image:
    """Return the lines on white; those of boxes, which come last, have their colour before them."""
    import cv2

    font = cv2.FONT_HERSHEY_SIMPLEX
    width = 40 + max(cv2.getTextSize(line, font, SCALE, 1)[0][0] for line in lines)
    panel: Image = np.full((LINE * len(lines) + 16, width, 3), 255, np.uint8)
    first = len(lines) - len(numbered)
    for row, line in enumerate(lines):
        y = 8 + LINE * row
        if row >= first:
            colour = colour_of(numbered[row - first][1])
            cv2.rectangle(panel, (8, y + 4), (22, y + 18), colour, cv2.FILLED)
        cv2.putText(panel, line, (30, y + 17), font, SCALE, INK, 1, cv2.LINE_AA)
    return panel


def _padded(image: Image, width: int) -> Image:
    padded: Image = np.full((image.shape[0], width, 3), 255, np.uint8)
    padded[:, : image.shape[1]] = image
    return padded
