"""Kill a fetch at twenty random moments, fill its disk, take its rights: its state stays right.

    python tests/perf/check_fetch_kills.py [--kills 20] [--seed 0] [--clips 60]

After each SIGKILL every file under a final name has to be whole, and every clip that the ledger
calls done has to be there with its checksum. The full disk is a tmpfs of 1 MB, the directory
without rights one that is mounted for reading; where the machine allows neither, that is said.
Exit code 0 if nothing was wrong.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from fetch.fault_server import FaultServer, fault_server
from fetch.videos import make_video
from killing import run_and_kill

from vggss_tools.checksums import sha256_of
from vggss_tools.clips import Clip, write_clips
from vggss_tools.ledger import Ledger
from vggss_tools.workspace import Workspace


def command(server: FaultServer, data: Path, table: Path) -> list[str]:
    """Return the fetch of all clips, four at a time."""
    # fmt: off
    return [sys.executable, "-m", "vggss_tools", "fetch", "--data", str(data), "--clips",
            str(table), "--source", f"mirror:{server.url}/{{clip_id}}.mp4", "--workers", "4"]
    # fmt: on


def faults_of(workspace: Workspace, content: bytes) -> list[str]:
    """Return what is wrong with the state of a data directory."""
    wrong = []
    clips = workspace.root / "clips"
    for path in clips.glob("[!.]*") if clips.is_dir() else ():
        if path.read_bytes() != content:
            wrong.append(f"{path.name} is not whole")
    if workspace.ledger_path.is_file():
        with Ledger(workspace.ledger_path) as ledger:
            for outcome in ledger.outcomes("fetch"):
                for name, digest in outcome.checksums.items():
                    path = workspace.root / name
                    if not path.is_file() or sha256_of(path) != digest:
                        wrong.append(f"{name} is recorded and not there as it was recorded")
    return wrong


@contextmanager
def tiny_disk(folder: Path) -> Iterator[bool]:
    """Mount 1 MB there; False where the machine does not allow it."""
    folder.mkdir()
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
            check=False,
            capture_output=True,
        ).returncode
        == 0
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def without_rights(folder: Path) -> Iterator[bool]:
    """Make a folder one that cannot be written to; False where the machine does not allow it."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        folder.chmod(0o555)
        yield True
        folder.chmod(0o755)
        return
    read_only = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(folder)]
    mounted = subprocess.run(read_only, check=False, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def main() -> None:
    """Run all three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clips", type=int, default=60)
    chosen = parser.parse_args()
    moments = random.Random(chosen.seed)
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as scratch, fault_server() as server:
        folder = Path(scratch)
        video = make_video(folder / "clip.mp4")
        content = video.read_bytes()
        clips = [Clip(f"v{n:03d}_000010", "dog barking", "test") for n in range(chosen.clips)]
        table = folder / "clips.parquet"
        write_clips(table, clips)
        server.files = {f"/{clip.clip_id}.mp4": video for clip in clips}

        killed = folders = 0
        while killed < chosen.kills:
            workspace = Workspace(folder / f"data{folders}")
            fetch = command(server, workspace.root, table)
            if run_and_kill(fetch, moments.uniform(0.3, 3.0)):
                killed += 1
                wrong += [f"kill {killed}: {fault}" for fault in faults_of(workspace, content)]
                if killed % 5:  # each folder is killed up to five times
                    continue
            subprocess.run(fetch, check=True, capture_output=True)
            found = sorted(path.name for path in (workspace.root / "clips").iterdir())
            if found != sorted(f"{clip.clip_id}.mp4" for clip in clips):
                wrong.append(f"after kill {killed} and a quiet run: {len(found)} files")
            folders += 1
        print(f"killed {killed} times at random moments; wrong: {len(wrong)}")

        with tiny_disk(folder / "tiny") as there:
            if there:
                workspace = Workspace(folder / "tiny" / "data")
                fetch = command(server, workspace.root, table)
                done = subprocess.run(fetch, check=False, capture_output=True, text=True)
                print(f"full disk: exit code {done.returncode}: {done.stderr.splitlines()[-1]}")
                if done.returncode == 0 or "Traceback" in done.stderr:
                    wrong.append("full disk: " + done.stderr)
                wrong += [f"full disk: {fault}" for fault in faults_of(workspace, content)]
                left = [p.name for p in (workspace.root / "clips").glob(".*")]
                wrong += [f"full disk: left over {name}" for name in left]
            else:
                print("full disk: not shown, this machine mounts no tmpfs")

        with without_rights(folder / "locked") as there:
            if there:
                fetch = command(server, folder / "locked", table)
                done = subprocess.run(fetch, check=False, capture_output=True, text=True)
                print(f"read-only: exit code {done.returncode}: {done.stderr.splitlines()[-1]}")
                if done.returncode == 0 or "Traceback" in done.stderr:
                    wrong.append("read-only: " + done.stderr)
            else:
                print("read-only: not shown, this machine makes no folder read-only")
    print("wrong: " + ("; ".join(wrong) or "none"))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
