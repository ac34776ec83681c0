"""Items as Hypothesis makes them, data directories of few clips, and projects of either."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from hypothesis import strategies as st

from vggss_tools.annotate.events import Decision, Event, EventBox
from vggss_tools.annotate.exporting import export
from vggss_tools.annotate.formats.exchange import Item
from vggss_tools.annotate.formats.registry import FORMATS, REGISTERED
from vggss_tools.annotate.log import append_events
from vggss_tools.annotate.media_references import UrlMedia, media_of
from vggss_tools.boxes import Box
from vggss_tools.clips import Clip, write_clips
from vggss_tools.workspace import Workspace

NAMES = list(REGISTERED)
LABELS = (
    "dog barking",
    "playing violin, fiddle",
    "eletric blender running",
    '<img src=x onerror="alert(1)">&amp;',
    "=1+1;\\t 'ein Glöckchen' 鐘",
)
DECISIONS = (Decision.YES, Decision.NO, Decision.NOT_SURE, Decision.UNSEEN)
REVIEW_PAGE = "review-page"


@st.composite
def event_boxes(draw: st.DrawFn, width: int, height: int) -> EventBox:
    """Boxes of two pixels at least, anywhere in the frame."""
    x, y, w, h = draw(st.tuples(*[st.floats(0, 1)] * 4))
    least_w, least_h = 2 / width, 2 / height
    xmin, ymin = x * (1 - least_w), y * (1 - least_h)
    xmax = min(xmin + least_w + w * (1 - least_w - xmin), 1.0)
    ymax = min(ymin + least_h + h * (1 - least_h - ymin), 1.0)
    return EventBox(Box(xmin, ymin, xmax, ymax), draw(st.booleans()))


@st.composite
def item_lists(draw: st.DrawFn, files: Path) -> list[Item]:
    """One to three clips with frames of any size; ``files`` is a folder with one of each kind."""
    items = []
    for index in range(draw(st.integers(1, 3))):
        clip_id = draw(st.sampled_from(["zpWuikVorYg", "-2-wdcN5v_w", "a"])) + f"_{index:06d}"
        width, height = draw(st.tuples(st.integers(16, 1999), st.integers(16, 1999)))
        items.append(
            Item(
                clip_id=clip_id,
                label=draw(st.sampled_from(LABELS)),
                split=draw(st.sampled_from(["train", "test"])),
                decision=draw(st.sampled_from(DECISIONS)),
                boxes=tuple(draw(st.lists(event_boxes(width, height), max_size=3))),
                reviewer=draw(st.sampled_from([None, "ada", "Ünal <b>"])),
                event_id=draw(st.sampled_from([None, "7c0b0e7e-0000-4000-8000-000000000001"])),
                width=width,
                height=height,
                frame=files / "frames" / f"{clip_id}.jpg",
                clip=files / "clips" / f"{clip_id}.mp4",
                audio=files / "audio" / f"{clip_id}.wav",
            )
        )
    return items


def make_files(folder: Path) -> Path:
    """Write the few files that :func:`item_lists` names, with next to nothing in them."""
    for kind, suffix in (("frames", "jpg"), ("clips", "mp4"), ("audio", "wav")):
        (folder / kind).mkdir(parents=True)
        for video in ("zpWuikVorYg", "-2-wdcN5v_w", "a"):
            for index in range(3):
                (folder / kind / f"{video}_{index:06d}.{suffix}").write_bytes(b"nothing")
    return folder


def write_project(name: str, items: Sequence[Item], folder: Path) -> Path:
    """Write what ``vggss import`` reads: the project, or what a review page would download."""
    format_ = FORMATS[name]
    path = folder / f"{name}{format_.suffix}"
    if name == REVIEW_PAGE:
        path = folder / "answers.json"
        path.write_text(json.dumps(downloaded(items)), encoding="utf-8")
        return path
    media = media_of("relative") if name == "fiftyone" else UrlMedia("http://127.0.0.1/")
    format_.write(items, path, media)
    return path


def downloaded(items: Sequence[Item]) -> dict[str, object]:
    """Return the answers of a person who left every clip as it stood."""
    return {
        "schema": "vggss-answers/1",
        "page": "0" * 16,
        "name": "page",
        "reviewer": "ada",
        "saved": "2026-03-01T12:00:00Z",
        "answers": [
            {
                "clip_id": item.clip_id,
                "class": item.label,
                "decision": None if item.decision is Decision.UNSEEN else str(item.decision),
                "boxes": [
                    {"bbox": one.box.as_list(), "sounding": one.sounding} for one in item.boxes
                ],
                "time": "2026-03-01T12:00:00Z",
                "base": item.event_id or "",
            }
            for item in items
        ],
    }


@dataclass(frozen=True)
class SmallWorld:
    """A data directory and its clips."""

    workspace: Workspace
    clips: list[Clip]

    def log(self) -> bytes:
        """Return the log's bytes."""
        path = self.workspace.annotations_log
        return path.read_bytes() if path.is_file() else b""

    def export(self, name: str, folder: Path, media: str = "relative") -> Path:
        """Export all clips; of a review page, the answers that it would download."""
        from vggss_tools.annotate.items import WorkspaceItems

        items = list(WorkspaceItems(self.workspace).values())
        if name == REVIEW_PAGE:
            return write_project(name, items, folder)
        path = folder / f"{name}{FORMATS[name].suffix}"
        export(items, FORMATS[name], path, media_of(media))
        return path


def make_small_world(
    root: Path, n_clips: int = 4, *, sizes: Sequence[tuple[int, int]] = ((64, 48),)
) -> SmallWorld:
    """Make a data directory: frames, and clips and sounds in name only, each clip decided: yes.

    ``sizes`` are widths and heights of the frames, taken in turns.
    """
    workspace = Workspace.create(root)
    clips = [
        Clip(f"{'-' if i % 2 else 'v'}ideo{i:06d}_{10 * i:06d}", LABELS[i % 3], "test")
        for i in range(n_clips)
    ]
    write_clips(workspace.clips_table, clips)
    for folder in ("frames", "clips", "audio"):
        (root / folder).mkdir()
    events = []
    for i, clip in enumerate(clips):
        width, height = sizes[i % len(sizes)]
        picture = np.full((height, width, 3), 40 * i, np.uint8)
        workspace.frame_path(clip.clip_id).write_bytes(cv2.imencode(".jpg", picture)[1].tobytes())
        workspace.clip_path(clip.clip_id).write_bytes(b"no video")
        workspace.audio_path(clip.clip_id).write_bytes(b"no sound")
        boxes = (
            EventBox(Box(0.125, 0.25, 0.5, 0.75)),
            EventBox(Box(0.1 + i / 100, 0.3, 0.9, 0.95), sounding=i % 2 == 0),
        )
        events.append(decided(clip, "yes", boxes, number=i))
    append_events(workspace.annotations_log, events)
    return SmallWorld(workspace, clips)


def decided(
    clip: Clip,
    decision: str,
    boxes: Sequence[EventBox],
    *,
    number: int = 0,
    reviewer: str = "zoe",
    minute: int = 0,
) -> Event:
    """Return an event with an id and a time that follow from ``number`` and ``minute``."""
    from datetime import UTC, datetime

    return Event(
        f"00000000-0000-4000-8000-{minute:06d}{number:06d}",
        clip.clip_id,
        clip.label,
        datetime(2026, 1, 1, 12, minute, tzinfo=UTC),
        "verify",  # type: ignore[arg-type]
        reviewer,
        "test",
        decision,  # type: ignore[arg-type]
        tuple(boxes),
    )
