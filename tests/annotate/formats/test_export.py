"""``vggss export``: what is written where, and what is not."""

from __future__ import annotations

import csv
import json
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import exchange_cases as cases
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from vggss_tools.annotate.events import EventBox
from vggss_tools.annotate.formats.registry import FORMATS, REGISTERED
from vggss_tools.annotate.log import append_events
from vggss_tools.annotate.vggss_json import PUBLISHED_SHA256, Entry, read_vggss_json
from vggss_tools.boxes import Box
from vggss_tools.checksums import sha256_of
from vggss_tools.clips import Clip, write_clips
from vggss_tools.workspace import Workspace

Invoke = Callable[..., Result]

WRITTEN = [name for name in cases.NAMES if name != cases.REVIEW_PAGE]


@pytest.fixture
def world(tmp_path: Path) -> cases.SmallWorld:
    return cases.make_small_world(tmp_path / "data", 6)


def export(invoke: Invoke, world: cases.SmallWorld, *arguments: object) -> Result:
    result = invoke("export", *map(str, arguments), "--data", world.workspace.root)
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize("name", WRITTEN)
def test_each_format_is_written_whole_and_says_what_it_cannot_hold(
    name: str, world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """The result counts the clips and lists the losses, for people and as JSON."""
    out = tmp_path / f"project{FORMATS[name].suffix}"
    result = export(invoke, world, name, "--out", out, "--json", "-")
    value = json.loads(result.stdout)
    assert value["schema"] == "vggss-export/1"
    assert value["n_clips"] == 6
    assert value["projects"] == [{"path": str(out), "n_clips": 6, "reviewer": None}]
    assert value["cannot_hold"]
    for lost in value["cannot_hold"]:
        assert f"{name} cannot hold: {lost}" in result.stderr
    assert out.is_dir() == (FORMATS[name].suffix == "")
    assert not list(tmp_path.glob(".part-*"))


@pytest.mark.parametrize("name", WRITTEN)
def test_equal_clips_give_equal_bytes(
    name: str, world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Two exports can be compared as files."""
    contents = []
    for folder in ("one", "two"):
        out = tmp_path / folder / f"project{FORMATS[name].suffix}"
        export(invoke, world, name, "--out", out)
        files = sorted(out.rglob("*")) if out.is_dir() else [out]
        contents.append([file.read_bytes() for file in files if file.is_file()])
    assert contents[0] == contents[1]


@pytest.mark.parametrize("name", ["csv", "webdataset"])
def test_what_is_there_is_never_overwritten(
    name: str, world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """A file or a folder with something in it is refused and stays as it was."""
    out = tmp_path / "taken"
    if FORMATS[name].suffix:
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "mine").write_text("mine")
    result = invoke("export", name, "--out", out, "--data", world.workspace.root)
    assert result.exit_code == 1
    assert "is there already" in result.stderr
    assert (out if out.is_file() else out / "mine").read_text() == "mine"


def test_a_kept_proposal_is_the_box_before_any_event(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """A clip that nobody looked at goes out with its proposals, undecided."""
    from vggss_tools.propose.proposals import Proposal, write_proposals

    world.workspace.annotations_log.unlink()
    kept, other = Box(0.1, 0.2, 0.3, 0.4), Box(0.5, 0.5, 0.9, 0.9)
    clip = world.clips[0]
    write_proposals(
        world.workspace.proposals_table,
        [
            Proposal(clip.clip_id, kept, "Dog", 0.9, clip.label, 1.0),
            Proposal(clip.clip_id, other, "Cat", 0.9),
        ],
    )
    out = tmp_path / "boxes.csv"
    export(invoke, world, "csv", "--out", out)
    rows = list(csv.DictReader(out.open()))
    assert len(rows) == 6
    first = next(row for row in rows if row["clip_id"] == clip.clip_id)
    assert [float(first[name]) for name in ("xmin", "ymin", "xmax", "ymax")] == kept.as_list()
    assert {row["decision"] for row in rows} == {"unseen"}
    result = invoke(
        "import", "csv", out, "--reviewer", "eve", "--json", "-", "--data", world.workspace.root
    )
    assert json.loads(result.stdout)["events"] == 0


def test_clips_without_what_a_format_needs_are_left_out_and_counted(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """No frame, no COCO image; the rest is written, and if nothing is left one line says why."""
    world.workspace.frame_path(world.clips[0].clip_id).unlink()
    world.workspace.frame_path(world.clips[1].clip_id).write_bytes(b"not a picture")
    result = export(invoke, world, "coco", "--out", tmp_path / "coco.json")
    assert "left out: 2 without a frame (vggss extract)" in result.stderr
    assert "not a JPEG file" in result.stderr
    for clip in world.clips[2:]:
        world.workspace.frame_path(clip.clip_id).unlink()
    result = invoke(
        "export", "coco", "--out", tmp_path / "none.json", "--data", world.workspace.root
    )
    assert result.exit_code == 1
    assert "nothing to export (6 without a frame" in result.stderr


def test_only_and_split_choose_clips(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """By split, by decision, by class; an unknown word is refused."""
    append_events(
        world.workspace.annotations_log,
        [cases.decided(world.clips[0], "not_sure", (), minute=1)],
    )
    label = world.clips[1].label
    for number, (options, expected) in enumerate(
        [
            (["--only", "not_sure"], 1),
            (["--only", "not-sure,yes"], 6),
            (["--only", f"class:{label}"], sum(clip.label == label for clip in world.clips)),
            (["--split", "test"], 6),
        ]
    ):
        out = tmp_path / f"{number}.csv"
        result = export(invoke, world, "csv", "--out", out, "--json", "-", *options)
        assert json.loads(result.stdout)["n_clips"] == expected
    for options in (["--only", "maybe"], ["--split", "train"]):
        result = invoke(
            "export", "csv", "--out", tmp_path / "x.csv", *options, "--data", world.workspace.root
        )
        assert result.exit_code != 0
        assert not (tmp_path / "x.csv").exists()


def test_projects_are_split_by_number_of_clips(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Each clip is in one of them, and together they come back as one import."""
    out = tmp_path / "parts"
    export(invoke, world, "coco", "--out", out, "--per-file", 4)
    parts = sorted(path.name for path in out.iterdir())
    assert parts == ["coco--part-001.json", "coco--part-002.json"]
    result = invoke("import", "coco", out, "--json", "-", "--data", world.workspace.root)
    assert json.loads(result.stdout)["clips"] == 6


def test_projects_for_reviewers_are_balanced_and_blind(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Each clip goes to two of three, nobody has more than another, and no decision is told."""
    out = tmp_path / "for-reviewers"
    export(invoke, world, "csv", "--out", out, "--assign", "ada,bob,eve", "--overlap", 2)
    seen: Counter[str] = Counter()
    for path in sorted(out.iterdir()):
        rows = list(csv.DictReader(path.open()))
        clips = {row["clip_id"] for row in rows}
        assert len(clips) == 4
        assert {row["decision"] for row in rows} == {"unseen"}
        seen.update(clips)
    assert set(seen.values()) == {2}
    assert len(seen) == 6
    names = [path.name for path in sorted(out.iterdir())]
    assert names == ["csv--ada.csv", "csv--bob.csv", "csv--eve.csv"]


@pytest.mark.parametrize(
    "options", [["--assign", "ada,../bob"], ["--assign", "ada,ada"], ["--assign", "a--b"],
                ["--assign", "ada", "--overlap", "2"], ["--overlap", "2"], ["--per-file", "0"],
                ["--media", "ftp://x"], ["--media", "inline"], ["--media", "url:javascript:1"],
                ["--only", "maybe"], ["--assign", ""], ["--assign", " "],
                ["--assign", "sample-world"]],
)  # fmt: skip
def test_impossible_wishes_are_refused_in_one_line(
    options: list[str], world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Nothing is written for a reviewer, a number or media that cannot be."""
    out = tmp_path / "out"
    result = invoke("export", "csv", "--out", out, *options, "--data", world.workspace.root)
    assert result.exit_code == 2
    assert not out.exists()


@pytest.mark.parametrize("name", ["coco", "via2", "lisa"])
def test_media_are_referred_to_as_was_asked(
    name: str, world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Relative paths lead to the files, copies lie beside, URLs have the prefix, inline is data."""
    clip = world.clips[0].clip_id
    texts = {}
    for how in ("relative", "copy", "url:https://example.org/vggss", "inline"):
        out = tmp_path / how.partition(":")[0] / "project.json"
        export(invoke, world, name, "--out", out, "--media", how)
        texts[how.partition(":")[0]] = out.read_text()
    assert "../data/frames/" in texts["relative"]
    assert (tmp_path / "relative" / "../data/frames" / f"{clip}.jpg").is_file()
    assert "media/frames/" in texts["copy"]
    assert (tmp_path / "copy" / "media/frames" / f"{clip}.jpg").is_file()
    assert f"https://example.org/vggss/frames/{clip}.jpg" in texts["url"]
    assert "data:image/jpeg;base64," in texts["inline"]


def test_copies_never_replace_another_file(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """A file of that name that is another is refused; the same one is taken as it is."""
    copy = tmp_path / "media/frames" / f"{world.clips[0].clip_id}.jpg"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(b"mine")
    options = ["--media", "copy", "--data", world.workspace.root]
    result = invoke("export", "coco", "--out", tmp_path / "a.json", *options)
    assert result.exit_code == 1
    assert copy.read_bytes() == b"mine"
    assert not (tmp_path / "a.json").exists()
    copy.unlink()
    for name in ("a.json", "b.json"):
        assert invoke("export", "coco", "--out", tmp_path / name, *options).exit_code == 0


def test_coco_ids_are_stable_and_unique(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """A clip has the same ids in an export of all clips and of some; categories are VGG-Sound's."""
    values = []
    for number, options in enumerate([[], ["--only", f"class:{world.clips[0].label}"]]):
        out = tmp_path / f"{number}.json"
        export(invoke, world, "coco", "--out", out, *options)
        values.append(json.loads(out.read_text()))
    whole, part = values
    ids = {image["clip_id"]: image["id"] for image in whole["images"]}
    assert len(part["images"]) == 2
    assert all(ids[image["clip_id"]] == image["id"] for image in part["images"])
    assert {a["id"] for a in part["annotations"]} <= {a["id"] for a in whole["annotations"]}
    assert len({a["id"] for a in whole["annotations"]}) == len(whole["annotations"]) == 12
    assert [c["id"] for c in whole["categories"][:309]] == list(range(1, 310))
    assert whole["categories"] == part["categories"]
    assert whole["licenses"][0]["url"].startswith("https://creativecommons.org/licenses/by/4.0")


def test_a_tar_shard_holds_frame_sound_boxes_and_class(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """Each clip's files lie beside each other under one key, as WebDataset wants."""
    out = tmp_path / "shards"
    export(invoke, world, "webdataset", "--out", out)
    with tarfile.open(out / "vggss-000000.tar") as tar:
        names = tar.getnames()
    clip = world.clips[0].clip_id
    assert names[:4] == [f"{clip}.{suffix}" for suffix in ("cls", "jpg", "json", "wav")]
    assert len(names) == 24


def test_the_published_file_goes_out_with_and_without_its_errata(
    reference_data: Path, tmp_path: Path, invoke: Invoke
) -> None:
    """Kept, its content is that of the original; applied, what is documented is gone."""
    source = reference_data / "vggss" / "vggss.json"
    assert sha256_of(source) == PUBLISHED_SHA256
    original = read_vggss_json(source)
    found = {}
    for errata in ("keep", "apply"):
        out = tmp_path / f"{errata}.json"
        result = invoke(
            "export", "vggss", "--from", source, "--errata", errata, "--out", out,
            "--data", tmp_path / "no-data",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        found[errata] = read_vggss_json(out)
    ordered = sorted(original.entries, key=lambda entry: entry.file)
    assert list(found["keep"].entries) == ordered
    assert len(found["apply"].entries) == 5156
    assert found["apply"].n_boxes == 5941 - 18


def test_formats_that_cannot_hold_broken_boxes_say_so(
    reference_data: Path, tmp_path: Path, invoke: Invoke
) -> None:
    """Kept errata reach the formats that can hold them, and no other in silence."""
    source = reference_data / "vggss" / "vggss.json"
    base = ["--from", source, "--errata", "keep", "--data", tmp_path / "no-data"]
    result = invoke("export", "csv", "--out", tmp_path / "x.csv", *base)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader((tmp_path / "x.csv").open()))
    assert len(rows) == 5941
    assert sum(float(row["ymax"]) < 0 for row in rows) > 0
    result = invoke("export", "parquet", "--out", tmp_path / "x.parquet", *base)
    assert result.exit_code == 0, result.output
    boxes = pq.read_table(tmp_path / "x.parquet")["boxes"].to_pylist()
    assert sum(map(len, boxes)) == 5941
    result = invoke("export", "coco", "--out", tmp_path / "x.json", *base)
    assert result.exit_code == 1
    assert "without a frame" in result.stderr


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", [n for n in WRITTEN if "width" in FORMATS[n].needs])
def test_boxes_fit_the_picture_as_it_is_shown(
    name: str, orientation: int, tmp_path: Path, invoke: Invoke
) -> None:
    """Whatever EXIF turns, a painted rectangle's box comes back within half a pixel of it."""
    upright = np.zeros((75, 101, 3), np.uint8)
    x0, y0, x1, y1 = 13, 22, 58, 61
    upright[y0:y1, x0:x1] = 255
    root = tmp_path / "data"
    workspace = Workspace.create(root)
    clip = Clip("v_000001", "dog barking", "test")
    write_clips(workspace.clips_table, [clip])
    workspace.frame_path(clip.clip_id).parent.mkdir()
    workspace.clip_path(clip.clip_id).parent.mkdir()
    workspace.clip_path(clip.clip_id).write_bytes(b"no video")
    workspace.frame_path(clip.clip_id).write_bytes(turned_jpeg(upright, orientation))
    shown = cv2.imread(str(workspace.frame_path(clip.clip_id)))  # turns it as browsers do
    assert shown is not None
    assert shown.shape == upright.shape
    assert abs(shown.astype(int) - upright).mean() < 8
    box = Box(x0 / 101, y0 / 75, x1 / 101, y1 / 75)
    append_events(workspace.annotations_log, [cases.decided(clip, "yes", [EventBox(box)])])
    out = tmp_path / f"project{FORMATS[name].suffix}"
    world = cases.SmallWorld(workspace, [clip])
    export(invoke, world, name, "--out", out)
    if name == "coco":
        value = json.loads(out.read_text())
        assert (value["images"][0]["width"], value["images"][0]["height"]) == (101, 75)
        x, y, w, h = value["annotations"][0]["bbox"]
        assert np.allclose([x, y, x + w, y + h], [x0, y0, x1, y1], atol=0.01)
    # Beside an empty log and no proposals, what comes back is what the file itself says.
    workspace.annotations_log.unlink()
    result = invoke("import", name, out, "--reviewer", "eve", "--data", root)
    assert result.exit_code == 0, result.output
    edges = json.loads(world.log())["boxes"][0]["bbox"]
    assert np.allclose(np.multiply(edges, [101, 75, 101, 75]), [x0, y0, x1, y1], atol=0.5)


def turned_jpeg(upright: np.ndarray, orientation: int) -> bytes:
    """Return a JPEG that EXIF's tag turns into the picture."""
    # What a reader does to the stored picture (EXIF 2.32, 4.6.4 A), undone.
    stored = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.swapaxes(0, 1),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
        8: lambda p: np.rot90(p, -1),
    }[orientation](upright)
    plain = cv2.imencode(".jpg", np.ascontiguousarray(stored))[1].tobytes()
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + orientation.to_bytes(2) + b"\x00\x00"
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + b"\x00\x01" + entry + bytes(4)
    segment = b"Exif\x00\x00" + tiff
    return plain[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2) + segment + plain[2:]


def test_every_registered_format_is_there() -> None:
    """Names on the command line, in the registry and in the modules are the same."""
    for name in REGISTERED:
        assert FORMATS[name].name == name


def test_every_format_is_in_the_documentation() -> None:
    """The table of docs/formats.md has a row for each."""
    text = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1].strip(" `") for line in text.splitlines() if line.startswith("| `")]
    assert rows[: len(REGISTERED)] == list(REGISTERED)


def test_an_unknown_format_is_named_with_those_there_are(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """A slip of the finger costs nothing."""
    result = invoke("export", "cocoo", "--out", tmp_path / "x", "--data", world.workspace.root)
    assert result.exit_code == 2
    assert "coco, webdataset" in result.stderr


def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    world: cases.SmallWorld, tmp_path: Path, invoke: Invoke
) -> None:
    """A folder that is none gives one line."""
    (tmp_path / "file").write_text("mine")
    out = tmp_path / "file" / "x.csv"
    result = invoke("export", "csv", "--out", out, "--data", world.workspace.root)
    assert result.exit_code == 1
    assert len([line for line in result.stderr.splitlines() if "Error" in line]) == 1


def test_entries_keep_the_order_of_broken_boxes() -> None:
    """A broken box between two sound ones stands between them again."""
    from vggss_tools.annotate.errata import Errata
    from vggss_tools.annotate.items import published_items, raw_boxes
    from vggss_tools.annotate.vggss_json import Annotations

    boxes = ((0.1, 0.1, 0.2, 0.2), (0.5, 0.5, 0.5, 0.5), (0.3, 0.3, 0.4, 0.4))
    entry = Entry("v_000001", "dog barking", boxes)
    (item,) = published_items(Annotations("x", "0", (entry,)), Errata())
    assert tuple(raw_boxes(item)) == boxes
    assert len(item.boxes) == 2
