"""What a release holds beside its boxes: other forms of them, datasheet, changes, checksums."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from vggss_tools.annotate.events import AnnotationStage, Decision, Event, EventBox
from vggss_tools.annotate.log import append_events
from vggss_tools.annotate.release.making import make_release
from vggss_tools.annotate.vggss_json import Entry, read_vggss_json, write_vggss_json
from vggss_tools.boxes import Box
from vggss_tools.clips import Clip, write_clips
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.workspace import Workspace

LEFT, RIGHT = Box(0.1, 0.2, 0.4, 0.8), Box(0.6, 0.2, 0.9, 0.8)
DRAWN = ["box-areas.png", "boxes-per-clip.png", "classes.png", "statistics.html"]
FILES = [
    "SHA256SUMS",
    "boxes.parquet",
    "datasheet.md",
    "decisions.csv",
    "release.json",
    "silent.json",
    "vggss.json",
]


def event(
    number: int,
    clip: str,
    decision: str,
    *boxes: Box | EventBox,
    stage: str = "verify",
    reviewer: str = "ada",
    label: str = "dog barking",
) -> Event:
    """Make an event; later numbers happen later."""
    return Event(
        event_id=str(UUID(int=number)),
        clip_id=f"{clip}_000000",
        label=label,
        time=datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(hours=number),
        stage=AnnotationStage(stage),
        reviewer=reviewer,
        tool="by hand",
        decision=Decision(decision),
        boxes=tuple(box if isinstance(box, EventBox) else EventBox(box) for box in boxes),
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a data directory with six test clips: detected, corrected, verified or neither."""
    workspace = Workspace.create(tmp_path / "data")
    clips = [Clip(f"video{n}_000000", "dog barking", "test") for n in range(5)]
    write_clips(workspace.clips_table, [*clips, Clip("windy_000000", "wind noise", "test")])
    append_events(
        workspace.annotations_log,
        [
            event(1, "video0", "unseen", LEFT, stage="auto", reviewer="detector"),
            event(2, "video1", "unseen", LEFT, stage="auto", reviewer="detector"),
            event(3, "video2", "unseen", RIGHT, stage="manual"),
            event(4, "video0", "yes", LEFT, RIGHT),
            event(5, "video0", "yes", LEFT, reviewer="ben"),
            event(6, "video1", "yes", LEFT, EventBox(RIGHT, sounding=False)),
            event(7, "video1", "no", LEFT, reviewer="ben"),
            event(8, "video2", "not_sure", RIGHT),
            event(9, "video0", "no", EventBox(RIGHT, sounding=False), label="airplane"),
        ],
    )
    return workspace


def add_frames(workspace: Workspace) -> None:
    """Put a frame of 200 x 100 pixels beside every clip."""
    (workspace.root / "frames").mkdir()
    for clip in workspace.clips():
        picture = np.zeros((100, 200, 3), np.uint8)
        assert cv2.imwrite(str(workspace.frame_path(clip.clip_id)), picture)


def datasheet(folder: Path) -> str:
    """Return the datasheet's text."""
    return (folder / "datasheet.md").read_text(encoding="utf-8")


def test_every_file_is_there_and_has_its_checksum(workspace: Workspace) -> None:
    """SHA256SUMS names every other file, as sha256sum wants it."""
    add_frames(workspace)
    folder = make_release(workspace, "v1").folder
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted([*FILES, *DRAWN, "coco.json"])
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    assert [line.partition("  ")[2] for line in lines] == [n for n in names if n != "SHA256SUMS"]
    for line in lines:
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    for name in DRAWN[:3]:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_coco_has_the_boxes_in_pixels_of_the_frames(workspace: Workspace) -> None:
    """What sounds, and nothing of where the data directory lies."""
    add_frames(workspace)
    coco = json.loads((make_release(workspace, "v1").folder / "coco.json").read_text())
    images = {image["id"]: image for image in coco["images"]}
    assert [image["file_name"] for image in images.values()] == ["frames/video0_000000.jpg"]
    (box,) = coco["annotations"]
    assert box["bbox"] == pytest.approx([20, 20, 60, 60])
    assert (images[box["image_id"]]["width"], images[box["image_id"]]["height"]) == (200, 100)


def test_without_frames_there_is_no_coco_and_it_is_said(workspace: Workspace) -> None:
    """COCO needs pixels; all else is released, and frames that come later change nothing."""
    release = make_release(workspace, "v1")
    assert sorted(path.name for path in release.folder.iterdir()) == sorted([*FILES, *DRAWN])
    assert "video0_000000 has no frame" in release.manifest["left_out"]["coco.json"]
    assert "`coco.json` is not in it" in datasheet(release.folder)
    add_frames(workspace)
    assert make_release(workspace, "v1").action == "unchanged"


def test_the_table_of_boxes_has_one_row_a_box(workspace: Workspace) -> None:
    """Sounding boxes, then silent ones, with the persons who decided."""
    rows = pq.read_table(make_release(workspace, "v1").folder / "boxes.parquet").to_pylist()
    found = [(row["clip_id"], row["class"], row["sounding"], row["opinions"]) for row in rows]
    assert found == [
        ("video0_000000", "dog barking", True, 2),
        ("video0_000000", "airplane", False, None),
    ]
    assert [rows[0][key] for key in ("xmin", "ymin", "xmax", "ymax")] == LEFT.as_list()


def test_every_clip_has_its_decision_and_its_reason(workspace: Workspace) -> None:
    """Clips that are left out say why; a class that the paper removed is said to be one."""
    folder = make_release(workspace, "v1").folder
    with (folder / "decisions.csv").open(newline="") as handle:
        rows = {row["clip_id"]: row for row in csv.DictReader(handle)}
    assert {clip: row["outcome"] for clip, row in rows.items()} == {
        "video0_000000": "yes",
        "video1_000000": "no",
        "video2_000000": "not_sure",
        "video3_000000": "none",
        "video4_000000": "none",
        "windy_000000": "none",
    }
    assert rows["video0_000000"]["reason"] == ""
    assert rows["video3_000000"]["reason"] == "no annotation"
    assert "Appendix B.4" in rows["windy_000000"]["reason"]


def test_the_datasheet_counts_what_is_left_after_each_step(workspace: Workspace) -> None:
    """Six clips; three with a box by detector or hand; one released. Table 2, by hand."""
    release = make_release(workspace, "v1", licence="CC BY 4.0")
    assert release.manifest["stages"] == [
        {"stage": 1, "classes": 2, "clips": 6},
        {"stage": 2, "classes": 1, "clips": 3},
        {"stage": 3, "classes": 1, "clips": 1},
    ]
    text = datasheet(release.folder)
    assert "| 2 | Manual annotation | 1 | 3 |" in text
    assert "| dog barking | 1 |" in text
    assert "Boxes and decisions: CC BY 4.0." in text
    assert "| decided by at least two | 2 |" in text
    for name in DRAWN[:3]:
        assert f"]({name})" in text


def test_a_licence_that_nobody_stated_is_not_made_up(workspace: Workspace) -> None:
    """Without --licence the datasheet says that there is none."""
    assert "not stated" in datasheet(make_release(workspace, "v1").folder)


def test_what_strangers_wrote_is_no_markup(workspace: Workspace) -> None:
    """A reviewer's name is text in the datasheet."""
    append_events(
        workspace.annotations_log, [event(20, "video3", "yes", LEFT, reviewer="a|b <img src=x>")]
    )
    text = datasheet(make_release(workspace, "v1").folder)
    assert "<img" not in text
    assert r"a\|b &lt;img src=x&gt; (1)" in text


def test_documented_errors_of_the_published_file_are_listed(tmp_path: Path) -> None:
    """The errata of clips of the split stand in the datasheet, with what is here instead."""
    workspace = Workspace.create(tmp_path / "data")
    labels = {"UyCw7pCgYg8": "055", "M1P1xla8rg0": "000"}
    clips = [Clip(f"{v}_000{s}", "dog barking", "test") for v, s in labels.items()]
    write_clips(workspace.clips_table, clips)
    own = event(1, "x", "yes", LEFT, RIGHT)
    append_events(
        workspace.annotations_log,
        [Event.from_json({**own.as_json(), "clip_id": "UyCw7pCgYg8_000055"})],
    )
    text = datasheet(make_release(workspace, "v1").folder)
    assert "| `UyCw7pCgYg8_000055` | box 2 | empty box | xmin = xmax | 2 |" in text
    assert "| `M1P1xla8rg0_000000` | the clip | empty mask |" in text
    assert "no annotation; documented error of the published file" in text


def test_a_consensus_is_released_with_its_number(workspace: Workspace) -> None:
    """Two yes with one box in common are released with that box; a dispute is left out."""
    release = make_release(workspace, "v1", needed=2)
    (entry,) = read_vggss_json(release.folder / "vggss.json").entries
    assert (entry.file, entry.boxes) == ("video0_000000", ((0.1, 0.2, 0.4, 0.8),))
    assert release.manifest["consensus"] == 2
    assert release.manifest["decisions"]["disputed"] == 1
    assert release.manifest["sources"]["reviewers"] == {"ada": 2, "ben": 1}
    assert "| drawn by too few reviewers (each reviewer's box counts) | 1 |" in datasheet(
        release.folder
    )
    with pytest.raises(VggssError, match="other contents"):
        make_release(workspace, "v1")


def test_two_reviewers_logs_merge_to_the_consensus(
    tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """Ada has clips 0 to 2, ben 1 to 3; their logs, one after the other, give what both say.

    Clip 0 is ada's alone. On clip 1 their boxes share 0.36 x 0.4 of 0.176, an IoU of 0.818: one
    box half-way, and ben's second box falls. On clip 2 they contradict each other. Clip 3 is ben's
    alone, a no.
    """
    workspace = Workspace.create(tmp_path / "data")
    clips = [Clip(f"video{n}_000000", "dog barking", "test") for n in range(4)]
    write_clips(workspace.clips_table, clips)
    ada, ben = tmp_path / "ada.jsonl", tmp_path / "ben.jsonl"
    append_events(
        ada,
        [
            event(1, "video0", "yes", LEFT),
            event(2, "video1", "yes", Box(0.10, 0.20, 0.50, 0.60)),
            event(3, "video2", "yes", LEFT),
        ],
    )
    both = (Box(0.14, 0.20, 0.54, 0.60), Box(0.7, 0.7, 0.9, 0.9))
    append_events(
        ben,
        [
            event(4, "video1", "yes", *both, reviewer="ben"),
            event(5, "video2", "no", reviewer="ben"),
            event(6, "video3", "no", reviewer="ben"),
        ],
    )
    workspace.annotations_log.write_bytes(ben.read_bytes() + ada.read_bytes())
    result = invoke("release", "both", "--consensus", "2", "--data", workspace.root)
    assert result.exit_code == 0, result.output
    entries = read_vggss_json(workspace.release_dir("both") / "vggss.json").entries
    assert [entry.file for entry in entries] == ["video0_000000", "video1_000000"]
    assert entries[0].boxes == (tuple(LEFT.as_list()),)
    (box,) = entries[1].boxes
    assert box == pytest.approx((0.12, 0.20, 0.52, 0.60))
    assert "1 disputed, 1 no" in result.stdout


def test_an_earlier_release_that_cannot_be_read_is_named(workspace: Workspace) -> None:
    """The refusal names the file and the way round it; another release is made with --against."""
    folder = make_release(workspace, "v1").folder
    good = (folder / "vggss.json").read_bytes()
    (folder / "vggss.json").write_text("[")
    with pytest.raises(InvalidInput, match=r"v1/vggss\.json: not JSON.*--against"):
        make_release(workspace, "v2")
    published = workspace.root / "published.json"
    published.write_bytes(good)
    assert make_release(workspace, "v2", against=str(published)).action == "made"


def test_changes_since_the_newest_earlier_release_are_listed(workspace: Workspace) -> None:
    """Clips added and removed, boxes and decisions changed, against the one before by events."""
    first = make_release(workspace, "zz-first")
    assert not (first.folder / "changes.json").exists()
    append_events(
        workspace.annotations_log,
        [event(20, "video0", "yes", RIGHT), event(21, "video2", "yes", RIGHT)],
    )
    make_release(workspace, "second")
    append_events(workspace.annotations_log, [event(22, "video0", "no")])
    third = make_release(workspace, "third")
    changes = json.loads((third.folder / "changes.json").read_text())
    assert changes["against"]["name"] == "second"
    assert changes["clips_removed"] == ["video0_000000"]
    assert changes["decisions_changed"] == [{"clip_id": "video0_000000", "from": "yes", "to": "no"}]
    again = make_release(workspace, "third")
    assert again.action == "unchanged"

    explicit = make_release(workspace, "fourth", against="zz-first").folder / "changes.json"
    changes = json.loads(explicit.read_text())
    assert changes["clips_added"] == ["video2_000000"]
    assert changes["boxes_changed"] == []
    assert len(changes["decisions_changed"]) == 2


def test_boxes_are_compared_whatever_their_order(workspace: Workspace, tmp_path: Path) -> None:
    """Against a published file decisions are not known; other boxes and classes are seen."""
    append_events(workspace.annotations_log, [event(20, "video3", "yes", LEFT, RIGHT)])
    append_events(workspace.annotations_log, [event(21, "video4", "yes", LEFT)])
    path = tmp_path / "vggss.json"
    row = tuple(tuple(box.as_list()) for box in (RIGHT, LEFT))
    write_vggss_json(
        path,
        [
            Entry("video3_000000", "dog barking", row),  # type: ignore[arg-type]
            Entry("video4_000000", "dog growling", row[:1]),  # type: ignore[arg-type]
        ],
    )
    release = make_release(workspace, "v1", against=str(path))
    changes = json.loads((release.folder / "changes.json").read_text())
    assert changes["clips_added"] == ["video0_000000"]
    assert changes["boxes_changed"] == ["video4_000000"]
    assert changes["classes_changed"] == ["video4_000000"]
    assert changes["decisions_changed"] is None
    assert "| decisions changed | not known |" in datasheet(release.folder)


def test_a_release_to_compare_with_that_is_not_there_is_named(
    workspace: Workspace, invoke: Callable[..., Result]
) -> None:
    """One clear line, and nothing is made."""
    result = invoke("release", "v1", "--against", "v0", "--data", workspace.root)
    assert result.exit_code == 1
    assert "--against v0: no such release or file" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (workspace.root / "releases" / "v1").exists()


def test_a_release_has_the_date_of_its_newest_event_or_a_later_one(
    workspace: Workspace, invoke: Callable[..., Result]
) -> None:
    """Equal annotations have one date; a day before them is refused."""
    assert make_release(workspace, "v1").manifest["date"] == "2026-03-01"
    result = invoke(
        "release", "v2", "--date", "2026-04-01", "--json", "-", "--data", workspace.root
    )
    value: dict[str, Any] = json.loads(result.stdout)
    assert value["date"] == "2026-04-01"
    early = invoke("release", "v3", "--date", "2026-02-28", "--data", workspace.root)
    assert early.exit_code == 1
    assert "earlier than the newest annotation (2026-03-01 UTC)" in early.stderr
    assert invoke("release", "v3", "--date", "soon", "--data", workspace.root).exit_code == 2


def test_a_release_of_an_earlier_version_of_the_tool_stays(workspace: Workspace) -> None:
    """A folder with the first three files alone, which say the same, is not made anew."""
    folder = make_release(workspace, "v1").folder
    manifest = json.loads((folder / "release.json").read_text())
    first = {"vggss.json", "silent.json"}
    for path in folder.iterdir():
        if path.name not in first | {"release.json"}:
            path.unlink()
    for key in ("date", "consensus", "licence", "stages", "agreement", "left_out"):
        del manifest[key]
    manifest["files"] = {name: manifest["files"][name] for name in first}
    (folder / "release.json").write_text(json.dumps(manifest))
    assert make_release(workspace, "v1").action == "unchanged"
    assert {path.name for path in folder.iterdir()} == first | {"release.json"}


def test_a_drawing_that_somebody_changed_is_noticed(workspace: Workspace) -> None:
    """A release is whole only with every file as it was made."""
    folder = make_release(workspace, "v1").folder
    (folder / "classes.png").write_bytes(b"another")
    with pytest.raises(VggssError, match="other contents"):
        make_release(workspace, "v1")


def test_the_command_says_what_changed_and_what_is_missing(
    workspace: Workspace, invoke: Callable[..., Result]
) -> None:
    """People read the changes and that COCO needs frames."""
    make_release(workspace, "v1")
    append_events(workspace.annotations_log, [event(20, "video3", "yes", LEFT)])
    result = invoke("release", "v2", "--consensus", "2", "--data", workspace.root)
    assert result.exit_code == 0, result.output
    assert "since v1: 1 clips added, 0 clips removed" in result.stdout
    assert "without coco.json: video0_000000 has no frame" in result.stdout
