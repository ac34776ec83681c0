"""The rules of the house, held by reading every file's imports."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "vggss_tools"
FILES = sorted(PACKAGE.rglob("*.py"))

# Package → the only rooms and files that may import it.
HOMES = {
    "torch": {"propose", "models", "train", "predict.py"},
    "torchvision": {"propose", "models", "train", "predict.py"},
    "jinja2": {"report", "annotate"},
    "matplotlib": {"annotate"},
    "yt_dlp": {"fetch", "doctor.py"},
    "urllib3": {"fetch"},
    "ray": {"engines"},
    "yaml": {"pipeline.py", "evaluate", "annotate", "propose", "classes.py"},
    "gensim": {"propose"},
    "torchmetrics": {"models"},
    "fiftyone": {"propose", "verify"},
    "sqlite3": {"ledger.py"},
    "av": {"media"},
    "ffmpeg": {"media"},
    "imageio_ffmpeg": {"media"},
    "click": {"cli", "errors.py", "pipeline.py"},
}
# From the ground up; a file imports from its own floor or below.
FLOORS = [
    {
        "__init__.py",
        "errors.py",
        "atomic.py",
        "checksums.py",
        "many_objects.py",
        "locks.py",
        "progress.py",
        "resources.py",
    },
    {"clips.py", "clip_lists.py", "boxes.py", "classes.py"},
    {
        "workspace.py",
        "ledger.py",
        "stages.py",
        "stage_plan.py",
        "stage_runner.py",
        "stage_summary.py",
        "engines",
        "media",
    },
    {"annotate", "sample", "fetch", "extract.py", "evaluate", "propose", "models"},
    {
        "train",
        "predict.py",
        "report",
        "verify",
        "status.py",
        "coverage.py",
        "merge.py",
        "validation.py",
        "doctor.py",
        "pipeline.py",
    },
    {"cli", "__main__.py"},
]


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def imports(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def top_imports(path: Path) -> Iterator[str]:
    """Names of the modules that importing the file imports at once."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def floor_of(room: str) -> int:
    return next(i for i, floor in enumerate(FLOORS) if room in floor)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_packages_stay_in_their_rooms(path: Path) -> None:
    """Each heavy or special package is imported only where the design says."""
    for module in imports(path):
        top = module.partition(".")[0]
        if top in HOMES:
            assert room_of(path) in HOMES[top], f"{path} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_arrows_point_down(path: Path) -> None:
    """A file imports from its own floor or from below, never from above."""
    here = floor_of(room_of(path))
    for module in imports(path):
        parts = module.split(".")
        if parts[0] == "vggss_tools" and len(parts) > 1:
            if parts[1] in ("annotations", "pipelines"):
                continue
            room = parts[1] if (PACKAGE / parts[1]).is_dir() else f"{parts[1]}.py"
            assert floor_of(room) <= here, f"{path} imports {module} from above"


def test_metrics_know_numpy_and_nothing_else() -> None:
    """The metrics can be lifted out of the package and read alone."""
    found = {m.partition(".")[0] for m in imports(PACKAGE / "evaluate" / "metrics.py")}
    assert found - sys.stdlib_module_names <= {"numpy"}


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").glob("*.py")), ids=lambda p: p.name)
def test_commands_are_light_to_import(path: Path) -> None:
    """A command's module imports at once only Click, the standard library and light files."""
    light = {"vggss_tools", "vggss_tools.cli", "vggss_tools.cli.options", "vggss_tools.errors",
             "vggss_tools.cli.batch_options", "vggss_tools.workspace",
             "vggss_tools.clips"}  # fmt: skip
    for module in top_imports(path):
        top = module.partition(".")[0]
        assert top in sys.stdlib_module_names | {"click"} or module in light, module


def test_there_is_no_drawer_for_everything() -> None:
    """Every file has a name that says what is in it."""
    assert not [path for path in FILES if path.stem in {"utils", "helpers", "common", "misc"}]
