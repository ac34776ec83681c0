"""Time and memory of planning, `vggss status` and a `vggss fetch` that has nothing to do.

    python tests/perf/check_ledger_scale.py [--clips 200000] [--folder DIR]

Makes a data directory as a finished fetch and extract of VGG-Sound leave it: four clips in five
with (empty) files, the others failed for good. Each step runs in a process of its own. The aims
at 200,000 clips are under 5 s and 500 MB each; exit code 1 if one is missed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from vggss_tools.classes import vggsound_classes
from vggss_tools.clips import Clip, write_clips
from vggss_tools.errors import FailureKind
from vggss_tools.extract import ExtractStage
from vggss_tools.fetch.sources import open_source
from vggss_tools.fetch.stage import FetchStage
from vggss_tools.ledger import Ledger, Outcome
from vggss_tools.stage_plan import signature
from vggss_tools.workspace import Workspace

SECONDS, MEGABYTES = 5.0, 500
LOST = (FailureKind.REMOVED, FailureKind.PRIVATE, FailureKind.COPYRIGHT, FailureKind.NO_AUDIO)
SOURCE = "mirror:http://127.0.0.1:9/{clip_id}.mp4"  # where nothing answers, nor is asked

PLANNING = """
import sys
from vggss_tools.extract import ExtractStage
from vggss_tools.ledger import Ledger
from vggss_tools.stage_plan import make_plan
from vggss_tools.workspace import Workspace
workspace = Workspace(sys.argv[1])
stage = ExtractStage(workspace)
with Ledger(workspace.ledger_path) as ledger:
    plan = make_plan(stage, workspace.clips(), ledger)
print(len(plan.todo), plan.skipped, len(plan.failures))
"""


def make_directory(root: Path, count: int) -> Workspace:
    """Make the clip table, the files and the ledger."""
    workspace = Workspace.create(root)
    labels = list(vggsound_classes())
    clips = [
        Clip(
            f"video{i:06d}_{i % 300:06d}",
            labels[i % len(labels)],
            "test" if i % 13 == 0 else "train",
        )
        for i in range(count)
    ]
    write_clips(workspace.clips_table, clips)
    for folder in ("clips", "frames", "audio"):
        (root / folder).mkdir()
    fetch = FetchStage(workspace, open_source(SOURCE, clips))
    extract = ExtractStage(workspace)
    settings = extract.settings()
    versions = {"vggss-tools": "0", "python": "3", "av": "17", "libavcodec": "62"}
    fetched = {**fetch.settings(), **fetch.clip_settings(clips[0]), "inputs": []}
    outcomes = []
    for i, clip in enumerate(clips):
        if i % 5 == 0:
            outcomes.append(
                Outcome(clip.clip_id, "fetch", "failed", LOST[i // 5 % len(LOST)],
                        f"{clip.clip_id}: ERROR: [youtube] Video unavailable. " * 2,
                        settings=fetched, versions=versions)
            )  # fmt: skip
            continue
        paths = [workspace.clip_path(clip.clip_id), *extract.outputs(clip)]
        for path in paths:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        names = [path.relative_to(root).as_posix() for path in paths]
        outcomes.append(
            Outcome(clip.clip_id, "fetch", "done", settings=fetched, versions=versions,
                    checksums={names[0]: "0" * 64},
                    facts={"offset": 2.5, "source": "youtube", "bytes": 1_234_567})
        )  # fmt: skip
        wanted = {
            **settings,
            **extract.clip_settings(clip),
            "inputs": signature(extract.inputs(clip)),
        }
        outcomes.append(
            Outcome(clip.clip_id, "extract", "done", settings=wanted, versions=versions,
                    checksums=dict.fromkeys(names[1:], "0" * 64))
        )  # fmt: skip
    with Ledger(workspace.ledger_path) as ledger:
        ledger.record(outcomes)
    return workspace


def measure(name: str, command: list[str]) -> bool:
    """Run a command, print its time and its largest memory; whether it keeps to the aims."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        output = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds, megabytes = time.perf_counter() - start, usage.ru_maxrss / 1024
    last = (output.splitlines() or [""])[-1][:40]
    busy = usage.ru_utime + usage.ru_stime
    print(
        f"{name:20} {seconds:6.2f} s ({busy:.2f} s of a core) {megabytes:5.0f} MB  "
        f"exit {process.returncode}  {last}"
    )
    return seconds < SECONDS and megabytes < MEGABYTES


def main() -> None:
    """Make the directory and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=200_000)
    parser.add_argument("--folder", type=Path, help="keep the directory here")
    chosen = parser.parse_args()
    vggss = [sys.executable, "-m", "vggss_tools"]
    with tempfile.TemporaryDirectory() as temporary:
        root = chosen.folder or Path(temporary) / "data"
        if not root.exists():
            # In another process: a child's largest memory begins with its parent's.
            making = multiprocessing.Process(target=make_directory, args=(root, chosen.clips))
            making.start()
            making.join()
        fetch = [*vggss, "fetch", "--data", str(root), "--source", SOURCE]
        kept = [
            measure("start-up alone", [*vggss, "--version"]),
            measure("planning of extract", [sys.executable, "-c", PLANNING, str(root)]),
            measure("vggss status", [*vggss, "status", "--data", str(root)]),
            measure("no-op vggss fetch", fetch),
        ]
    sys.exit(not all(kept))


if __name__ == "__main__":
    main()
