from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout as it is."""
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", out, REPOSITORY],
        check=True,
        capture_output=True,
    )
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an empty environment into which the wheel alone was installed."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder / "venv", with_pip=True)
    pip = [str(folder / "venv/bin/python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", str(wheel)], check=True, capture_output=True)
    return folder


def vggss(elsewhere: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the installed command, away from the checkout."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VGGSS_DATA")}
    return subprocess.run(
        [elsewhere / "venv/bin/vggss", *arguments],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_wheel_carries_the_data(wheel: Path) -> None:
    """Class lists, pipelines, the template and the small detector's weights are inside."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"vggss_tools", *(top for top in tops if top.endswith(".dist-info"))}
    assert "vggss_tools/annotations/vggss_classes.csv" in names
    assert "vggss_tools/annotations/README.md" in names
    assert "vggss_tools/pipelines/quickstart.yaml" in names
    assert "vggss_tools/report/report.html.j2" in names
    tree = {
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / "vggss_tools").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert tree <= set(names)
    weights = [name for name in names if name.startswith("vggss_tools/propose/weights/")]
    assert weights
    assert sum(sizes[name] for name in weights) < 6_000_000


def test_an_installed_wheel_samples_and_scores_on_the_base_install(elsewhere: Path) -> None:
    """Without torch: help, a sample world, extraction, a release, and a scored predictions file."""
    assert vggss(elsewhere, "quickstart", "--help").returncode == 0
    made = vggss(elsewhere, "sample", "world", "--train", "2", "--test", "3")
    assert made.returncode == 0, made.stderr
    world = elsewhere / "world"
    for step in (["extract"], ["release", "sample"]):
        done = vggss(elsewhere, "--data", "world", *step)
        assert done.returncode == 0, done.stderr
    release = world / "releases" / "sample" / "vggss.json"
    files = [entry["file"] for entry in json.loads(release.read_text())]
    assert len(files) == 3
    maps = np.random.default_rng(0).random((3, 7, 7), dtype=np.float32)
    np.savez(elsewhere / "maps.npz", clip_id=np.array(files), map=maps)
    scored = vggss(
        elsewhere, "benchmark", "--predictions", "maps.npz", "--annotations", release,
        "--protocol", "paper", "--protocol", "lvs",
        "--json", "out.json", "--per-clip", "out.parquet",
    )  # fmt: skip
    assert scored.returncode == 0, scored.stderr
    results = json.loads((elsewhere / "out.json").read_text())
    assert results["schema"] == "vggss-benchmark/1"
    assert [result["n_scored"] for result in results["results"]] == [3, 3]


def test_what_needs_torch_says_which_extra_brings_it(elsewhere: Path) -> None:
    """A missing extra is one line with the pip command."""
    vggss(elsewhere, "sample", "bare", "--train", "1", "--test", "1")
    vggss(elsewhere, "--data", "bare", "extract")
    for step in (
        ["propose-boxes", "--detector", "sample"],
        ["train", "--split", "train", "--objective", "lvs", "--out", "run"],
        ["predict", "--model", "x.pth", "--split", "test", "--out", "x.npz"],
    ):
        done = vggss(elsewhere, "--data", "bare", *step)
        assert done.returncode == 1, done.stderr
        assert "pip install 'vggss-tools[models]'" in done.stderr
        assert "Traceback" not in done.stderr
