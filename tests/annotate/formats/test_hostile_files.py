"""Files of strangers are taken whole or refused whole, in one line and without a traceback."""

from __future__ import annotations

import json
import random
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import exchange_cases as cases
import pytest
from click.testing import Result
from file_mutations import mutate

from vggss_tools.annotate.events import Event

Invoke = Callable[..., Result]
MUTATED = 200  # files of each format

# Formats whose project is one JSON object or list, and how a test reaches into it.
JSON_NAMES = ["vggss", "coco", "fiftyone", "via2", "via3", "lisa", "review-page"]


@pytest.fixture
def world(tmp_path: Path) -> cases.SmallWorld:
    return cases.make_small_world(tmp_path / "data", 3)


@pytest.mark.parametrize("name", cases.NAMES)
def test_mutated_files_are_taken_whole_or_not_at_all(
    name: str, world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Of 200 files with random damage none gives a traceback or a part of its events."""
    whole = world.export(name, tmp_path)
    before = world.log()
    refused = 0
    for number in range(MUTATED):
        broken = tmp_path / f"broken{whole.suffix}"
        (shutil.copytree if whole.is_dir() else shutil.copy)(whole, broken)
        mutate(broken, random.Random(f"{name} {number}"))
        result = invoke(
            "import", name, broken, "--reviewer", "eve", "--json", "-",
            "--data", world.workspace.root,
        )  # fmt: skip
        case = f"{name} {number}: {result.output[-500:]}"
        assert result.exception is None or isinstance(result.exception, SystemExit), case
        if result.exit_code == 0:
            added = world.log()[len(before) :].splitlines()
            assert world.log().startswith(before), case
            assert len(added) == json.loads(result.stdout)["events"], case
            for line in added:
                Event.from_json(json.loads(line))
            world.workspace.annotations_log.write_bytes(before)
        else:
            refused += 1
            assert result.exit_code in (1, 6), case
            assert world.log() == before, case
            assert result.stderr.startswith("Error: "), case
            assert len(result.stderr.splitlines()) == 1, case
            assert len(result.stderr) < 2000, case
        shutil.rmtree(broken) if broken.is_dir() else broken.unlink()
    assert 0 < refused < MUTATED


def refusal(invoke: Invoke, world: cases.SmallWorld, name: str, path: Path) -> str:
    """Import a file that is to be refused; return the line."""
    before = world.log()
    result = invoke("import", name, path, "--reviewer", "eve", "--data", world.workspace.root)
    assert result.exit_code == 6, result.output
    assert world.log() == before
    assert result.stderr.startswith(f"Error: {path}")
    return str(result.stderr)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "9" * 400, "true", '"1"', "null"])
@pytest.mark.parametrize("name", JSON_NAMES)
def test_a_coordinate_that_is_no_number_is_refused(
    name: str, text: str, world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """No NaN, infinity, endless integer, flag or text becomes an edge of a box."""
    path = world.export(name, tmp_path)
    file = path / "samples.json" if path.is_dir() else path
    value = json.loads(file.read_text(encoding="utf-8"))
    replace_first_number_of_a_box(value)
    file.write_text(json.dumps(value).replace('"HERE"', text), encoding="utf-8")
    refusal(invoke, world, name, path)


def replace_first_number_of_a_box(value: Any) -> bool:
    """Put ``HERE`` into the first list of numbers or object with x that is a box."""
    if isinstance(value, dict) and isinstance(value.get("x"), (int, float)):
        value["x"] = "HERE"
        return True
    inside = value.values() if isinstance(value, dict) else value
    if isinstance(value, list) and len(value) in (4, 5) and all(
        isinstance(one, (int, float)) for one in value
    ):  # fmt: skip
        value[-1] = "HERE"
        return True
    return isinstance(value, (dict, list)) and any(map(replace_first_number_of_a_box, inside))


@pytest.mark.parametrize("name", JSON_NAMES)
def test_deep_and_repeated_json_is_refused(
    name: str, world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Neither endless brackets nor a key that stands there twice get through."""
    path = tmp_path / "hostile.json"
    for text in (
        "[" * 200_000,
        "[" * 500 + "]" * 500,
        '{"a": 1, "a": 2}',
        '{"a":' * 5000,
        "\x00",
        "",
    ):
        path.write_text(text)
        refusal(invoke, world, name, path)


def csv_file(tmp_path: Path, *rows: str) -> Path:
    """Write a CSV file of ``clip_id`` and coordinates."""
    path = tmp_path / "boxes.csv"
    path.write_text("clip_id,xmin,ymin,xmax,ymax\n" + "".join(f"{row}\n" for row in rows))
    return path


def test_a_refusal_names_line_clip_and_cause(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """The person can find the place and see what is wrong with it."""
    clip = world.clips[0].clip_id
    path = csv_file(tmp_path, f"{clip},0.1,0.1,0.5,0.5", f"{clip},0.1,0.1,1.5,0.5")
    line = refusal(invoke, world, "csv", path)
    assert "line 3" in line
    assert clip in line
    assert "leaves the frame" in line
    assert "nothing was imported" in line


@pytest.mark.parametrize(
    "stranger", ["../../etc/passwd", "AAAAAAAAAAA_000000", "<b>x</b>", "", "a/b_000001"]
)
def test_unknown_clips_are_refused(
    stranger: str, world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """A clip that the data directory does not have refuses the file, good rows and all."""
    good = f"{world.clips[0].clip_id},0.1,0.1,0.5,0.5"
    path = csv_file(tmp_path, good, f"{stranger},0.1,0.1,0.5,0.5")
    assert "line 3" in refusal(invoke, world, "csv", path)


def test_half_a_pixel_beyond_the_frame_is_brought_back_and_more_is_refused(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """What rounding does is mended; what it cannot have done is not."""
    clip = world.clips[0].clip_id  # its frame is 64 pixels wide
    path = csv_file(tmp_path, f"{clip},{-0.49 / 64},0.1,{1 + 0.49 / 64},0.5")
    result = invoke("import", "csv", path, "--reviewer", "eve", "--data", world.workspace.root)
    assert result.exit_code == 0, result.output
    box = json.loads(world.log().splitlines()[-1])["boxes"][0]["bbox"]
    assert box == [0.0, 0.1, 1.0, 0.5]
    refusal(invoke, world, "csv", csv_file(tmp_path, f"{clip},{-0.51 / 64},0.1,0.5,0.5"))


def test_another_class_than_the_clips_is_refused(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """A label that was changed is no answer to the question that was asked."""
    path = tmp_path / "labels.csv"
    path.write_text(
        "clip_id,class,xmin,ymin,xmax,ymax\n"
        f"{world.clips[0].clip_id},<script>alert(1)</script>,0.1,0.1,0.5,0.5\n"
    )
    assert "class" in refusal(invoke, world, "csv", path)


def test_two_rows_that_contradict_each_other_are_refused(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """One clip has one decision."""
    clip = world.clips[0].clip_id
    path = tmp_path / "rows.csv"
    path.write_text(
        f"clip_id,decision,xmin,ymin,xmax,ymax\n{clip},yes,0,0,1,1\n{clip},no,0,0,0.5,1\n"
    )
    assert "line 3" in refusal(invoke, world, "csv", path)


def test_an_answer_from_the_future_is_refused(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """It would stand above everything that people say until then."""
    path = tmp_path / "rows.csv"
    path.write_text(
        "clip_id,decision,xmin,ymin,xmax,ymax,time\n"
        f"{world.clips[0].clip_id},no,0,0,1,1,2999-01-01T00:00:00Z\n"
    )
    assert "future" in refusal(invoke, world, "csv", path)


@pytest.mark.parametrize("kind", ["link", "folder", "gzip", "cut", "huge"])
def test_hostile_shards_are_refused_and_nothing_is_unpacked(
    kind: str, world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Links, paths, compression, a missing end and endless members: none is followed."""
    shard = world.export("webdataset", tmp_path) / "vggss-000000.tar"
    if kind == "gzip":
        with tarfile.open(shard, "w:gz") as tar:
            tar.add(world.workspace.clips_table, "x.json")
    elif kind == "cut":
        with tarfile.open(shard) as tar:
            end = tar.getmembers()[4].offset
        shard.write_bytes(shard.read_bytes()[:end])
    else:
        info = tarfile.TarInfo("../../escaped.json" if kind == "folder" else "x_000000.json")
        if kind == "link":
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        if kind == "huge":
            info.size = 2 << 20
        with tarfile.open(shard, "a:") as tar:
            tar.addfile(info, open("/dev/zero", "rb") if info.size else None)  # noqa: SIM115
    refusal(invoke, world, "webdataset", shard.parent)
    assert not list(tmp_path.rglob("escaped*"))


def test_a_frame_of_another_size_is_refused(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Pixels of a picture that was scaled or turned are no pixels of ours."""
    path = world.export("coco", tmp_path)
    value = json.loads(path.read_text())
    image = value["images"][0]
    image["width"], image["height"] = image["height"], image["width"]
    path.write_text(json.dumps(value))
    assert "64x48 in the data directory" in refusal(invoke, world, "coco", path)
