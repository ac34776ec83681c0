"""``vggss release``: the fold of the log, frozen under a name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import Result

from vggss_tools.annotate.events import AnnotationStage, Decision, Event, EventBox
from vggss_tools.annotate.log import append_events
from vggss_tools.annotate.release.making import make_release
from vggss_tools.annotate.vggss_json import read_vggss_json
from vggss_tools.boxes import Box
from vggss_tools.clips import Clip, write_clips
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.workspace import Workspace

LEFT, RIGHT = Box(0.1, 0.2, 0.4, 0.8), Box(0.6, 0.2, 0.9, 0.8)


def event(
    number: int,
    clip_id: str,
    label: str,
    decision: str,
    sounding: Iterable[Box] = (),
    silent: Iterable[Box] = (),
    reviewer: str = "ada",
) -> Event:
    """Make an event; later numbers happen later."""
    return Event(
        event_id=str(UUID(int=number)),
        clip_id=clip_id,
        label=label,
        time=datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=number),
        stage=AnnotationStage.VERIFY,
        reviewer=reviewer,
        tool="by hand",
        decision=Decision(decision),
        boxes=(*(EventBox(b) for b in sounding), *(EventBox(b, sounding=False) for b in silent)),
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a data directory with five test clips, one train clip, and answers to most."""
    workspace = Workspace.create(tmp_path / "data")
    clips = [Clip(f"video{n}_000000", "dog barking", "test") for n in range(5)]
    write_clips(workspace.clips_table, [*clips, Clip("video9_000000", "airplane", "train")])
    append_events(
        workspace.annotations_log,
        [
            event(1, "video1_000000", "dog barking", "yes", [LEFT, RIGHT]),
            event(2, "video1_000000", "church bell ringing", "no", silent=[RIGHT]),
            event(3, "video0_000000", "dog barking", "no", [LEFT]),
            event(4, "video0_000000", "dog barking", "yes", [RIGHT], [LEFT], reviewer="ben"),
            event(5, "video2_000000", "dog barking", "yes", silent=[LEFT]),
            event(6, "video3_000000", "dog barking", "not_sure", [LEFT]),
            event(7, "video9_000000", "airplane", "yes", [LEFT]),
            event(8, "elsewhere_000000", "airplane", "yes", [LEFT]),
        ],
    )
    return workspace


def files_of(folder: Path) -> dict[str, bytes]:
    """Return everything in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_release_holds_what_sounds_and_what_is_silent(workspace: Workspace) -> None:
    """Sounding boxes come from a newest yes on the clip's class, silent ones from a newest no."""
    release = make_release(workspace, "v1")
    sounding = read_vggss_json(release.folder / "vggss.json", check_classes=True)
    assert sounding.name == "v1"
    assert [(e.file, e.label, [Box(*b) for b in e.boxes]) for e in sounding.entries] == [
        ("video0_000000", "dog barking", [RIGHT]),
        ("video1_000000", "dog barking", [LEFT, RIGHT]),
    ]
    silent = read_vggss_json(release.folder / "silent.json", repeated_files=True)
    assert [(e.file, e.label) for e in silent.entries] == [("video1_000000", "church bell ringing")]


def test_the_manifest_says_what_is_in_it_and_where_it_comes_from(workspace: Workspace) -> None:
    """Counts, checksums, reviewers and the clips that are left out stand in release.json."""
    release = make_release(workspace, "v1")
    manifest = json.loads((release.folder / "release.json").read_text())
    assert manifest == release.manifest
    assert manifest["schema"] == "vggss-release/1"
    assert manifest["counts"] == {
        "clips": 2,
        "classes": 1,
        "boxes": 3,
        "boxes_per_clip": {"1": 1, "2": 1},
        "silent_clips": 1,
        "silent_boxes": 1,
    }
    assert manifest["decisions"] == {"yes": 2, "yes_without_box": 1, "not_sure": 1, "none": 1}
    assert manifest["sources"]["reviewers"] == {"ada": 2, "ben": 1}
    assert manifest["sources"]["newest_event"] == "2026-03-01T00:04:00Z"
    assert manifest["stand_in"] is False
    for name, facts in manifest["files"].items():
        data = (release.folder / name).read_bytes()
        assert facts == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def test_boxes_of_a_sample_world_are_marked_as_stand_in(workspace: Workspace) -> None:
    """Truth that nobody looked at is said to be that."""
    own = event(9, "video3_000000", "dog barking", "yes", [LEFT], reviewer="sample-world")
    append_events(workspace.annotations_log, [own])
    assert make_release(workspace, "v1").manifest["stand_in"] is True


def test_the_same_annotations_are_not_released_twice(workspace: Workspace) -> None:
    """A second run touches no file, also when the log was merged with itself."""
    first = make_release(workspace, "v1")
    times = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    log = workspace.annotations_log
    log.write_bytes(log.read_bytes() * 2)
    assert make_release(workspace, "v1").action == "unchanged"
    assert times == {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}


def test_releases_of_two_machines_are_equal_byte_for_byte(
    workspace: Workspace, tmp_path: Path
) -> None:
    """Neither the order of the log nor the hour of the release shows in the files."""
    other = Workspace.create(tmp_path / "other")
    other.clips_table.write_bytes(workspace.clips_table.read_bytes())
    lines = workspace.annotations_log.read_text().splitlines(keepends=True)
    other.annotations_log.write_text("".join(reversed(lines)))
    assert files_of(make_release(other, "v1").folder) == files_of(
        make_release(workspace, "v1").folder
    )


def test_a_release_with_other_contents_is_not_overwritten(workspace: Workspace) -> None:
    """A taken name is refused; with force the old release is moved aside, whole."""
    first = make_release(workspace, "v1")
    before = files_of(first.folder)
    append_events(
        workspace.annotations_log, [event(10, "video4_000000", "dog barking", "yes", [LEFT])]
    )
    with pytest.raises(VggssError, match=r"v1: a release of that name has other contents"):
        make_release(workspace, "v1")
    assert files_of(first.folder) == before

    second = make_release(workspace, "v1", force=True)
    assert second.action == "replaced"
    assert second.manifest["counts"]["clips"] == 3
    assert second.kept is not None
    assert files_of(second.kept) == before
    assert workspace.newest_release() == second.folder

    append_events(workspace.annotations_log, [event(11, "video4_000000", "dog barking", "no")])
    third = make_release(workspace, "v1", force=True)
    assert third.kept != second.kept
    assert files_of(second.kept) == before


@pytest.mark.parametrize("force", [True, False])
def test_a_folder_of_other_files_is_never_moved(
    workspace: Workspace, tmp_path: Path, force: bool
) -> None:
    """A folder that is no release stays as it is, also with force."""
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("years of work")
    with pytest.raises(VggssError, match=r"holds other files.*choose another --out"):
        make_release(workspace, "v1", folder=mine, force=force)
    assert (mine / "thesis.tex").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "mine"]


def test_a_release_elsewhere_leaves_nothing_beside_it(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty folder is used; no lock is left there, and hints name the folder round it."""
    there = tmp_path / "there"
    (there / "v1").mkdir(parents=True)
    monkeypatch.chdir(there)
    assert make_release(workspace, "v1", folder=Path("v1")).action == "made"
    assert [path.name for path in there.iterdir()] == ["v1"]
    append_events(
        workspace.annotations_log, [event(10, "video4_000000", "dog barking", "yes", [LEFT])]
    )
    with pytest.raises(VggssError, match=r"another --out.*kept in there/\.replaced\)"):
        make_release(workspace, "v1", folder=Path("v1"))


def test_a_release_that_was_cut_off_is_made_anew(workspace: Workspace) -> None:
    """What a killed run left behind is neither a release nor in the way."""
    left = workspace.root / "releases" / ".making" / "v1"
    left.mkdir(parents=True)
    (left / "vggss.json").write_text("[")
    assert workspace.newest_release() is None
    assert make_release(workspace, "v1").action == "made"
    assert not left.parent.exists()


def test_a_release_that_somebody_changed_is_not_taken_for_the_same(workspace: Workspace) -> None:
    """An edited or a missing file of a release is noticed."""
    folder = make_release(workspace, "v1").folder
    (folder / "silent.json").unlink()
    with pytest.raises(VggssError, match="other contents"):
        make_release(workspace, "v1")


def test_another_version_of_the_tool_releases_the_same(workspace: Workspace) -> None:
    """Upgrading the tool alone does not make the contents other ones."""
    path = make_release(workspace, "v1").folder / "release.json"
    manifest = json.loads(path.read_text())
    manifest["tool"]["version"] = "0.0.1"
    path.write_text(json.dumps(manifest))
    assert make_release(workspace, "v1").action == "unchanged"


@pytest.mark.parametrize("name", ["", ".", "..", "../v1", "a/b", ".hidden", "a b", "-x", "a" * 200])
def test_a_name_that_is_no_folder_name_is_refused(workspace: Workspace, name: str) -> None:
    """A release cannot land outside of its place."""
    with pytest.raises(VggssError, match="release name"):
        make_release(workspace, name)
    assert not (workspace.root / "releases").exists()


def test_an_unknown_split_is_refused_with_those_there_are(workspace: Workspace) -> None:
    """The refusal lists the splits of the clip table."""
    with pytest.raises(VggssError, match=r"'validation'.*test, train"):
        make_release(workspace, "v1", split="validation")


def test_without_annotations_there_is_no_release(workspace: Workspace) -> None:
    """No log, and a log without a yes, each say what is missing."""
    lines = workspace.annotations_log.read_text().splitlines(keepends=True)
    workspace.annotations_log.write_text(lines[2])
    with pytest.raises(VggssError, match=r"no clip of split 'test' has a yes.*1 no, 4 none"):
        make_release(workspace, "v1")
    workspace.annotations_log.unlink()
    with pytest.raises(VggssError, match="no annotations to release"):
        make_release(workspace, "v1")
    assert not (workspace.root / "releases").exists()


def test_an_unknown_class_is_not_released(workspace: Workspace) -> None:
    """A class that VGG-Sound does not have is refused by log and clip, with the nearest name."""
    append_events(
        workspace.annotations_log,
        [event(12, "video1_000000", "church bell rining", "no", silent=[LEFT])],
    )
    with pytest.raises(
        InvalidInput, match=r"annotations\.jsonl: video1_000000: .*'church bell ringing'"
    ):
        make_release(workspace, "v1")


def test_an_id_with_two_contents_is_reported(workspace: Workspace) -> None:
    """A log in which one id stands for two events is released, and the person is told."""
    twice = event(1, "video1_000000", "dog barking", "no")
    append_events(workspace.annotations_log, [twice])
    notes: list[str] = []
    make_release(workspace, "v1", report=notes.append)
    assert len(notes) == 1
    assert twice.event_id in notes[0]


def test_the_command_prints_a_summary(workspace: Workspace, invoke: Callable[..., Result]) -> None:
    """People read counts, reviewers and what is left out."""
    result = invoke("release", "v1", "--data", workspace.root)
    assert result.exit_code == 0, result.output
    assert "clips: 2; classes: 1; sounding boxes: 3; silent boxes: 1 (clips: 1)" in result.stdout
    assert "ada (2), ben (1)" in result.stdout
    assert "1 none, 1 not sure, 1 yes without box" in result.stdout


def test_the_command_writes_one_json_object(
    workspace: Workspace, invoke: Callable[..., Result]
) -> None:
    """With --json nothing else goes to stdout, and a second run says that it did nothing."""
    actions = []
    for _ in range(2):
        result = invoke("--data", workspace.root, "release", "v1", "--json")
        assert result.exit_code == 0, result.output
        value: dict[str, Any] = json.loads(result.stdout)
        assert value["schema"] == "vggss-release/1"
        actions.append(value["action"])
    assert actions == ["made", "unchanged"]


def test_the_command_keeps_what_it_replaces(
    workspace: Workspace, invoke: Callable[..., Result]
) -> None:
    """--force says where the old release is kept; without it the exit code is 1."""
    invoke("release", "v1", "--data", workspace.root)
    append_events(
        workspace.annotations_log, [event(10, "video4_000000", "dog barking", "yes", [LEFT])]
    )
    refused = invoke("release", "v1", "--data", workspace.root)
    assert refused.exit_code == 1
    assert refused.stderr.count("\n") == 1
    forced = invoke("release", "v1", "--force", "--data", workspace.root)
    assert forced.exit_code == 0
    assert str(Path("releases") / ".replaced" / "v1-1") in forced.stderr


def test_the_command_says_in_one_line_why_there_is_nothing(
    tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """A directory without clips gives one clear line and a code that is not zero."""
    result = invoke("release", "v1", "--data", tmp_path / "nothing")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "nothing").exists()
