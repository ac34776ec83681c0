"""A whole sample world: a data directory made complete, and what is known about its clips."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from vggss_tools.annotate.events import (
    STAND_IN_REVIEWER,
    AnnotationStage,
    Decision,
    Event,
    EventBox,
)
from vggss_tools.annotate.log import append_events, read_events
from vggss_tools.atomic import atomic_path, write_json_atomic
from vggss_tools.boxes import Box
from vggss_tools.clips import Clip, read_clips, write_clips
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.progress import track
from vggss_tools.sample.stage import SampleStage
from vggss_tools.sample.world import BENCHMARK_FRAME, CLASSES, WORLD_VERSION, clip_of
from vggss_tools.stages import StageSummary, run_stage
from vggss_tools.workspace import Workspace

WORLD_SCHEMA = "vggss-sample-world/1"
WORLD_FILE = "sample.json"

# Who stands in for the people, and when: events of equal worlds are equal.
TOOL = "vggss sample"
TIME = datetime(2000, 1, 1, tzinfo=UTC)
EVENTS = uuid5(NAMESPACE_URL, "vggss-tools/sample-world")  # name space of the events' ids


@dataclass(frozen=True, slots=True)
class World:
    """What a sample data directory holds."""

    seed: int
    train: int
    test: int

    def clips(self) -> list[Clip]:
        """Its clips, train before test."""
        counts = {"train": self.train, "test": self.test}
        return [
            clip_of(self.seed, split, index)
            for split, count in counts.items()
            for index in range(count)
        ]


def build_world(workspace: Workspace, wanted: World, *, workers: int | None) -> StageSummary:
    """Make a data directory complete: clips, boxes, clip table and annotation events.

    A world that is there already is continued: what is done is kept, and clips that were asked
    for earlier stay, so a world only grows.

    Raises
    ------
    VggssError
        If the directory holds anything else, such as a world of another seed.
    """
    world = _claim(workspace, wanted)
    clips = world.clips()
    summary = run_stage(SampleStage(workspace), clips, workspace, workers=workers)
    if summary.failures or not (summary.done or not _is_written(workspace, clips)):
        return summary
    truths = [
        _read_truth(workspace.truth_path(clip.clip_id)) for clip in track(clips, "sample: tables")
    ]
    _write_truth_table(workspace, truths)
    _write_events(workspace, clips, truths)
    write_clips(workspace.clips_table, clips)  # last: what it lists is complete
    return summary


def _claim(workspace: Workspace, wanted: World) -> World:
    """Make sure that the directory is this world's, and return the world that it is to become."""
    root, marker = workspace.root, workspace.root / WORLD_FILE
    if marker.is_file():
        present = _read_marker(marker)
        if (present["seed"], present["version"]) != (wanted.seed, WORLD_VERSION):
            raise VggssError(
                f"{root}: holds another sample world (seed {present['seed']}, "
                f"version {present['version']}); choose another directory, or --seed "
                f"{present['seed']} to continue it"
            )
        world = World(
            wanted.seed, max(wanted.train, present["train"]), max(wanted.test, present["test"])
        )
    else:
        if root.is_dir() and any(root.iterdir()):
            held = (
                "data of its own"
                if workspace.clips_table.exists() or workspace.ledger_path.exists()
                else "other files"
            )
            raise VggssError(
                f"{root}: holds {held} and is no sample world; choose an empty or a new directory"
            )
        world = wanted
    Workspace.create(root)
    value = {
        "schema": WORLD_SCHEMA,
        "version": WORLD_VERSION,
        "seed": world.seed,
        "train": world.train,
        "test": world.test,
        "classes": [kind.sound_class for kind in CLASSES],
    }
    if not marker.is_file() or _read_marker(marker) != value:
        write_json_atomic(marker, value)
    return world


def _read_marker(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["schema"] != WORLD_SCHEMA:
            raise ValueError(value["schema"])
        if any(not isinstance(value[key], int) for key in ("version", "seed", "train", "test")):
            raise ValueError("counts are whole numbers")
    except (ValueError, KeyError, TypeError):
        raise InvalidInput(
            f"{path}: not the marker of a sample world; choose another directory"
        ) from None
    return dict(value)


def _is_written(workspace: Workspace, clips: list[Clip]) -> bool:
    """Whether the tables are there and list these clips."""
    tables = (workspace.clips_table, workspace.truth_table, workspace.annotations_log)
    return all(path.is_file() for path in tables) and read_clips(workspace.clips_table) == clips


def _read_truth(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(
            f"{path}: not JSON ({error}); delete it and run the same command again"
        ) from None
    return value


def _write_truth_table(workspace: Workspace, truths: Sequence[dict[str, Any]]) -> None:
    """Write truth.parquet: a row for each object in each frame that shows it."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            ("clip_id", pa.dictionary(pa.int32(), pa.string())),
            ("frame", pa.int32()),
            ("object", pa.int32()),
            ("label", pa.dictionary(pa.int32(), pa.string())),
            ("sounding", pa.bool_()),
            *((edge, pa.float32()) for edge in ("xmin", "ymin", "xmax", "ymax")),
        ]
    )
    clip_ids = [truth["clip_id"] for truth in truths]
    labels = sorted({item["label"] for truth in truths for item in truth["objects"]})
    columns: list[list[Any]] = [[] for _ in schema]
    for number, truth in enumerate(truths):
        for item in truth["objects"]:
            frames = [k for k, box in enumerate(item["boxes"]) if box is not None]
            edges = np.array([item["boxes"][k] for k in frames], np.float32).reshape(-1, 4)
            n = len(frames)
            values = (
                np.full(n, number, np.int32),
                np.array(frames, np.int32),
                np.full(n, item["object"], np.int32),
                np.full(n, labels.index(item["label"]), np.int32),
                np.full(n, item["sounding"], np.bool_),
                *edges.T,
            )
            for column, value in zip(columns, values, strict=True):
                column.append(value)
    arrays = [np.concatenate(column) for column in columns]
    order = np.lexsort((arrays[2], arrays[1], arrays[0]))
    named = {0: clip_ids, 3: labels}
    table = pa.table(
        [
            pa.DictionaryArray.from_arrays(pa.array(array[order], pa.int32()), named[k])
            if k in named
            else pa.array(array[order], schema.field(k).type)
            for k, array in enumerate(arrays)
        ],
        schema=schema,
    )
    with atomic_path(workspace.truth_table) as part:
        pq.write_table(table, part)


def _write_events(
    workspace: Workspace, clips: Sequence[Clip], truths: Sequence[dict[str, Any]]
) -> None:
    """Append what people would have said; what is in the log already is let be."""
    known = {event.event_id for event in read_events(workspace.annotations_log)}
    events = (
        event for clip, truth in zip(clips, truths, strict=True) for event in _events(clip, truth)
    )
    append_events(workspace.annotations_log, [e for e in events if e.event_id not in known])


def _events(clip: Clip, truth: dict[str, Any]) -> Iterator[Event]:
    """Yes for the class that sounds, no for each class that is seen and silent."""
    seen: dict[str, list[EventBox]] = {}
    for item in truth["objects"]:
        box = item["boxes"][BENCHMARK_FRAME]
        if box is not None:
            shown = EventBox(Box.from_sequence(box), sounding=bool(item["sounding"]))
            seen.setdefault(item["label"], []).append(shown)
    for label in sorted(seen, key=lambda label: (label != clip.label, label)):
        decision = Decision.YES if label == clip.label else Decision.NO
        yield Event(
            event_id=str(event_id(clip.clip_id, label)),
            clip_id=clip.clip_id,
            label=label,
            time=TIME,
            stage=AnnotationStage.VERIFY,
            reviewer=STAND_IN_REVIEWER,
            tool=TOOL,
            decision=decision,
            boxes=tuple(seen[label]),
        )


def event_id(clip_id: str, label: str) -> UUID:
    """Id of the event on a clip and class: the same whenever it is made."""
    return uuid5(EVENTS, f"{WORLD_VERSION}/{clip_id}/{label}")
