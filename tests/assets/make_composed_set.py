"""Real pictures with real sounds and exact boxes: cut-outs over photographs.

::

    apt-get install librsvg2-bin
    python tests/assets/make_composed_set.py FOLDER --sizes vggss
    python tests/assets/make_composed_set.py FOLDER --sizes equal

makes ``FOLDER/vggss`` or ``FOLDER/equal``, a data directory with frames, sounds and annotations
of ``train`` and ``test`` clips. In each frame one object sounds; one or two others, of other
classes, are seen and silent. ``FOLDER`` lies outside of the repository, and nothing of it is ever
committed: the media are of the packages that ``composed_media`` names.

``vggss``: the sounding object is as large as VGG-SS' boxes are, the silent ones smaller.
``equal``: all objects of a frame follow one law, so that size says nothing.

What differs between the splits: backgrounds, scales, crops, and of each sound its place, pitch,
loudness and noise. Of recordings of two seconds and more, training hears the first 60% and the test
the rest; shorter ones are shared. There are one to three pictures a class, the same in both splits:
this measures association and localisation, not generalisation to new instances.
"""
# mypy: disable-error-code="import-not-found, import-untyped, unused-ignore"

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import cv2
import numpy as np
from composed_media import RATE, Source, backgrounds, sources, unpacked
from numpy.typing import NDArray

from vggss_tools.annotate.events import AnnotationStage, Decision, Event, EventBox
from vggss_tools.annotate.log import append_events
from vggss_tools.boxes import Box, intersection
from vggss_tools.clips import Clip, write_clips
from vggss_tools.media.audio import write_wav
from vggss_tools.progress import track
from vggss_tools.workspace import Workspace

WIDTH, HEIGHT = 320, 240
SECONDS = 3.0
SHARED_BELOW = 2.0  # seconds of a recording: shorter ones are heard in both splits
TRAIN_SHARE = 0.6  # of longer ones
TEST_BACKGROUNDS = 0.25

# Share of the frame that an object's box covers, lognormal, cut at both ends. The boxes of VGG-SS
# have a median of 25% and a mean of 31% a clip.
LAWS = {
    "vggss": {"sounding": (0.24, 0.65), "silent": (0.08, 0.5)},
    "equal": {"sounding": (0.13, 0.5), "silent": (0.13, 0.5)},
}
SMALLEST, LARGEST = 0.03, 0.7
SIDE = 0.95  # of the frame, at most
MEETING = 0.15  # of the smaller of two boxes may be shared
TRIES = 60

Image = NDArray[np.uint8]
Sound = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Placed:
    """An object in its frame; ``xmin, ymin, width, height`` in pixels."""

    source: Source
    picture: Image
    xmin: int
    ymin: int
    sounding: bool

    @property
    def box(self) -> Box:
        """Where it is, in fractions of the frame."""
        height, width = self.picture.shape[:2]
        return Box.from_pixels(
            self.xmin, self.ymin, self.xmin + width, self.ymin + height, WIDTH, HEIGHT
        )


def main() -> None:
    """Make one variant."""
    parser = argparse.ArgumentParser(description="Make FOLDER/vggss or FOLDER/equal.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", choices=sorted(LAWS), default="vggss")
    parser.add_argument("--train", type=int, default=4000)
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    downloads = unpacked(options.folder / "downloads")
    things, places = sources(downloads), backgrounds(downloads)
    n_test = round(TEST_BACKGROUNDS * len(places))
    workspace = Workspace.create(options.folder / options.sizes)
    workspace.frame_path("x").parent.mkdir(exist_ok=True)
    workspace.audio_path("x").parent.mkdir(exist_ok=True)
    clips: list[Clip] = []
    events: list[Event] = []
    for number, (split, count, scenery) in enumerate(
        [("train", options.train, places[n_test:]), ("test", options.test, places[:n_test])]
    ):
        for index in track(range(count), split, total=count):
            random = np.random.default_rng([options.seed, number, index])
            clip_id = f"composed-{options.sizes}-{split}-{index:05d}_000000"
            objects = placed(choose(things, index, random), options.sizes, random)
            frame = compose(scenery[int(random.integers(len(scenery)))], objects, random)
            sounding = objects[0].source
            cv2.imwrite(str(workspace.frame_path(clip_id)), frame[..., ::-1])
            write_wav(workspace.audio_path(clip_id), heard(sounding.sound, split, random), RATE)
            clips.append(Clip(clip_id, sounding.label, split))
            events += annotated(clip_id, objects)
    write_clips(workspace.clips_table, clips)
    workspace.annotations_log.unlink(missing_ok=True)
    append_events(workspace.annotations_log, events)
    n_classes = len({thing.label for thing in things})
    sys.stdout.write(
        f"{workspace.root}: {len(clips)} clips of {n_classes} classes, {len(things)} cut-outs, "
        f"{len(places) - n_test} and {n_test} backgrounds\n"
    )


def choose(things: Sequence[Source], index: int, random: np.random.Generator) -> list[Source]:
    """Return what sounds, in turn over the classes, and one or two of other classes."""
    by_label: dict[str, list[Source]] = defaultdict(list)
    for thing in things:
        by_label[thing.label].append(thing)
    labels = sorted(by_label)
    label = labels[index % len(labels)]
    others = [other for other in labels if other != label]
    silent = random.choice(len(others), size=int(random.integers(1, 3)), replace=False)
    chosen = [label, *(others[i] for i in silent)]
    return [by_label[one][int(random.integers(len(by_label[one])))] for one in chosen]


def placed(chosen: Sequence[Source], sizes: str, random: np.random.Generator) -> list[Placed]:
    """Scale, mirror and place the objects so that no two boxes cover each other."""
    for _ in range(TRIES):
        objects: list[Placed] = []
        for source in chosen:
            law = LAWS[sizes]["silent" if objects else "sounding"]
            found = _place(source, law, objects, random)
            if found is None:
                break
            objects.append(found)
        if len(objects) == len(chosen):
            return objects
    return placed(chosen[:-1], sizes, random)


def _place(
    source: Source, law: tuple[float, float], there: list[Placed], random: np.random.Generator
) -> Placed | None:
    median, spread = law
    for _ in range(TRIES):
        share = float(np.clip(median * np.exp(spread * random.normal()), SMALLEST, LARGEST))
        height, width = source.picture.shape[:2]
        scale = np.sqrt(share * WIDTH * HEIGHT / (width * height))
        scale = min(scale, SIDE * WIDTH / width, SIDE * HEIGHT / height)
        size = (max(round(width * scale), 8), max(round(height * scale), 8))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        picture = cv2.resize(source.picture, size, interpolation=way)
        if random.random() < 0.5:
            picture = picture[:, ::-1]
        found = Placed(
            source,
            np.ascontiguousarray(picture),
            int(random.integers(WIDTH - size[0] + 1)),
            int(random.integers(HEIGHT - size[1] + 1)),
            not there,
        )
        box = found.box
        if all(
            intersection(box, other.box) <= MEETING * min(box.area, other.box.area)
            for other in there
        ):
            return found
    return None


def compose(background: Image, objects: Sequence[Placed], random: np.random.Generator) -> Image:
    """Cut a part of the background and lay the objects on it, in any order."""
    height, width = background.shape[:2]
    zoom = random.uniform(0.6, 1.0)
    cut = (round(width * zoom), round(height * zoom))
    x, y = (
        int(random.integers(full - part + 1))
        for full, part in zip((width, height), cut, strict=True)
    )
    frame = cv2.resize(
        background[y : y + cut[1], x : x + cut[0]], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA
    ).astype(np.float32)
    if random.random() < 0.5:
        frame = frame[:, ::-1]
    frame = np.ascontiguousarray(frame) * random.uniform(0.8, 1.15)
    for i in random.permutation(len(objects)):
        one = objects[i]
        high, wide = one.picture.shape[:2]
        alpha = one.picture[..., 3:].astype(np.float32) / 255
        part = frame[one.ymin : one.ymin + high, one.xmin : one.xmin + wide]
        light = random.uniform(0.85, 1.1)
        part[:] = alpha * one.picture[..., :3] * light + (1 - alpha) * part
    return frame.clip(0, 255).astype(np.uint8)


def heard(recording: Sound, split: str, random: np.random.Generator) -> Sound:
    """Return three seconds of a recording: its part of the split, at another pitch, with noise."""
    if len(recording) >= SHARED_BELOW * RATE:
        cut = round(TRAIN_SHARE * len(recording))
        recording = recording[:cut] if split == "train" else recording[cut:]
    pitch = np.exp(random.uniform(-0.1, 0.1))
    times = np.arange(0, len(recording) - 1, pitch)
    part = np.interp(times, np.arange(len(recording)), recording).astype(np.float32)
    length = round(SECONDS * RATE)
    pause = np.zeros(int(random.uniform(0.05, 0.4) * RATE), np.float32)
    loop = np.concatenate([part, pause])
    start = int(random.integers(len(loop)))
    sound = np.resize(np.roll(loop, -start), length)
    peak = max(float(np.abs(sound).max()), 1e-3)
    sound = sound / peak * np.exp(random.uniform(np.log(0.15), np.log(0.9)))
    noise = random.normal(size=length) * np.exp(random.uniform(np.log(1e-4), np.log(1e-2)))
    mixed: Sound = np.clip(sound + noise, -1, 1).astype(np.float32)
    return mixed


def annotated(clip_id: str, objects: Sequence[Placed]) -> list[Event]:
    """Return what stands in the log: a yes for what sounds, a no for each that is only seen."""
    sounding, *silent = objects
    return [
        _event(clip_id, sounding.source.label, Decision.YES, EventBox(sounding.box)),
        *(
            _event(clip_id, one.source.label, Decision.NO, EventBox(one.box, sounding=False))
            for one in silent
        ),
    ]


def _event(clip_id: str, label: str, decision: Decision, box: EventBox) -> Event:
    return Event(
        event_id=str(uuid5(NAMESPACE_URL, f"{clip_id}/{label}")),
        clip_id=clip_id,
        label=label,
        time=datetime(2026, 1, 1, tzinfo=UTC),
        stage=AnnotationStage.AUTO,
        reviewer="composed",
        tool="make_composed_set",
        decision=decision,
        boxes=(box,),
    )


if __name__ == "__main__":
    main()
