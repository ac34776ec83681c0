"""The review page: the questions of the paper's step 3 in one folder, for any browser.

``index.html`` holds everything but the media, which lie beside it: of each clip the five seconds
round the frame, with sound, and the frame. The page asks nobody for anything
(``Content-Security-Policy``) and works from a disk as from a server. What a person answers stays
in the browser until it is downloaded::

    {"schema": "vggss-answers/1", "page", "name", "reviewer", "saved": UTC ISO 8601,
     "answers": [{"clip_id", "class", "decision": "yes|no|not_sure"|null,
                  "boxes": [{"bbox": [xmin, ymin, xmax, ymax], "sounding": true}],
                  "time": UTC ISO 8601, "base": event_id|""}]}

Only clips that somebody acted on stand in it; ``decision`` is null where boxes were switched and
nothing was answered.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from vggss_tools.annotate.events import EventBox
from vggss_tools.annotate.formats.exchange import Answer, Item, Media, Refused
from vggss_tools.annotate.formats.field_checks import (
    MAX_BOXES,
    base_of,
    decision_of,
    fraction_box,
    known_clip,
    read_json,
    same_class,
    sounding_of,
    text_of,
    time_of,
)
from vggss_tools.annotate.formats.json_project import member, once_a_clip, project_name
from vggss_tools.annotate.formats.segment_span import frame_moment, segment_span
from vggss_tools.annotate.json_values import shown
from vggss_tools.atomic import write_text_atomic
from vggss_tools.errors import ClipFailure, InvalidInput
from vggss_tools.progress import progress_bar

SCHEMA = "vggss-answers/1"
PAGE = "index.html"
MEDIA_FOLDER = "media"
# Enough to see what sounds; a page of 1,000 clips stays below half a gigabyte.
SEGMENT_HEIGHT = 480

_TEMPLATE, _STYLE, _SCRIPT = (
    "review_page.html.j2",
    "review_page.css.j2",
    "review_page.js.j2",
)


class ReviewPage:
    """A folder with one page of questions; its downloaded answers come back."""

    name = "review-page"
    suffix = ""
    needs: tuple[str, ...] = ("frame", "clip")
    cannot_hold: tuple[str, ...] = (
        "changes of a box's place or size: the page switches boxes and does not move them",
        "'unseen' as an answer: a clip without an answer is left out",
    )
    # Boxes come back as they went out.
    precision = 0.01

    def write(self, items: Sequence[Item], path: Path, media: Media) -> None:
        """Write the folder, which holds its own media whatever ``media`` says.

        Raises
        ------
        InvalidInput
            Where a clip cannot be cut, naming it.
        """
        folder = path / MEDIA_FOLDER
        folder.mkdir(parents=True)
        _write_media(items, folder)
        write_text_atomic(path / PAGE, render(items, project_name(path, suffix="")))

    def read(self, path: Path, known: Mapping[str, Item]) -> list[Answer]:
        """Read a downloaded file of answers, or all such files in a folder."""
        if not path.is_dir():
            return _read_answers(path, "", known)
        files = sorted(path.glob("*.json"))
        if not files:
            raise Refused(
                path.name,
                "no answers in this folder; give the file that `Download answers` saved",
            )
        return [a for file in files for a in _read_answers(file, f"{file.name}: ", known)]


def render(items: Sequence[Item], name: str) -> str:
    """Return the page as HTML.

    Equal clips under an equal name give equal bytes; the page is known by them in a browser's
    local storage, so that another export begins anew.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vggss_tools.annotate", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    clips = [_clip(item) for item in items]
    words = json.dumps([name, clips], ensure_ascii=True, allow_nan=False)
    page = hashlib.sha256(words.encode("ascii")).hexdigest()[:16]
    data = {"schema": "vggss-review/1", "page": page, "name": name, "clips": clips}
    style = environment.get_template(_STYLE).render()
    script = environment.get_template(_SCRIPT).render()
    html = environment.get_template(_TEMPLATE).render(
        name=name,
        n_clips=len(clips),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=_inline_json(data),
    )
    return html if html.endswith("\n") else html + "\n"


def _clip(item: Item) -> dict[str, Any]:
    start, end = segment_span(item)
    return {
        "clip_id": item.clip_id,
        "class": item.label,
        "base": item.event_id or "",
        "video": f"{MEDIA_FOLDER}/{item.clip_id}.mp4",
        "frame": f"{MEDIA_FOLDER}/{item.clip_id}.jpg",
        "width": item.width,
        "height": item.height,
        "moment": round(frame_moment(item) - start, 3),
        "seconds": round(end - start, 3),
        "boxes": [{"bbox": box.box.as_list(), "sounding": box.sounding} for box in item.boxes],
    }


def _inline_json(value: Any) -> str:
    """Return JSON that no HTML parser takes for markup, whatever a label says."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _write_media(items: Sequence[Item], folder: Path) -> None:
    """Cut the segments and copy the frames, a core each; the first failure ends it."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        done = [pool.submit(_write_clip, item, folder) for item in items]
        try:
            with progress_bar(label="segments", total=len(items)) as bar:
                for future in done:
                    future.result()
                    bar.update()
        except BaseException:  # Ctrl-C too: what has not begun is not begun any more
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _write_clip(item: Item, folder: Path) -> None:
    from vggss_tools.media.segment import cut_segment

    if item.clip is None or item.frame is None:
        raise InvalidInput(f"{item.clip_id}: has no clip or no frame; fetch and extract it first")
    start, end = segment_span(item)
    target = folder / f"{item.clip_id}.mp4"
    try:
        cut_segment(item.clip, target, start, end - start, height=SEGMENT_HEIGHT)
    except ClipFailure as failure:
        raise InvalidInput(
            f"{item.clip_id}: no segment can be cut ({failure.message}); "
            "fetch the clip again, or leave it out"
        ) from None
    shutil.copyfile(item.frame, target.with_suffix(".jpg"))


def _read_answers(path: Path, prefix: str, known: Mapping[str, Item]) -> list[Answer]:
    value = read_json(path)
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        said = shown(value.get("schema") if isinstance(value, dict) else value)
        raise Refused(path.name, f"schema is {said}, not {SCHEMA!r}")
    reviewer = text_of(value.get("reviewer"), "reviewer", path.name)
    answers = member(value, "answers", list, path.name)
    return once_a_clip(
        _answer(answer, f"{prefix}answers[{index}]", reviewer, known)
        for index, answer in enumerate(answers)
    )


def _answer(value: Any, where: str, reviewer: str | None, known: Mapping[str, Item]) -> Answer:
    if not isinstance(value, dict):
        raise Refused(where, f"is {shown(value)}, not an object")
    item = known_clip(value.get("clip_id"), known, where)
    boxes = value.get("boxes")
    if not isinstance(boxes, list) or len(boxes) > MAX_BOXES:
        raise Refused(where, f"boxes is {shown(boxes)}, not a list of boxes", item.clip_id)
    return Answer(
        where,
        item.clip_id,
        same_class(value.get("class"), item, where),
        decision_of(value.get("decision"), where, item.clip_id),
        tuple(_box(box, f"{where}, box {number}", item) for number, box in enumerate(boxes, 1)),
        reviewer=reviewer,
        time=time_of(value.get("time"), where, item.clip_id),
        base=base_of(value.get("base"), where, item.clip_id) if "base" in value else None,
    )


def _box(value: Any, where: str, item: Item) -> EventBox:
    if not isinstance(value, dict):
        raise Refused(where, f"is {shown(value)}, not an object", item.clip_id)
    return EventBox(
        fraction_box(value.get("bbox"), item, where),
        sounding_of(value.get("sounding"), where, item.clip_id),
    )


FORMAT = ReviewPage()
