"""The page of `vggss check`: each violation with its frame and its boxes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vggss_tools.annotate.audit.rules import Standing, Violation, counts
from vggss_tools.atomic import atomic_path, write_text_atomic
from vggss_tools.boxes import Box

PAGE = "index.html"
PICTURES = "pictures"
WIDTH = 480  # pixels of a picture on the page

# BGR: what the violation is about, and the clip's other boxes.
_ABOUT = (40, 60, 230)
_OTHER = (200, 170, 60)


def write_page(
    folder: Path,
    violations: Iterable[Violation],
    standing: Iterable[Standing],
    frames: Mapping[str, Path],
) -> list[str]:
    """Write ``index.html`` and ``pictures/`` and return the clips that have no frame to show.

    Parameters
    ----------
    frames : mapping
        Clip id → frame; clips without one get a line without a picture.
    """
    violations = list(violations)
    boxes = {(one.clip_id, one.label): dict(one.boxes) for one in standing}
    rows: list[dict[str, Any]] = []
    without: list[str] = []
    for number, violation in enumerate(violations):
        frame = frames.get(violation.clip_id)
        picture = f"{PICTURES}/{number:05d}-{violation.clip_id}.jpg"
        drawn = frame is not None and _draw(
            frame,
            boxes[violation.clip_id, violation.label],
            set(violation.boxes),
            folder / picture,
        )
        if not drawn:
            without.append(violation.clip_id)
        rows.append({"violation": violation, "picture": picture if drawn else None})
    write_text_atomic(folder / PAGE, _html(rows, counts(violations)))
    return sorted(set(without))


def _draw(frame: Path, boxes: Mapping[int, Box], about: set[int], target: Path) -> bool:
    """Draw the boxes on a small copy of the frame; False where there is no picture in the file."""
    data = np.fromfile(frame, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        return False
    height = max(round(image.shape[0] * WIDTH / image.shape[1]), 1)
    image = cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
    for index, box in sorted(boxes.items(), key=lambda item: item[0] in about):
        corner = (round(box.xmin * WIDTH), round(box.ymin * height))
        opposite = (round(box.xmax * WIDTH) - 1, round(box.ymax * height) - 1)
        cv2.rectangle(image, corner, opposite, _ABOUT if index in about else _OTHER, 2)
        place = (corner[0] + 4, corner[1] + 18)
        cv2.putText(image, str(index), place, cv2.FONT_HERSHEY_SIMPLEX, 0.55, (255, 255, 255), 2)
    _, jpeg = cv2.imencode(".jpg", image)
    with atomic_path(target) as part:
        part.write_bytes(jpeg.tobytes())
    return True


def _html(rows: list[dict[str, Any]], number: dict[str, int]) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("vggss_tools.annotate.audit", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(rows=rows, counts=number)
