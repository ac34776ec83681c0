"""`vggss extract`: from clips to the benchmark's frames and sounds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from clip_maker import make_clip

from vggss_tools.clips import Clip, write_clips
from vggss_tools.ledger import Ledger, Outcome
from vggss_tools.media.audio import centre_audio, read_wav
from vggss_tools.media.frames import frame_at, frames_at
from vggss_tools.media.ticks import middle_ticks
from vggss_tools.workspace import Workspace

Invoke = Callable[..., Result]
GOOD, SILENT, EMPTY, SHORT, MISSING = (f"{name:x<11}_000000" for name in "gsetm")


@pytest.fixture(scope="module")
def good_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that nothing is wrong with."""
    return make_clip(tmp_path_factory.mktemp("good") / "clip.mp4")


@pytest.fixture
def workspace(tmp_path: Path, good_clip: Path) -> Workspace:
    """One good clip in split `test`."""
    made = Workspace.create(tmp_path / "data")
    write_clips(made.clips_table, [Clip(GOOD, "church bell ringing", "test")])
    made.clip_path(GOOD).parent.mkdir(exist_ok=True)
    shutil.copy(good_clip, made.clip_path(GOOD))
    return made


@pytest.fixture
def mixed(workspace: Workspace, tmp_path: Path) -> Workspace:
    """The good clip and one of every failure; the missing one is in split `train`."""
    make_clip(workspace.clip_path(SILENT), seconds=6, sound=False)
    workspace.clip_path(EMPTY).touch()
    make_clip(workspace.clip_path(SHORT), seconds=2)
    clips = [Clip(name, "owl hooting", "test") for name in (GOOD, SILENT, EMPTY, SHORT)]
    clips.append(Clip(MISSING, "owl hooting", "train"))
    write_clips(workspace.clips_table, clips)
    return workspace


def test_writes_frame_and_sound(invoke: Invoke, workspace: Workspace) -> None:
    """Frame 125 as JPEG at the source's size, and 3 s of 16 kHz mono PCM-16."""
    result = invoke("extract", "--data", workspace.root, "--workers", 0)
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert result.stderr.split() == ["extract", "done", "1"]
    picture = cv2.imread(str(workspace.frame_path(GOOD)))
    assert picture is not None
    exact = frame_at(workspace.clip_path(GOOD))
    assert picture.shape == exact.shape
    assert np.abs(picture[:, :, ::-1].astype(int) - exact).mean() < 5  # JPEG, quality 95
    sound, rate = read_wav(workspace.audio_path(GOOD))
    assert (sound.shape, rate) == ((48_000,), 16_000)
    assert np.abs(sound - centre_audio(workspace.clip_path(GOOD))).max() <= 0.51 / 32_768


def test_second_run_does_no_work(invoke: Invoke, workspace: Workspace) -> None:
    """What is done is skipped; a changed setting or clip, or a lost file, is done again."""

    def counts(*arguments: str) -> tuple[int, int]:
        result = invoke(
            "extract", "--data", workspace.root, "--workers", 0, "--json", "-", *arguments
        )
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        return report["done"], report["skipped"]

    assert counts() == (1, 0)
    written = workspace.frame_path(GOOD).stat().st_mtime_ns
    assert counts() == (0, 1)
    assert workspace.frame_path(GOOD).stat().st_mtime_ns == written
    assert counts("--frame-time", "2") == (1, 0)
    assert counts("--seconds", "1", "--rate", "8000", "--centre", "4") == (1, 0)
    sound, rate = read_wav(workspace.audio_path(GOOD))
    assert (sound.shape, rate) == ((8_000,), 8_000)
    assert counts() == (1, 0)
    workspace.audio_path(GOOD).unlink()
    assert counts() == (1, 0)
    make_clip(workspace.clip_path(GOOD), seconds=7)
    assert counts() == (1, 0)


def test_one_clip_leaves_the_others_alone(invoke: Invoke, mixed: Workspace) -> None:
    """Each unfit clip has its kind; what can never succeed ends with 3, what can with 4."""
    result = invoke("extract", "--data", mixed.root, "--workers", 0, "--json")
    assert result.exit_code == 4, result.output  # the missing clip may yet arrive
    report = json.loads(result.stdout)
    assert report["schema"] == "vggss-extract/1"
    assert report["n_clips"] == 5
    assert (report["done"], report["skipped"]) == (1, 0)
    assert report["failed"] == {"corrupt": 1, "no_audio": 1, "not_found": 1, "too_short": 1}
    kinds = {failure["clip_id"]: failure["kind"] for failure in report["failures"]}
    assert kinds == {
        SILENT: "no_audio",
        EMPTY: "corrupt",
        SHORT: "too_short",
        MISSING: "not_found",
    }
    assert all(f["clip_id"] in f["message"] for f in report["failures"])
    assert [path.name for path in mixed.frame_path(GOOD).parent.iterdir()] == [f"{GOOD}.jpg"]

    result = invoke("extract", "--data", mixed.root, "--workers", 0, "--split", "test")
    assert result.exit_code == 3
    assert "3 clip(s) failed" in result.stderr


def test_retry_tries_unfit_clips_again(
    invoke: Invoke, mixed: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clip found unfit is left alone until it changes, or --retry says so."""
    arguments = ("extract", "--data", mixed.root, "--workers", 0, "--split", "test")
    assert invoke(*arguments).exit_code == 3
    opened: list[str] = []

    def forget(path: Path, **options: bool) -> None:
        opened.append(path.stem)
        raise AssertionError("not to be reached without --retry")

    with monkeypatch.context() as patch:
        patch.setattr("vggss_tools.extract.open_media", forget)
        assert invoke(*arguments).exit_code == 3
        assert opened == []
        invoke(*arguments, "--retry")
    assert sorted(opened) == sorted([SILENT, EMPTY, SHORT])


def test_several_processes(invoke: Invoke, workspace: Workspace) -> None:
    """Worker processes give the same files as this one."""
    invoke("extract", "--data", workspace.root, "--workers", 0)
    alone = workspace.frame_path(GOOD).read_bytes(), workspace.audio_path(GOOD).read_bytes()
    other = "hxxxxxxxxxx_000000"
    shutil.copy(workspace.clip_path(GOOD), workspace.clip_path(other))
    write_clips(
        workspace.clips_table,
        [Clip(GOOD, "owl hooting", "test"), Clip(other, "owl hooting", "test")],
    )
    result = invoke("extract", "--data", workspace.root, "--workers", 2)
    assert result.exit_code == 0, result.output
    together = workspace.frame_path(other).read_bytes(), workspace.audio_path(other).read_bytes()
    assert together == alone


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *((name, v) for name in ("--frame-time", "--seconds", "--centre") for v in ("nan", "inf")),
        ("--frame-time", "3601"),
        ("--seconds", "1e12"),
        ("--rate", "99999999999"),
    ],
)
def test_numbers_that_fit_no_clip_are_refused(
    invoke: Invoke, workspace: Workspace, option: str, value: str
) -> None:
    """A slip in a number is a usage error, and marks no clip as failed."""
    result = invoke("extract", "--data", workspace.root, option, value)
    assert result.exit_code == 2, result.output
    assert option in result.stderr
    assert not workspace.ledger_path.exists()


def test_a_loop_of_links_is_an_unfit_clip(invoke: Invoke, workspace: Workspace) -> None:
    """A clip whose file points at itself fails alone, as corrupt."""
    path = workspace.clip_path(SHORT)
    path.symlink_to(path.name)
    write_clips(workspace.clips_table, [Clip(n, "owl hooting", "test") for n in (GOOD, SHORT)])
    result = invoke("extract", "--data", workspace.root, "--workers", 0, "--json")
    assert result.exit_code == 3, result.output
    report = json.loads(result.stdout)
    assert (report["done"], report["failed"]) == (1, {"corrupt": 1})


@pytest.mark.parametrize(
    ("arguments", "frame_time"),
    [
        (["--frame", "benchmark"], 4.96),
        (["--frame", "centre"], 5.0),
        (["--frame", "time:2.5"], 2.5),
        (["--frame-time", "2.5"], 2.5),
    ],
)
def test_choices_of_the_frame(
    invoke: Invoke, workspace: Workspace, arguments: list[str], frame_time: float
) -> None:
    """Each way to name a moment gives the frame of that moment."""
    result = invoke("extract", "--data", workspace.root, "--workers", 0, "--json", *arguments)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["settings"]["frame_time"] == frame_time
    picture = cv2.imread(str(workspace.frame_path(GOOD)))
    assert picture is not None
    exact = frame_at(workspace.clip_path(GOOD), frame_time)
    assert np.abs(picture[:, :, ::-1].astype(int) - exact).mean() < 5


def test_several_frames(invoke: Invoke, workspace: Workspace) -> None:
    """Numbered frames stand in a folder beside the benchmark's; those of another run go."""
    folder = workspace.root / "frames" / GOOD
    result = invoke("extract", "--data", workspace.root, "--workers", 0, "--frame", "frames:5@1")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in folder.iterdir()) == [f"{n:03d}.jpg" for n in range(1, 6)]
    picture = cv2.imread(str(folder / "002.jpg"))
    assert picture is not None
    exact = frames_at(workspace.clip_path(GOOD), middle_ticks(5, Fraction(1)))[1]
    assert np.abs(picture[:, :, ::-1].astype(int) - exact).mean() < 5
    benchmark = workspace.frame_path(GOOD).read_bytes()

    result = invoke("extract", "--data", workspace.root, "--workers", 0, "--frame", "frames:2@25")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in folder.iterdir()) == ["001.jpg", "002.jpg"]
    assert workspace.frame_path(GOOD).read_bytes() == benchmark
    assert (folder / "002.jpg").read_bytes() != benchmark  # of an even number, no one is it
    assert (folder / "001.jpg").read_bytes() == benchmark


@pytest.mark.parametrize(("length", "seconds"), [("3s", 3), ("10s", 10), ("full", 10)])
def test_choices_of_the_sound(
    invoke: Invoke, workspace: Workspace, length: str, seconds: int
) -> None:
    """A length by name, or all that there is."""
    result = invoke("extract", "--data", workspace.root, "--workers", 0, "--audio", length)
    assert result.exit_code == 0, result.output
    sound, rate = read_wav(workspace.audio_path(GOOD))
    assert rate == 16_000
    assert len(sound) == pytest.approx(seconds * 16_000, abs=1_600 if length == "full" else 0)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--frame", "centre", "--frame-time", "5"],
        ["--audio", "3s", "--seconds", "3"],
        ["--audio", "full", "--centre", "5"],
        ["--seconds", "0.00001"],
        ["--frame", "middle"],
        ["--frame", "time:"],
        ["--frame", "time:nan"],
        ["--frame", "time:-1"],
        ["--frame", "frames:5"],
        ["--frame", "frames:0@5"],
        ["--frame", "frames:5@0"],
        ["--frame", "frames:11@1"],
        ["--frame", "frames:1@1/0"],
        ["--audio", "5s"],
        ["--address", "auto"],
    ],
    ids=" ".join,
)
def test_choices_that_contradict_or_fit_no_clip(
    invoke: Invoke, workspace: Workspace, arguments: list[str]
) -> None:
    """They are usage errors of one line, before anything is done."""
    result = invoke("extract", "--data", workspace.root, *arguments)
    assert result.exit_code == 2, result.output
    assert "Error:" in result.stderr.splitlines()[-1]
    assert not workspace.ledger_path.exists()


def test_clip_inside_of_a_longer_file(invoke: Invoke, workspace: Workspace) -> None:
    """Where the ledger says at which second a clip begins, frame and sound are taken from there."""

    def run() -> tuple[int, int]:
        result = invoke("extract", "--data", workspace.root, "--workers", 0, "--json")
        assert result.exit_code == 0, result.output
        report = json.loads(result.stdout)
        return report["done"], report["skipped"]

    path = workspace.clip_path(GOOD)
    make_clip(path, seconds=14)
    assert run() == (1, 0)
    with Ledger(workspace.ledger_path) as ledger:
        ledger.record([Outcome(GOOD, "fetch", "done", facts={"offset": 3.4})])
    assert run() == (1, 0)
    assert run() == (0, 1)
    picture = cv2.imread(str(workspace.frame_path(GOOD)))
    assert picture is not None
    exact = frame_at(path, offset=3.4)
    assert np.abs(picture[:, :, ::-1].astype(int) - exact).mean() < 5
    sound, _ = read_wav(workspace.audio_path(GOOD))
    assert np.abs(sound - centre_audio(path, offset=3.4)).max() <= 0.51 / 32_768


def test_batches(invoke: Invoke, workspace: Workspace) -> None:
    """Clips handed over by several at a time fail one by one."""
    names = [f"clip{number:07d}_000000" for number in range(12)]
    for name in names:
        shutil.copy(workspace.clip_path(GOOD), workspace.clip_path(name))
    workspace.clip_path(names[5]).write_bytes(b"")
    write_clips(workspace.clips_table, [Clip(name, "owl hooting", "test") for name in names])
    result = invoke("extract", "--data", workspace.root, "--workers", 1, "--json")
    assert result.exit_code == 3, result.output
    report = json.loads(result.stdout)
    assert report["done"] == 11
    assert [failure["clip_id"] for failure in report["failures"]] == [names[5]]


def test_unknown_split(invoke: Invoke, workspace: Workspace) -> None:
    """A split that is not there is one clear line that names those that are."""
    result = invoke("extract", "--data", workspace.root, "--split", "validation")
    assert result.exit_code == 1
    assert "no clip of split 'validation'; the splits there are: test" in result.stderr


def files_in(folder: Path) -> list[str]:
    """Names of the files below a folder."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def unknown(invoke: Invoke, root: Path) -> list[str]:
    """Frames and sounds that `vggss validate` finds to be not as recorded."""
    findings = json.loads(invoke("validate", "--data", root, "--json", "-").stdout)["findings"]
    return [one["path"] for one in findings if not one["path"].startswith("clips/")]


def test_what_another_choice_made_is_removed(invoke: Invoke, workspace: Workspace) -> None:
    """Only what this stage has made and recorded; then nothing is there that nobody knows."""
    root = workspace.root
    frames = root / "frames"
    many = invoke("extract", "--data", root, "--workers", 0, "--frame", "frames:4@8")
    assert many.exit_code == 0, many.output
    theirs = frames / GOOD / "note.txt"
    theirs.write_text("mine")
    changed = frames / GOOD / "002.jpg"
    changed.write_bytes(b"painted over")
    assert len(files_in(frames)) == 6
    assert unknown(invoke, root) == [f"frames/{GOOD}/002.jpg", f"frames/{GOOD}/note.txt"]
    assert invoke("extract", "--data", root, "--workers", 0).exit_code == 0
    assert files_in(frames) == [f"{GOOD}.jpg", f"{GOOD}/002.jpg", f"{GOOD}/note.txt"]
    theirs.unlink()
    changed.unlink()
    changed.parent.rmdir()
    assert unknown(invoke, root) == []

    short = invoke("extract", "--data", root, "--workers", 0, "--frame", "frames:4@8")
    assert short.exit_code == 0
    late = invoke("extract", "--data", root, "--workers", 2, "--frame", "time:99")
    assert late.exit_code == 3
    assert files_in(frames) == []
    assert files_in(root / "audio") == []
    assert unknown(invoke, root) == []


def test_a_missing_clip_leaves_what_was_made_of_it(invoke: Invoke, workspace: Workspace) -> None:
    """Clips that lie elsewhere for a while cost nobody the frames."""
    invoke("extract", "--data", workspace.root, "--workers", 0)
    workspace.clip_path(GOOD).unlink()
    invoke("extract", "--data", workspace.root, "--workers", 0)
    assert workspace.frame_path(GOOD).is_file()


@pytest.mark.parametrize(
    ("length", "offset", "seconds"), [(10, 0.0, 10.0), (30, 0.0, 10.0), (30, 15.0, 10.0),
                                      (30, 24.0, 6.0)],
)  # fmt: skip
def test_the_full_sound_is_the_clips(
    invoke: Invoke, workspace: Workspace, length: int, offset: float, seconds: float
) -> None:
    """Of a longer file the clip's ten seconds, or what there is of them."""
    clip = make_clip(workspace.clip_path(GOOD), seconds=length)
    if offset:
        with Ledger(workspace.ledger_path) as ledger:
            ledger.record([Outcome(GOOD, "fetch", "done", facts={"offset": offset})])
    invoke("extract", "--data", workspace.root, "--workers", 0, "--audio", "full")
    sound, rate = read_wav(workspace.audio_path(GOOD))
    assert len(sound) / rate == pytest.approx(seconds, abs=0.1)
    assert (
        np.abs(sound[4000:8000] - centre_audio(clip, 0.25, centre=0.375, offset=offset)).max()
        < 1e-4
    )
