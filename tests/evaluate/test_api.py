"""The public names of ``vggss_tools.evaluate``: light to import, whole, documented."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from map_maker import make_entries, make_map

import vggss_tools.evaluate as api
from vggss_tools.annotate.vggss_json import write_vggss_json
from vggss_tools.evaluate import accumulator, metrics, ranking

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "python-api.md"


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


def test_importing_the_package_imports_nothing_else() -> None:
    """Neither NumPy nor OpenCV nor pyarrow; a name brings what it needs, never torch."""
    heavy = (
        "[m for m in ('numpy', 'cv2', 'pandas', 'pyarrow', 'yaml', 'torch') if m in sys.modules]"
    )
    assert python(f"import sys, vggss_tools.evaluate; print({heavy})") == "[]\n"
    code = "import sys; from vggss_tools.evaluate import ciou, success_rate, best_iou"
    assert python(f"{code}; print({heavy})") == "['numpy']\n"
    code = (
        "import sys; from vggss_tools.evaluate import *; Scorer().update([[1, 2]], [[0, 0, 1, 1]])"
    )
    assert "torch" not in python(f"{code}; print({heavy})")


@pytest.mark.parametrize("name", api.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    """It is what its module has, says in a line what it is, and stands in the package's text."""
    thing = getattr(api, name)
    if name == "metrics":
        assert thing is importlib.import_module("vggss_tools.evaluate.metrics")
        return
    assert thing is getattr(
        importlib.import_module(f"vggss_tools.evaluate.{api._HOMES[name]}"), name
    )
    assert name in dir(api)
    if callable(thing):
        assert inspect.getdoc(thing), name
    assert name in PAGE.read_text(encoding="utf-8"), f"docs/python-api.md does not have {name}"


def test_names_and_homes_agree() -> None:
    """No name has a home without being public, and there is nothing else."""
    assert sorted(api.__all__) == sorted([*api._HOMES, "metrics"])
    with pytest.raises(AttributeError, match="no attribute 'cious'"):
        api.cious  # noqa: B018


@pytest.mark.parametrize("module", [api, metrics, ranking, accumulator], ids=lambda m: m.__name__)
def test_examples_in_the_docstrings_run(module: object) -> None:
    """What a docstring shows is what comes out."""
    found = doctest.testmod(module)  # type: ignore[arg-type]
    assert not found.failed


def test_the_pages_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python block of docs/python-api.md runs, one after the other, on small data."""
    entries = make_entries(12)
    write_vggss_json(tmp_path / "vggss.json", entries)
    (tmp_path / "my-protocol.yaml").write_text(
        (ROOT / "docs" / "examples" / "my-protocol.yaml").read_text(encoding="utf-8")
    )
    maps = np.stack([make_map(0, entry.boxes, seed=i) for i, entry in enumerate(entries)])
    monkeypatch.chdir(tmp_path)
    given = {
        "ids": [entry.file for entry in entries],
        "maps": maps,
        "all_boxes": [entry.boxes for entry in entries],
        "batches": [
            (
                [e.file for e in entries[k : k + 5]],
                maps[k : k + 5],
                [e.boxes for e in entries[k : k + 5]],
            )
            for k in (0, 5, 10)
        ],
    }
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        if "torch" in block:
            compile(block, str(PAGE), "exec")
        else:
            exec(compile(block, str(PAGE), "exec"), given)
    assert 0 <= given["scores"]["lvs"]["ciou"] <= 1  # type: ignore[index]
