"""Stage ``sample``: renders a clip and writes its exact boxes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from vggss_tools.clips import Clip
from vggss_tools.sample.world import (
    FPS,
    HEIGHT,
    N_FRAMES,
    SAMPLE_RATE,
    WIDTH,
    WORLD_VERSION,
    Scene,
    TruthBox,
    make_scene,
)
from vggss_tools.stages import Parts, Stage
from vggss_tools.workspace import Workspace

TRUTH_SCHEMA = "vggss-truth/1"
DIGITS = 6  # of a fraction: a thousandth of a pixel

_SAMPLE_ID = re.compile(r"sample(\d+)-(train|test)-(\d{5,})_000000")


def parse_sample_id(clip_id: str) -> tuple[int, str, int]:
    """Return the seed, split and index that a sample clip's id is made of.

    Raises
    ------
    ValueError
        If it is the id of another clip.
    """
    match = _SAMPLE_ID.fullmatch(clip_id)
    if match is None:
        raise ValueError(f"{clip_id!r} is not the id of a sample clip")
    return int(match[1]), match[2], int(match[3])


@dataclass(frozen=True)
class SampleStage(Stage):
    """Renders ``clips/<id>.mp4`` and ``truth/<id>.json``."""

    workspace: Workspace

    name: ClassVar[str] = "sample"

    def settings(self) -> dict[str, Any]:
        """Everything else about a clip follows from its id."""
        return {"world": WORLD_VERSION, "width": WIDTH, "height": HEIGHT, "fps": FPS}

    def versions(self) -> dict[str, str]:
        """Versions of what draws, and of what encodes."""
        import cv2
        import numpy as np

        from vggss_tools.media.encode import ffmpeg_version

        return {
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "ffmpeg": ffmpeg_version(),
        }

    def outputs(self, clip: Clip) -> list[Path]:
        """The video and the exact boxes."""
        return [self.workspace.clip_path(clip.clip_id), self.workspace.truth_path(clip.clip_id)]

    def setup(self) -> None:
        """One thread a process: the work is spread over clips."""
        import cv2

        cv2.setNumThreads(1)

    def process(self, clip: Clip, parts: Parts) -> None:
        """Render one clip: every frame is drawn once, for the encoder and for its boxes."""
        from vggss_tools.media.encode import write_clip

        scene = make_scene(*parse_sample_id(clip.clip_id))
        video, truth = self.outputs(clip)
        boxes: list[list[TruthBox]] = []
        write_clip(
            parts[video],
            _frames(scene, boxes),
            scene.sound(),
            width=WIDTH,
            height=HEIGHT,
            fps=FPS,
            sample_rate=SAMPLE_RATE,
            pixel_format="yuv420p",
        )
        parts[truth].write_text(_truth_text(scene, boxes), encoding="utf-8")


def _frames(scene: Scene, boxes: list[list[TruthBox]]) -> Iterator[Any]:
    for frame, seen in scene.film():
        boxes.append(seen)
        yield frame


def _truth_text(scene: Scene, boxes: Sequence[Sequence[TruthBox]]) -> str:
    """One clip's boxes: a list of objects, each with a box (or null) for every frame."""
    tracks: dict[int, list[list[float] | None]] = {}
    for thing in scene.things:
        tracks[thing.index] = [None] * N_FRAMES
    for frame, seen in enumerate(boxes):
        for truth in seen:
            tracks[truth.object][frame] = [round(value, DIGITS) for value in truth.box.as_list()]
    objects = [
        {
            "object": thing.index,
            "label": thing.kind.sound_class,
            "object_class": thing.kind.object_class,
            "sounding": thing.sounding,
            "boxes": tracks[thing.index],
        }
        for thing in sorted(scene.things, key=lambda thing: thing.index)
    ]
    value = {"schema": TRUTH_SCHEMA, "clip_id": scene.clip.clip_id, "objects": objects}
    return json.dumps(value, separators=(",", ":")) + "\n"
