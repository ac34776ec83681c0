"""A tiny extracted data directory, made in a moment: coloured squares with tones of their own."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from vggss_tools.clips import Clip, write_clips
from vggss_tools.media.audio import write_wav
from vggss_tools.workspace import Workspace

LABELS = ("church bell ringing", "dog barking", "helicopter")
SIDE = 96  # of the pictures, in pixels


def make_clip_folder(root: Path, train: int = 8, test: int = 3, seed: int = 0) -> Workspace:
    """Make a data directory with frames and sounds, and a release that says what is silent.

    Each picture has the square of its own class on the left and that of the next class, which is
    silent, on the right.
    """
    workspace = Workspace.create(root)
    random = np.random.default_rng(seed)
    clips = []
    for split, count in (("train", train), ("test", test)):
        for index in range(count):
            clip = Clip(f"tiny{seed}-{split}-{index:03d}_000000", LABELS[index % 3], split)
            add_clip(workspace, clip, random)
            clips.append(clip)
    write_clips(workspace.clips_table, clips)
    release = workspace.release_dir("tiny")
    release.mkdir(parents=True)
    tested = [clip for clip in clips if clip.split == "test"]
    (release / "vggss.json").write_text(
        json.dumps([entry(clip.clip_id, clip.label, [0.1, 0.2, 0.5, 0.8]) for clip in tested])
    )
    (release / "silent.json").write_text(
        json.dumps([entry(c.clip_id, following(c.label), [0.6, 0.2, 0.9, 0.8]) for c in tested])
    )
    return workspace


def add_clip(workspace: Workspace, clip: Clip, random: np.random.Generator) -> None:
    """Write the frame and the sound of one clip."""
    frame = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    frame[20:76, 10:48] = colour(clip.label)
    frame[20:76, 58:86] = colour(following(clip.label))
    path = workspace.frame_path(clip.clip_id)
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), frame)
    pitch = 400 * (1 + LABELS.index(clip.label))
    tone = 0.3 * np.sin(2 * np.pi * pitch * np.arange(48_000) / 16_000)
    sound = (tone + random.normal(0, 0.02, 48_000)).astype(np.float32)
    path = workspace.audio_path(clip.clip_id)
    path.parent.mkdir(exist_ok=True)
    write_wav(path, sound, 16_000)


def entry(file: str, label: str, box: list[float]) -> dict[str, object]:
    """Return one entry of the published schema."""
    return {"file": file, "class": label, "bbox": [box]}


def following(label: str) -> str:
    """Return the class after this one."""
    return LABELS[(LABELS.index(label) + 1) % 3]


def colour(label: str) -> tuple[int, int, int]:
    """Return the colour of a class, blue, green, red."""
    return ((255, 0, 0), (0, 255, 0), (0, 0, 255))[LABELS.index(label)]
