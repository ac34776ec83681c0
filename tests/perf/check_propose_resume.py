"""Propose boxes in many frames with kills, and see whether one is looked at twice.

::

    python tests/perf/check_propose_resume.py [--frames 15000] [--kills 6]

The frames are small JPEGs, the detections come from `boxes:FILE`, which needs the frames for their
sizes and so decodes each. A frame that is looked at is counted by its modified file of detections;
every kill may cost the frames of one batch once more, and no other. In the end the tables must be
those of a run that nobody disturbed, byte for byte.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from killing import run_and_kill

from vggss_tools.clips import Clip, write_clips
from vggss_tools.workspace import Workspace

BATCH = 16
LABELS = ("dog barking", "cow lowing", "playing violin, fiddle", "hail")
NAMES = ("Dog", "Cattle", "Violin", "Person")


def make(folder: Path, frames: int) -> list[str]:
    """Make a data directory and a file of detections; return the command."""
    workspace = Workspace.create(folder / "data")
    random = np.random.default_rng(0)
    clips = [Clip(f"x{i:05d}_000000", LABELS[i % len(LABELS)], "test") for i in range(frames)]
    write_clips(workspace.clips_table, clips)
    workspace.frame_path("x").parent.mkdir(exist_ok=True)
    _, content = cv2.imencode(".jpg", random.integers(0, 255, (90, 160, 3), dtype=np.uint8))
    rows = []
    for clip in clips:
        workspace.frame_path(clip.clip_id).write_bytes(content.tobytes())
        for _ in range(8):
            x, y, w, h = random.uniform((0, 0, 10, 10), (90, 40, 70, 50)).round(1).tolist()
            name, score = NAMES[random.integers(4)], round(float(random.uniform(0.2, 1)), 3)
            rows.append(
                {"image_id": clip.clip_id, "category": name, "bbox": [x, y, w, h], "score": score}
            )
    (folder / "detections.json").write_text(json.dumps(rows))
    line = [sys.executable, "-m", "vggss_tools", "propose-boxes", "--data", str(workspace.root)]
    return [*line, "--detector", f"boxes:{folder / 'detections.json'}"]


def recorded(workspace: Workspace) -> dict[str, int]:
    """Return how often each clip that is recorded was tried, and when its file was written."""
    if not workspace.ledger_path.is_file():
        return {}
    with sqlite3.connect(workspace.ledger_path) as ledger:
        try:
            rows = ledger.execute("SELECT clip_id FROM outcomes WHERE stage = 'propose'").fetchall()
        except sqlite3.OperationalError:  # killed before there was a table
            return {}
    return {clip: workspace.proposal_path(clip).stat().st_mtime_ns for (clip,) in rows}


def main() -> int:
    """Run, kill, run again, and compare."""
    parser = argparse.ArgumentParser(description="Kill propose-boxes and see what it costs.")
    parser.add_argument("--frames", type=int, default=15_000)
    parser.add_argument("--kills", type=int, default=6)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        command = make(folder, options.frames)
        workspace = Workspace(folder / "data")
        start = time.monotonic()
        assert not run_and_kill(command, 36_000)
        whole = time.monotonic() - start
        names = ("proposals.parquet", "proposal_outcomes.parquet")
        quiet = [(workspace.root / name).read_bytes() for name in names]
        for path in (*(workspace.root / name for name in names), workspace.ledger_path):
            path.unlink()
        for path in workspace.root.glob("ledger.sqlite-*"):
            path.unlink()
        shutil.rmtree(workspace.root / "proposals")
        kills = twice = 0
        before: dict[str, int] = {}
        for _ in range(options.kills):
            kills += run_and_kill(command, whole / (options.kills + 1) + 1.5)
            now = recorded(workspace)
            twice += sum(now[clip] != when for clip, when in before.items())
            before = now
            print(f"killed: {len(now)} of {options.frames} recorded")
        assert not run_and_kill(command, 36_000)
        now = recorded(workspace)
        twice += sum(now[clip] != when for clip, when in before.items())
        same = [(workspace.root / name).read_bytes() for name in names] == quiet
        print(
            f"{options.frames} frames, {options.frames / whole:.0f} a second; {kills} kills: "
            f"{twice} recorded frames looked at twice; tables {'equal' if same else 'DIFFER'}"
        )
        return 0 if same and not twice else 1
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
