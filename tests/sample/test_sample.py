"""``vggss sample``: a complete data directory, resumable, and nothing else's."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from vggss_tools.annotate.events import Decision
from vggss_tools.annotate.log import append_events, read_events
from vggss_tools.clips import Clip
from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.media.encode import write_clip
from vggss_tools.sample.stage import SampleStage, parse_sample_id
from vggss_tools.sample.world import BENCHMARK_FRAME, N_FRAMES, clip_of, make_scene
from vggss_tools.workspace import Workspace

Invoke = Callable[..., Result]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small world of seed 4; not to be changed."""
    from click.testing import CliRunner

    from vggss_tools.cli import group

    root = tmp_path_factory.mktemp("sample") / "world"
    result = CliRunner().invoke(
        group, ["sample", str(root), "--seed", "4", "--train", "3", "--test", "2"]
    )
    assert result.exit_code == 0, result.output
    return root


@pytest.fixture
def world(made: Path, tmp_path: Path) -> Path:
    """A copy of that world."""
    shutil.copytree(made, tmp_path / "world")
    return tmp_path / "world"


def contents(root: Path) -> dict[str, bytes]:
    """Every file but the ledger, whose rows hold the time."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.startswith(("ledger", "."))
    }


def test_a_world_is_a_data_directory(made: Path) -> None:
    """The clip table lists train and test, and every clip is there."""
    workspace = Workspace(made)
    clips = workspace.clips()
    assert [clip.split for clip in clips] == ["train"] * 3 + ["test"] * 2
    assert clips == [clip_of(4, clip.split, parse_sample_id(clip.clip_id)[2]) for clip in clips]
    assert all(workspace.clip_path(clip.clip_id).is_file() for clip in clips)


def test_clips_decode_to_what_was_drawn(made: Path) -> None:
    """A clip has 250 frames, a key frame a second, ten seconds of sound, and is small."""
    workspace = Workspace(made)
    clip = workspace.clips("test")[0]
    path = workspace.clip_path(clip.clip_id)
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        assert (stream.codec_context.name, stream.average_rate) == ("h264", 25)
        frames = list(video.decode(stream))
        assert len(frames) == N_FRAMES
        assert [k for k, frame in enumerate(frames) if frame.key_frame] == list(range(0, 250, 25))
        shown = frames[BENCHMARK_FRAME].to_ndarray(format="rgb24").astype(float)
        assert frames[BENCHMARK_FRAME].time == pytest.approx(4.96)
    with av.open(str(path)) as video:
        audio = video.streams.audio[0]
        assert audio.codec_context.name == "aac"
        assert audio.rate >= 16_000
        heard = np.concatenate([f.to_ndarray()[0] for f in video.decode(audio)])
    scene = make_scene(*parse_sample_id(clip.clip_id))
    error = np.sqrt(np.mean((shown - scene.render(BENCHMARK_FRAME)) ** 2))
    assert error < 12  # of 255: compression
    sound = scene.sound()
    assert len(heard) == pytest.approx(len(sound), abs=2048)
    n = min(len(heard), len(sound))
    assert np.corrcoef(heard[:n], sound[:n])[0, 1] > 0.9
    assert path.stat().st_size < 400_000


def test_the_truth_table_has_every_box_of_every_frame(made: Path) -> None:
    """truth.parquet gives back what the scene says of a frame."""
    table = pq.read_table(made / "truth.parquet").to_pandas()
    assert list(table.columns) == [
        "clip_id", "frame", "object", "label", "sounding", "xmin", "ymin", "xmax", "ymax",
    ]  # fmt: skip
    assert table.dtypes["xmin"] == np.float32
    clip = clip_of(4, "test", 1)
    scene = make_scene(4, "test", 1)
    for frame in (0, BENCHMARK_FRAME, N_FRAMES - 1):
        rows = table[(table.clip_id == clip.clip_id) & (table.frame == frame)]
        boxes = scene.boxes(frame)
        assert list(rows.object) == [box.object for box in boxes]
        assert list(rows.label) == [box.label for box in boxes]
        assert list(rows.sounding) == [box.sounding for box in boxes]
        got = rows[["xmin", "ymin", "xmax", "ymax"]].to_numpy()
        assert np.allclose(got, [box.box.as_list() for box in boxes], atol=1e-6)


def test_events_stand_in_for_people(made: Path) -> None:
    """Each clip has one yes with what sounds, and one no for each class that is silent."""
    events = read_events(made / "annotations.jsonl")
    assert {event.reviewer for event in events} == {"sample-world"}
    assert {event.tool for event in events} == {"vggss sample"}
    for clip in Workspace(made).clips():
        scene = make_scene(*parse_sample_id(clip.clip_id))
        boxes = scene.boxes(BENCHMARK_FRAME)
        mine = [event for event in events if event.clip_id == clip.clip_id]
        (yes,) = [event for event in mine if event.decision is Decision.YES]
        assert yes.label == clip.label
        assert len(yes.sounding_boxes) == sum(box.sounding for box in boxes)
        assert not yes.silent_boxes
        no = {event.label: event for event in mine if event.decision is Decision.NO}
        assert set(no) == {box.label for box in boxes if not box.sounding}
        for label, event in no.items():
            expected = [box.box.as_list() for box in boxes if box.label == label]
            assert np.allclose([box.as_list() for box in event.silent_boxes], expected, atol=1e-6)
            assert not event.sounding_boxes


def test_a_second_run_does_no_work(world: Path, invoke: Invoke) -> None:
    """Nothing is written again, and the result says so."""
    before = {path: path.stat().st_mtime_ns for path in world.rglob("*") if path.is_file()}
    result = invoke("sample", world, "--seed", 4, "--train", 3, "--test", 2, "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["schema"] == "vggss-sample/1"
    assert (told["done"], told["skipped"], told["clips"]) == (0, 5, {"train": 3, "test": 2})
    after = {path: path.stat().st_mtime_ns for path in world.rglob("*") if path.is_file()}
    quiet = {path for path in before if not path.name.startswith(("ledger", "."))}
    assert {path: after[path] for path in quiet} == {path: before[path] for path in quiet}


def test_what_is_missing_is_made_again(world: Path, invoke: Invoke) -> None:
    """A lost clip and lost tables come back as they were."""
    before = contents(world)
    lost = Workspace(world).clips("train")[1].clip_id
    (world / "clips" / f"{lost}.mp4").unlink()
    (world / "truth.parquet").unlink()
    result = invoke("sample", world, "--seed", 4, "--train", 3, "--test", 2, "--workers", 0)
    assert result.exit_code == 0, result.stderr
    assert contents(world) == before


def test_a_world_grows_and_keeps_what_people_added(world: Path, invoke: Invoke) -> None:
    """More clips are added to those there; events of others in the log stay."""
    log = world / "annotations.jsonl"
    first = read_events(log)[0]
    people = type(first).from_json(
        {**first.as_json(), "event_id": "00000000-0000-4000-8000-000000000001", "reviewer": "me"}
    )
    append_events(log, [people])
    before = log.read_bytes()
    result = invoke("sample", world, "--seed", 4, "--train", 1, "--test", 3, "--workers", 0)
    assert result.exit_code == 0, result.stderr
    splits = [clip.split for clip in Workspace(world).clips()]
    assert (splits.count("train"), splits.count("test")) == (3, 3)
    assert log.read_bytes().startswith(before)
    added = read_events(log)[len(before.splitlines()) :]
    assert {event.clip_id for event in added} == {clip_of(4, "test", 2).clip_id}


def test_a_killed_run_is_continued(made: Path, tmp_path: Path) -> None:
    """After SIGKILL in the middle, the same command ends in the same world."""
    root = tmp_path / "world"
    command = [sys.executable, "-m", "vggss_tools", "sample", str(root), "--workers", "1"]
    command += ["--seed", "4", "--train", "3", "--test", "2"]

    def clips() -> list[Path]:
        return [path for path in root.rglob("*.mp4") if not path.name.startswith(".")]

    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as run:
        while not clips():
            with contextlib.suppress(subprocess.TimeoutExpired):
                assert run.wait(timeout=0.02) == 0
        os.killpg(run.pid, signal.SIGKILL)
    assert 1 <= len(clips()) < 5
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    assert not list(root.rglob(".part*"))
    assert contents(root) == contents(made)


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda root: (root / "notes.txt").write_text("mine"), "no sample world"),
        (lambda root: (root / "clips.parquet").write_bytes(b"x"), "data of its own"),
        (lambda root: (root / "sample.json").write_text("{}"), "not the marker"),
    ],
)
def test_another_directory_is_refused(
    tmp_path: Path, invoke: Invoke, prepare: Callable[[Path], object], says: str
) -> None:
    """A directory that holds anything but this world is left as it is, with one line."""
    prepare(tmp_path)
    before = contents(tmp_path)
    result = invoke("sample", tmp_path, "--train", 1, "--test", 1)
    assert result.exit_code in (1, 6)
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert contents(tmp_path) == before


def test_a_world_of_another_seed_is_refused(world: Path, invoke: Invoke) -> None:
    """The line names the seed that the directory holds."""
    result = invoke("sample", world, "--seed", 5, "--train", 3, "--test", 2)
    assert result.exit_code == 1
    assert "seed 4" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path, invoke: Invoke) -> None:
    """DIR that is a file is a usage error."""
    (tmp_path / "file").write_text("")
    assert invoke("sample", tmp_path / "file").exit_code == 2


def test_an_empty_world_is_refused(tmp_path: Path, invoke: Invoke) -> None:
    """No clips at all is a usage error, and nothing is made."""
    result = invoke("sample", tmp_path / "world", "--train", 0, "--test", 0)
    assert result.exit_code == 2
    assert not (tmp_path / "world").exists()


@pytest.mark.parametrize("clip_id", ["abcdefghijk_000010", "sample1-val-00000_000000", "sample"])
def test_only_sample_clips_have_a_scene(clip_id: str) -> None:
    """Ids of other clips are refused."""
    with pytest.raises(ValueError, match="not the id"):
        parse_sample_id(clip_id)


def test_encoding_rgb_gives_the_picture_back(tmp_path: Path) -> None:
    """Frames in RGB are encoded too; a flat colour comes back as it was."""
    frames = [np.full((48, 64, 3), (200, 90, 40), np.uint8)] * 5
    sound = np.zeros(3200, np.float32)
    path = tmp_path / "clip.mp4"
    write_clip(path, frames, sound, width=64, height=48, fps=25, sample_rate=16_000)
    with av.open(str(path)) as video:
        decoded = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(decoded) == 5
    assert np.abs(decoded[2].astype(int) - frames[0]).max() <= 6


def write_black(path: Path, frames: int = 1) -> None:
    """Encode black frames with silence."""
    picture = [np.zeros((48, 64, 3), np.uint8)] * frames
    sound = np.zeros(640 * frames, np.float32)
    write_clip(path, picture, sound, width=64, height=48, fps=25, sample_rate=16_000)


def test_a_failure_of_ffmpeg_is_told_in_its_words(tmp_path: Path) -> None:
    """Where ffmpeg cannot write, the failure names the file and the cause, and nothing is left."""
    path = tmp_path / "clip.mp4"
    path.mkdir()
    with pytest.raises(ClipFailure, match=r"clip\.mp4: ffmpeg could not write .*directory"):
        write_black(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_known_as_such(tmp_path: Path) -> None:
    """A device without space gives the kind that stops the stage."""
    (tmp_path / "clip.mp4").symlink_to("/dev/full")
    with pytest.raises(ClipFailure) as caught:
        write_black(tmp_path / "clip.mp4", frames=50)
    assert caught.value.kind is FailureKind.DISK_FULL


def test_a_clip_of_another_kind_fails_alone(tmp_path: Path) -> None:
    """The stage refuses a clip that is none of the sample world's, by its id."""
    stage = SampleStage(Workspace(tmp_path))
    (failure,) = stage.process_batch([Clip("abcdefghijk_000010", "dog barking", "train")], [{}])
    assert isinstance(failure, ClipFailure)
    assert "not the id" in failure.message
