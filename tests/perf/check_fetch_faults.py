"""Two hundred clips from a server of which a known share fails: kinds, bytes, and the second run.

    python tests/perf/check_fetch_faults.py [--clips 200] [--workers 8]

The server listens on the loopback interface and counts what it sends. The clips lie in videos of
five minutes, so that each is a section. Exit code 0 if every outcome has the right kind, every
clip that can be had arrives, a section costs less than 15 % of its video, and a second run sends
no request for what is settled. Clips that failed in a way that may pass are asked for again by it:
how many requests that takes is printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from fetch.fault_server import PAGE, Fault, FaultServer, fault_server
from fetch.videos import make_video

from vggss_tools.clips import Clip, write_clips
from vggss_tools.ledger import Ledger
from vggss_tools.workspace import Workspace

VIDEO_S = 300
# 75 kbit/s, a tenth of what YouTube's 360 lines have: the file's index weighs ten times as much.
FIVE_MINUTES = (
    ("-c:v", "mpeg4", "-g", "125", "-q:v", "31"),
    ("-vf", "scale=256:144,noise=alls=10:allf=t", "-b:v", "250k", "-movflags", "+faststart"),
)
# Clips in 20: kind of fault → how many, and the kind of outcome (None: the clip arrives).
SHARES: dict[str, tuple[int, str | None]] = {
    "good": (7, None),
    "404": (1, "not_found"),
    "403": (1, "private"),
    "429 once": (1, None),
    "503 twice": (1, None),
    "503 always": (1, "http_5xx"),
    "stalls once": (1, None),
    "stalls always": (1, "timeout"),
    "truncated twice": (1, None),
    "truncated always": (1, "truncated"),
    "a page": (1, "corrupt"),
    "no video at all": (1, "corrupt"),
    "Matroska under .mp4": (1, None),
    "no sound": (1, "no_audio"),
}


def fault_for(name: str) -> Fault | None:
    """Return the fault of one address."""
    always = "always" in name
    faults = {
        "404": Fault(404),
        "403": Fault(403),
        "429": Fault(429, times=1, headers={"Retry-After": "1"}),
        "503": Fault(503, times=None if always else 2),
        "stalls": Fault(stall_at=30_000, times=None if always else 1),
        "truncated": Fault(truncate_at=0 if always else 30_000, times=None if always else 2),
        "a": Fault(body=PAGE, headers={"Content-Type": "text/html"}),
        "no video": Fault(body=b"GIF89a" + b"\x00" * 50_000),
    }
    return next((fault for start, fault in faults.items() if name.startswith(start)), None)


def set_up(server: FaultServer, folder: Path, count: int) -> dict[str, str]:
    """Give the server its videos and faults; clip id → name of its fault."""
    codec, options = FIVE_MINUTES
    whole = make_video(folder / "whole.mp4", seconds=VIDEO_S, codec=codec, options=options)
    mute = make_video(folder / "mute.mp4", seconds=60, sound=False)
    mkv = make_video(folder / "other.mkv", seconds=60, options=("-c:a", "aac"))
    names = [name for name, (share, _) in SHARES.items() for _ in range(share)]
    clips: dict[str, str] = {}
    for number in range(count):
        name = names[number % len(names)]
        short = name in ("no sound", "Matroska under .mp4")
        start = number % 45 if short else (number * 37) % (VIDEO_S - 12)
        clip_id = f"v{number:04d}-_{start:06d}"
        clips[clip_id] = name
        path = f"/{clip_id[:-7]}.mp4"
        server.files[path] = {"no sound": mute, "Matroska under .mp4": mkv}.get(name, whole)
        if fault := fault_for(name):
            server.faults[path] = fault
    return clips


def fetch(data: Path, table: Path, server: FaultServer, workers: int) -> tuple[int, float]:
    """Run the command; its exit code and seconds."""
    started = time.perf_counter()
    # fmt: off
    done = subprocess.run(
        [sys.executable, "-m", "vggss_tools", "fetch", "--data", str(data), "--clips", str(table),
         "--source", f"mirror:{server.url}/{{youtube_id}}.mp4", "--workers", str(workers),
         "--time-limit", "5"],
        check=False, capture_output=True, text=True,
    )
    # fmt: on
    if done.returncode not in (0, 3, 4):
        print(done.stderr)
    return done.returncode, time.perf_counter() - started


def main() -> None:
    """Run it twice and compare with what is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--workers", type=int, default=8)
    chosen = parser.parse_args()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as scratch, fault_server() as server:
        folder = Path(scratch)
        clips = set_up(server, folder, chosen.clips)
        workspace = Workspace.create(folder / "data")
        table = folder / "clips.parquet"
        write_clips(table, [Clip(clip_id, "dog barking", "test") for clip_id in clips])
        code, seconds = fetch(workspace.root, table, server, chosen.workers)
        with Ledger(workspace.ledger_path) as ledger:
            outcomes = {outcome.clip_id: outcome for outcome in ledger.outcomes("fetch")}
        for clip_id, name in clips.items():
            expected = SHARES[name][1]
            found = outcomes.get(clip_id)
            kind = None if found is None or found.kind is None else str(found.kind)
            if found is None or kind != expected:
                wrong.append(f"{clip_id} ({name}): {kind}, not {expected}; {found}")
            if (expected is None) != workspace.clip_path(clip_id).is_file():
                wrong.append(f"{clip_id} ({name}): file there or not, wrongly")
        partial = [p.name for p in (workspace.root / "clips").iterdir() if p.name.startswith(".")]
        wrong += [f"left over: {name}" for name in partial]
        kinds = Counter(str(o.kind or "done") for o in outcomes.values())
        print(f"{len(clips)} clips in {seconds:.1f} s, exit code {code}: {json.dumps(kinds)}")

        shares = []
        for clip_id, name in clips.items():
            path = f"/{clip_id[:-7]}.mp4"
            if SHARES[name][1] is None and name != "Matroska under .mp4":
                shares.append(server.sent[path] / server.files[path].stat().st_size)
        size = (folder / "whole.mp4").stat().st_size
        mean, most = 100 * sum(shares) / len(shares), 100 * max(shares)
        print(
            f"bytes on the wire of a section of a {size / 1e6:.1f} MB video of {VIDEO_S} s: "
            f"{mean:.1f} % in the mean, {most:.1f} % at most"
        )
        if max(shares) >= 0.15:
            wrong.append("a section costs 15 % or more")

        settled = {c for c, o in outcomes.items() if o.done or (o.kind and o.kind.permanent)}
        server.forget()
        code, seconds = fetch(workspace.root, table, server, chosen.workers)
        asked = {c for c in clips if server.requests[f"/{c[:-7]}.mp4"]}
        again = Counter(
            str(outcomes[c].kind) for c in asked for _ in range(server.requests[f"/{c[:-7]}.mp4"])
        )
        print(
            f"second run: {len(asked & settled)} requests for {len(settled)} settled clips; "
            f"{again.total()} requests for the {len(asked)} clips whose failure may pass, by kind: "
            f"{json.dumps(again)}; {seconds:.1f} s"
        )
        wrong += [f"{c}: asked for again" for c in asked & settled]
        for path in [f"/{c[:-7]}.mp4" for c in clips if c not in settled]:
            server.faults.pop(path, None)
        fetch(workspace.root, table, server, chosen.workers)
        server.forget()
        code, seconds = fetch(workspace.root, table, server, chosen.workers)
        print(f"once they have cleared: {sum(server.requests.values())} requests, exit code {code}")
        wrong += ["a request after all was settled"] if server.requests else []
    print("wrong: " + ("; ".join(wrong) or "none"))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
