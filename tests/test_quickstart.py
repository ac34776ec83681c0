"""The whole way, on a tiny world, through the public command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from killing import differences, kill_at_random

pytestmark = pytest.mark.slow

TINY = {"train_clips": 20, "test_clips": 6, "steps": 6, "batch_size": 8, "checkpoint_every": 2}


def command(out: Path) -> list[str]:
    settings = [part for key, value in TINY.items() for part in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "vggss_tools", "run", "quickstart", "--out", str(out), *settings]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a quickstart that nobody disturbed."""
    out = tmp_path_factory.mktemp("quickstart") / "quiet"
    done = subprocess.run(command(out), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def test_it_leaves_what_it_promises(quiet: Path) -> None:
    """Benchmark, report, predictions, checkpoint and release lie where the contract says."""
    for name in (
        "benchmark.json",
        "report.html",
        "predictions.npz",
        "checkpoint.pth",
        "release/vggss.json",
    ):
        assert (quiet / name).stat().st_size > 0
    benchmark = json.loads((quiet / "benchmark.json").read_text())
    assert benchmark["schema"] == "vggss-benchmark/1"
    assert [result["protocol"] for result in benchmark["results"]] == ["paper", "lvs"]
    for result in benchmark["results"]:
        assert result["n_scored"] == result["n_total"] == TINY["test_clips"]
        assert set(result["baselines"]) == {
            "ones", "disc", "mean_box", "blind_union", "blind_largest"
        }  # fmt: skip
        assert result["annotations"]["stand_in"] is True
        assert 0 <= result["swap_rate"] <= 1
        assert "skill" in result
    assert set(benchmark["proposals"]) >= {"precision", "recall"}
    release = json.loads((quiet / "release/vggss.json").read_text())
    assert len(release) == TINY["test_clips"]
    assert set(release[0]) == {"file", "class", "bbox"}


def test_a_second_run_does_no_work(quiet: Path) -> None:
    """Nothing is rendered, extracted, trained or predicted again."""
    kept = [path for path in (quiet / "data").rglob("*") if path.is_file()]
    kept = [path for path in kept if path.suffix in (".mp4", ".jpg", ".wav", ".npy")]
    before = {path: path.stat().st_mtime_ns for path in [*kept, quiet / "checkpoint.pth"]}
    assert len(before) > 3 * sum(TINY[key] for key in ("train_clips", "test_clips"))
    subprocess.run(command(quiet), capture_output=True, check=True)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_kills_at_random_change_nothing(quiet: Path, tmp_path: Path) -> None:
    """After SIGKILL at random moments, running again ends in the results of a quiet run."""
    out = tmp_path / "killed"
    assert kill_at_random(command(out), kills=4, longest=12, seed=1) >= 1
    subprocess.run(command(out), capture_output=True, check=True)
    assert differences(quiet, out) == []


def test_its_pieces_serve_the_benchmark_command(
    quiet: Path, vggss: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """`vggss benchmark --model` with nothing else finds a release, and scores what is extracted."""
    data = quiet / "data"
    assert vggss("--data", data, "release", "mine").returncode == 0
    done = vggss("--data", data, "benchmark", "--model", quiet / "checkpoint.pth", "--json", "-")
    assert done.returncode == 0, done.stderr
    own = json.loads(done.stdout)
    stored = json.loads((quiet / "benchmark.json").read_text())
    for a, b in zip(own["results"], stored["results"], strict=True):
        assert (a["protocol"], a["ciou"], a["auc"]) == (b["protocol"], b["ciou"], b["auc"])
