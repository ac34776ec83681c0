"""``vggss status``: what is where, and nothing changed by looking."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from vggss_tools.annotate.events import EventBox, new_event
from vggss_tools.annotate.log import append_events
from vggss_tools.annotate.release.making import make_release
from vggss_tools.boxes import Box
from vggss_tools.clips import Clip, write_clips
from vggss_tools.errors import FailureKind, InvalidInput
from vggss_tools.ledger import Ledger, Outcome
from vggss_tools.status import survey
from vggss_tools.workspace import Workspace

TEST = [f"video{n}_000000" for n in range(4)]
TRAIN = ["video8_000000", "video9_000000"]


def touch(path: Path) -> Path:
    """Make a small file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"1234")
    return path


def extracted(workspace: Workspace, clip_id: str) -> Outcome:
    """Make a frame, and the outcome that says so."""
    path = touch(workspace.frame_path(clip_id)).relative_to(workspace.root).as_posix()
    return Outcome(clip_id, "extract", "done", checksums={path: "0"})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a data directory in which each kind of outcome occurs."""
    workspace = Workspace.create(tmp_path / "data")
    write_clips(
        workspace.clips_table,
        [
            *(Clip(clip_id, "dog barking", "test") for clip_id in TEST),
            *(Clip(clip_id, "airplane", "train") for clip_id in TRAIN),
        ],
    )
    for clip_id in TEST[:3]:
        touch(workspace.clip_path(clip_id))
    touch(workspace.root / "frames" / ".part-0123-video0_000000.jpg")
    with Ledger(workspace.ledger_path) as ledger:
        ledger.record(
            [
                extracted(workspace, TEST[0]),
                extracted(workspace, TEST[1]),
                Outcome(TEST[2], "extract", "failed", kind=FailureKind.NO_AUDIO, message="silent"),
                extracted(workspace, TRAIN[0]),
            ]
        )
    workspace.frame_path(TEST[1]).unlink()
    return workspace


def test_outcomes_are_counted_per_stage_and_split(workspace: Workspace) -> None:
    """Done, failed by kind, gone and missing add up to the clips of the split."""
    report = survey(workspace)
    assert report["clips"] == {"test": 4, "train": 2}
    assert report["stages"] == {
        "extract": {
            "test": {"done": 1, "failed": {"no_audio": 1}, "gone": 1, "missing": 1},
            "train": {"done": 1, "failed": {}, "gone": 0, "missing": 1},
        }
    }


def test_coverage_says_what_can_still_be_had(workspace: Workspace) -> None:
    """What is not here was never tried, failed by accident, was refused, removed, or is gone."""
    more = [f"video{n}_000000" for n in range(10, 16)]
    write_clips(
        workspace.clips_table,
        [
            *(Clip(clip_id, "dog barking", "test") for clip_id in TEST),
            *(Clip(clip_id, "airplane", "train") for clip_id in [*TRAIN, *more]),
        ],
    )
    kinds = (FailureKind.REMOVED, FailureKind.TIMEOUT, FailureKind.RATE_LIMITED, FailureKind.SILENT)
    with Ledger(workspace.ledger_path) as ledger:
        ledger.record(
            [
                *(Outcome(c, "fetch", "failed", k, "x") for c, k in zip(more, kinds, strict=False)),
                Outcome(more[4], "fetch", "done", checksums={f"clips/{more[4]}.mp4": "0"}),
            ]
        )
    found = survey(workspace)["coverage"]
    assert found["splits"]["train"] == {
        "clips": 8,
        "here": 0,
        "can_be_had": 6,
        "not_tried": 3,
        "transient": 1,
        "blocked": 1,
        "lost_here": 1,
        "gone_for_good": 2,
        "failed": {"rate_limited": 1, "removed": 1, "silent": 1, "timeout": 1},
    }
    assert found["classes"]["airplane"] == found["splits"]["train"]
    assert found["classes"]["dog barking"]["here"] == 3
    assert found["total"]["clips"] == 12
    for counts in (found["total"], *found["splits"].values(), *found["classes"].values()):
        assert counts["here"] + counts["can_be_had"] + counts["gone_for_good"] == counts["clips"]


def test_coverage_is_printed_by_class(workspace: Workspace, invoke: Callable[..., Result]) -> None:
    """The classes of which most is gone come first, the sum last."""
    with Ledger(workspace.ledger_path) as ledger:
        ledger.record([Outcome(TRAIN[0], "fetch", "failed", FailureKind.PRIVATE, "private")])
    result = invoke("status", "--data", workspace.root, "--by", "class")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines == [
        "clips with video can be had gone for good",
        "airplane 2 0 1 1",
        "dog barking 4 3 1 0",
        "all classes 6 3 2 1",
    ]
    listed = [" ".join(line.split()) for line in invoke("status", "--data", workspace.root)
              .stdout.splitlines()]  # fmt: skip
    assert "gone for good 0 1" in listed
    assert "can be had 1 1" in listed


def test_media_are_counted_whoever_put_them_there(workspace: Workspace) -> None:
    """Files count by their names, temporary ones apart."""
    report = survey(workspace)
    assert report["media"] == {
        "video": {"test": 3, "train": 0},
        "frame": {"test": 1, "train": 1},
        "sound": {"test": 0, "train": 0},
    }
    assert report["left_over"] == 1
    assert report["bytes"] == {"clips": 12, "frames": 12}


def test_proposals_annotations_releases_and_runs_are_listed(workspace: Workspace) -> None:
    """Each room of the directory has its counts."""
    columns = {"clip_id": [TEST[0], TEST[0], TEST[1]], "sound_class": ["dog barking", None, None]}
    pq.write_table(pa.table(columns), workspace.proposals_table)
    append_events(
        workspace.annotations_log,
        [
            new_event(TEST[0], "dog barking", "yes", [EventBox(Box(0, 0, 1, 1))],
                      stage="verify", reviewer="ada", tool="by hand"),
            new_event(TEST[1], "dog barking", "no", stage="verify", reviewer="ben", tool="t"),
        ],
    )  # fmt: skip
    make_release(workspace, "v1")
    touch(workspace.root / "releases" / "strange" / "vggss.json")
    touch(workspace.run_dir("lvs") / "checkpoint.pth")
    report = survey(workspace)
    assert report["proposals"] == {
        "test": {"detections": 3, "clips": 2, "clips_with_candidate": 1},
        "train": {"detections": 0, "clips": 0, "clips_with_candidate": 0},
    }
    assert report["annotations"] == {
        "events": 2,
        "reviewers": ["ada", "ben"],
        "splits": {"test": {"no": 1, "none": 2, "yes": 1}, "train": {"none": 2}},
    }
    strange, first = report["releases"]
    assert (strange["name"], strange["counts"], strange["newest"]) == ("strange", None, True)
    assert (first["name"], first["split"], first["counts"]["clips"]) == ("v1", "test", 1)
    assert report["runs"] == [{"name": "lvs", "files": 1}]
    assert report["predictions"] == []


def test_kept_maps_are_no_runs(workspace: Workspace) -> None:
    """Folders without a checkpoint are no runs; those with maps are listed as what they are."""
    touch(workspace.run_dir("lvs") / "checkpoint.pth")
    touch(workspace.run_dir("lvs") / ".train.lock")
    for clip_id in TEST[:2]:
        touch(workspace.run_dir("predict") / f"{clip_id}.npy")
    touch(workspace.run_dir("predict") / f".part-0123-{TEST[2]}.npy")
    touch(workspace.run_dir("notes") / "read.me")
    report = survey(workspace)
    assert report["runs"] == [{"name": "lvs", "files": 1}]
    assert report["predictions"] == [{"name": "predict", "maps": 2}]


def test_a_loop_of_links_is_no_file(workspace: Workspace, invoke: Callable[..., Result]) -> None:
    """A link that points at itself counts as missing, and looking goes on."""
    path = workspace.clip_path(TEST[3])
    path.symlink_to(path.name)
    assert survey(workspace)["media"]["video"] == {"test": 3, "train": 0}


def test_looking_changes_nothing(workspace: Workspace) -> None:
    """The same files are there afterwards, and no other; the ledger says what it said."""

    def contents() -> dict[str, Any]:
        files = {path.name: path.read_bytes() for path in workspace.root.rglob("*.*")}
        del files["ledger.sqlite"]  # SQLite counts who opened it
        with Ledger(workspace.ledger_path) as ledger:
            return {**files, "outcomes": ledger.outcomes()}

    before = contents()
    survey(workspace)
    assert contents() == before


@pytest.mark.parametrize("name", ["clips.parquet", "ledger.sqlite", "proposals.parquet"])
def test_a_file_that_cannot_be_read_is_named(workspace: Workspace, name: str) -> None:
    """A damaged table or ledger is one clear line."""
    (workspace.root / name).write_bytes(b"this is no table" * 100)
    with pytest.raises(InvalidInput, match=name):
        survey(workspace)


def test_the_command_prints_a_table(workspace: Workspace, invoke: Callable[..., Result]) -> None:
    """People read a column for each split; rows of only zeros are left out."""
    append_events(
        workspace.annotations_log,
        [
            new_event(TEST[0], "dog barking", "yes", [EventBox(Box(0, 0, 1, 1))],
                      stage="verify", reviewer="ada", tool="by hand"),
        ],
    )  # fmt: skip
    make_release(workspace, "v1")
    touch(workspace.run_dir("lvs") / "checkpoint.pth")
    touch(workspace.run_dir("predict-swap") / f"{TEST[0]}.npy")
    result = invoke("status", "--data", workspace.root)
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    for expected in (
        "test train",
        "clips 4 2",
        "with video 3 0",
        "extract done 1 1",
        "failed: no_audio 1 0",
        "gone 1 0",
        "missing 1 1",
        "annotated: yes 1 0",
        "v1 (split test; clips: 1; boxes: 1; newest)",
        "lvs (files: 1)",
        "kept by predict",
        "predict-swap (maps of clips: 1)",
        "temporary files of a run that was killed, or that goes on: 1",
    ):
        assert expected in lines
    assert result.stderr == ""


def test_the_command_writes_one_json_object(
    workspace: Workspace, invoke: Callable[..., Result]
) -> None:
    """With --json nothing else goes to stdout."""
    result = invoke("status", "--data", workspace.root, "--json")
    value: dict[str, Any] = json.loads(result.stdout)
    assert value["schema"] == "vggss-status/1"
    assert value["data"] == str(workspace.root)


@pytest.mark.parametrize("is_there", [True, False])
def test_an_empty_or_missing_directory_gives_one_line_that_helps(
    tmp_path: Path, invoke: Callable[..., Result], is_there: bool
) -> None:
    """Without clips the command says what to do and makes nothing; no directory is an error."""
    root = tmp_path / "data"
    if is_there:
        root.mkdir()
    result = invoke("status", "--data", root)
    assert result.exit_code == (0 if is_there else 1), result.output
    said, silent = (result.stdout, result.stderr)[:: 1 if is_there else -1]
    assert said.count("\n") == 1
    assert silent == ""
    assert "`vggss sample DIR`" in said
    assert root.exists() == is_there
    assert not is_there or list(root.iterdir()) == []
    assert json.loads(invoke("status", "--data", root, "--json").stdout)["exists"] == is_there


def test_what_other_sources_have_refused_is_shown(
    tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """A clip's last outcome does not hide what an earlier source said for good."""
    clip = Clip("a_000000", "dog barking", "test")
    workspace = Workspace.create(tmp_path / "data")
    write_clips(workspace.clips_table, [clip])
    earlier = {"source": {"name": "youtube"}, "kind": "removed", "message": "gone"}
    facts = {"earlier_sources": [earlier]}
    with Ledger(workspace.ledger_path) as ledger:
        ledger.record(
            [Outcome(clip.clip_id, "fetch", "failed", FailureKind.TIMEOUT, "slow", facts=facts)]
        )
    done = invoke("status", "--data", workspace.root, "--json")
    assert json.loads(done.stdout)["refused_by"] == {"youtube": {"test": {"removed": 1}}}
    assert "refused by youtube: removed" in invoke("status", "--data", workspace.root).stdout
