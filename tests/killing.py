"""Run a command, kill it again and again with SIGKILL, and compare what it leaves in the end."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
from pathlib import Path

import numpy as np


def run_and_kill(command: list[str], after: float) -> bool:
    """Run a command for ``after`` seconds, then kill it and its workers; True if it was killed."""
    with subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            process.wait(timeout=after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return True
    return False


def kill_at_random(command: list[str], kills: int, longest: float, seed: int) -> int:
    """Kill a command up to ``kills`` times, after random times; return how often it was killed."""
    moments = random.Random(seed)
    killed = 0
    for _ in range(kills):
        if not run_and_kill(command, moments.uniform(0.2, longest)):
            break
        killed += 1
    return killed


def fingerprint(out: Path) -> dict[str, str]:
    """Return a digest of each result of a quickstart, independent of times and of file formats.

    The benchmark and the release are compared byte for byte, the predictions and the weights by
    their values, the clips by their bytes.
    """
    import torch

    digests = {
        name: hashlib.sha256((out / name).read_bytes()).hexdigest()
        for name in ("benchmark.json", "release/vggss.json", "release/silent.json")
    }
    for clip in sorted((out / "data" / "clips").glob("*.mp4")):
        digests[clip.name] = hashlib.sha256(clip.read_bytes()).hexdigest()
    with np.load(out / "predictions.npz") as arrays:
        for key in arrays.files:
            digests[f"predictions {key}"] = hashlib.sha256(arrays[key].tobytes()).hexdigest()
    checkpoint = torch.load(out / "checkpoint.pth", weights_only=True, map_location="cpu")
    for key, value in sorted(checkpoint["model_state_dict"].items()):
        digests[f"weights {key}"] = hashlib.sha256(value.float().numpy().tobytes()).hexdigest()
    return digests


def differences(a: Path, b: Path) -> list[str]:
    """Return the names of the results in which two quickstarts differ."""
    left, right = fingerprint(a), fingerprint(b)
    return sorted(k for k in left.keys() | right.keys() if left.get(k) != right.get(k))
