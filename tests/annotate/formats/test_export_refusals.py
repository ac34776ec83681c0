"""``vggss export``: what is not done in silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import exchange_cases as cases
import pytest
from click.testing import Result

Invoke = Callable[..., Result]


@pytest.fixture
def world(tmp_path: Path) -> cases.SmallWorld:
    return cases.make_small_world(tmp_path / "data", 4)


def test_errata_without_a_published_file_are_said_to_do_nothing(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """The log has no broken boxes: both ways give the same, and one line says why."""
    written = []
    for how in ("apply", "keep"):
        out = tmp_path / f"{how}.json"
        options = ["--errata", how, "--data", world.workspace.root]
        result = invoke("export", "vggss", "--out", out, *options)
        assert result.exit_code == 0, result.output
        assert "--errata is about --from FILE" in result.stderr
        written.append(out.read_bytes())
    assert written[0] == written[1]
    result = invoke("export", "vggss", "--out", tmp_path / "x", "--data", world.workspace.root)
    assert "--errata" not in result.stderr


def test_outputs_are_never_inputs(world: cases.SmallWorld, tmp_path: Path, invoke: Invoke) -> None:
    """Neither the published file nor the project is written over by the result."""
    source = world.export("vggss", tmp_path)
    before = source.read_bytes()
    base = ["--from", source, "--data", world.workspace.root]
    out = tmp_path / "out.csv"
    for options in (["--json", source], ["--json", out]):
        result = invoke("export", "csv", "--out", out, *options, *base)
        assert result.exit_code == 6
        assert not out.exists()
    assert invoke("export", "csv", "--out", source, *base).exit_code == 6
    assert source.read_bytes() == before


def test_clips_written_without_frame_or_sound_are_counted(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Parquet holds clips without either, and says how many it wrote so."""
    world.workspace.frame_path(world.clips[0].clip_id).unlink()
    world.workspace.frame_path(world.clips[1].clip_id).write_bytes(b"not a picture")
    world.workspace.audio_path(world.clips[2].clip_id).unlink()
    result = invoke(
        "export", "parquet", "--out", tmp_path / "x.parquet", "--json", "-",
        "--data", world.workspace.root,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["without"] == {"frame": 2, "sound": 1}
    assert "written without a frame: 2" in result.stderr
    assert "written without a sound: 1" in result.stderr


@pytest.mark.parametrize(("there", "says"), [(True, "the splits are test"), (False, "no splits")])
def test_a_split_that_is_not_there_is_named_with_those_that_are(
    there: bool, says: str, world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Of a published file alone, that all its clips are of one split."""
    source = world.export("vggss", tmp_path)
    root = world.workspace.root if there else tmp_path / "no-data"
    result = invoke(
        "export", "csv", "--from", source, "--split", "nosuch", "--out", tmp_path / "x.csv",
        "--data", root,
    )  # fmt: skip
    assert result.exit_code == 1
    assert "'nosuch'" in result.stderr
    assert says in result.stderr
