"""Predicting: maps with a clip's own sound, another's, or none; through the stage and in memory."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

torch = pytest.importorskip("torch", reason="the extra `models` is not installed")

from clip_folder import make_clip_folder  # noqa: E402

from vggss_tools.annotate.vggss_json import Entry, write_vggss_json  # noqa: E402
from vggss_tools.clips import Clip, write_clips  # noqa: E402
from vggss_tools.errors import InvalidInput, VggssError  # noqa: E402
from vggss_tools.evaluate.predictions import (  # noqa: E402
    read_predictions,
    write_predictions,
)
from vggss_tools.predict import (  # noqa: E402
    NOISE_LEVEL,
    artificial_sound,
    choose_sounds,
    predict_clips,
    read_silent_classes,
)
from vggss_tools.train.config import TrainConfig  # noqa: E402
from vggss_tools.train.data import pack  # noqa: E402
from vggss_tools.train.loop import CHECKPOINT, train  # noqa: E402
from vggss_tools.workspace import Workspace  # noqa: E402

Invoke = Callable[..., Result]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A data directory with a network that was trained for one step."""
    workspace = make_clip_folder(tmp_path_factory.mktemp("trained"), train=6, test=7)
    config = TrainConfig(
        backbone="resnet18-quarter", size=64, spectrogram="compact", steps=1, batch_size=6
    )
    train(config, pack(workspace, workspace.clips("train"), config.architecture), workspace.root)
    return workspace


@pytest.fixture
def model(trained: Workspace) -> Path:
    """Checkpoint of that network."""
    return trained.root / CHECKPOINT


@pytest.mark.parametrize("sound", ["own", "swap", "silence", "noise"])
def test_the_command_and_the_function_agree(
    trained: Workspace, model: Path, invoke: Invoke, tmp_path: Path, sound: str
) -> None:
    """`vggss predict` writes what ``predict_clips`` returns, whatever is heard."""
    out = tmp_path / "maps.npz"
    done = invoke(
        "predict", "--data", trained.root, "--model", model, "--sound", sound, "--out", out,
        "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["schema"] == "vggss-predict/1"
    assert (said["n_predicted"], said["map_shape"], said["missing"]) == (7, [4, 4], [])
    stored = read_predictions(out)
    found = predict_clips(model, trained, trained.clips("test"), sound)
    assert stored.clip_id == found.clip_id
    assert np.allclose(list(stored.maps()), found.maps, atol=1e-5)
    if sound != "own":
        assert stored.audio_id == found.audio_id
        assert stored.image_id == stored.clip_id


def test_other_sounds_give_other_maps(trained: Workspace, model: Path) -> None:
    """The map depends on what is heard, and silence is the same for everyone."""
    clips = trained.clips("test")
    own, swap, silence = (
        predict_clips(model, trained, clips, s).maps for s in ("own", "swap", "silence")
    )
    assert not np.allclose(own, swap)
    assert not np.allclose(own, silence)
    assert 0 <= own.min() <= own.max() <= 1 + 1e-6


def test_a_map_does_not_depend_on_its_company(trained: Workspace, model: Path) -> None:
    """Alone, in another order, or with all the others: a clip's map has the same bits."""
    clips = trained.clips("test")
    together = predict_clips(model, trained, clips).maps
    backwards = predict_clips(model, trained, clips[::-1]).maps
    assert np.array_equal(together, backwards[::-1])
    for clip, expected in zip(clips, together, strict=True):
        assert np.array_equal(predict_clips(model, trained, [clip]).maps[0], expected)


def test_a_second_run_does_no_work(trained: Workspace, model: Path, invoke: Invoke) -> None:
    """Maps that are there are taken from there, and the file comes out the same."""
    out = trained.root / "again.npz"
    arguments = ("predict", "--data", trained.root, "--model", model, "--out", out)
    assert invoke(*arguments).exit_code == 0
    maps = sorted((trained.run_dir("predict")).glob("*.npy"))
    before = [path.stat().st_mtime_ns for path in maps]
    first = out.read_bytes()
    assert invoke(*arguments).exit_code == 0
    assert [path.stat().st_mtime_ns for path in maps] == before
    assert out.read_bytes() == first


def test_a_swap_brings_the_sound_of_a_silent_object(trained: Workspace) -> None:
    """The partner is another clip of the split, of a class that is silent in the picture."""
    clips = trained.clips("test")
    labels = {clip.clip_id: clip.label for clip in clips}
    silent = read_silent_classes(trained.release_dir("tiny") / "silent.json")
    chosen = choose_sounds(trained, clips, "swap")
    assert set(chosen) == set(labels)
    for clip in clips:
        partner = chosen[clip.clip_id]
        assert partner in labels, "of the same split"
        assert labels[partner] in silent[clip.clip_id]
        assert labels[partner] != clip.label


def test_a_partner_does_not_depend_on_the_company(trained: Workspace) -> None:
    """A clip is heard with the same sound whichever clips are predicted with it."""
    clips = trained.clips("test")
    everything = choose_sounds(trained, clips, "swap")
    for clip in clips:
        assert choose_sounds(trained, [clip], "swap")[clip.clip_id] == everything[clip.clip_id]


def test_clips_without_a_silent_object_are_left_out_and_said(
    trained: Workspace, model: Path, invoke: Invoke, tmp_path: Path
) -> None:
    """A frame where everything sounds cannot be swapped."""
    entries = json.loads((trained.release_dir("tiny") / "silent.json").read_text())
    few = tmp_path / "silent.json"
    few.write_text(json.dumps(entries[:2]))
    done = invoke(
        "predict", "--data", trained.root, "--model", model, "--sound", "swap", "--silent", few,
        "--out", tmp_path / "swap.npz", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "5 of 7 clips have no silent object" in done.stderr
    assert json.loads(done.stdout)["n_predicted"] == 2
    assert len(json.loads(done.stdout)["left_out"]) == 5


def test_clips_that_are_not_extracted_are_named_and_counted(
    trained: Workspace, model: Path, invoke: Invoke, tmp_path: Path
) -> None:
    """What there is is predicted; the rest ends in exit code 4 and the command to run."""
    workspace = Workspace.create(tmp_path / "partly")
    write_clips(
        workspace.clips_table,
        [*trained.clips("test"), Clip("absent_000000", "dog barking", "test")],
    )
    for clip in trained.clips("test"):
        for get in (Workspace.frame_path, Workspace.audio_path):
            source, target = get(trained, clip.clip_id), get(workspace, clip.clip_id)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(source.read_bytes())
    done = invoke(
        "predict", "--data", workspace.root, "--model", model, "--out", tmp_path / "p.npz",
        "--json", tmp_path / "p.json",
    )  # fmt: skip
    assert done.exit_code == 4, done.output
    assert "absent_000000" in done.stderr
    assert "vggss extract" in done.stderr
    assert json.loads((tmp_path / "p.json").read_text())["missing"] == ["absent_000000"]
    assert len(read_predictions(tmp_path / "p.npz")) == 7
    found = predict_clips(model, workspace, workspace.clips("test"))
    assert list(found.missing) == ["absent_000000"]


def test_nothing_extracted_is_one_line(
    trained: Workspace, model: Path, invoke: Invoke, tmp_path: Path
) -> None:
    """Where there is not one map, no file is written."""
    workspace = Workspace.create(tmp_path / "empty")
    write_clips(workspace.clips_table, trained.clips("test"))
    done = invoke(
        "predict", "--data", workspace.root, "--model", model, "--out", tmp_path / "p.npz"
    )
    assert done.exit_code == 4
    assert "no map could be made of 7 clip(s)" in done.stderr
    assert "vggss extract" in done.stderr
    assert not (tmp_path / "p.npz").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 damaged"])
def test_a_file_that_is_no_checkpoint_is_one_line(
    trained: Workspace, invoke: Invoke, tmp_path: Path, content: bytes
) -> None:
    """Any other file as --model is refused by name, with exit code 6."""
    path = tmp_path / "model.pth"
    path.write_bytes(content)
    done = invoke("predict", "--data", trained.root, "--model", path, "--out", tmp_path / "p.npz")
    assert done.exit_code == 6
    assert len(done.stderr.splitlines()) == 1
    assert "model.pth" in done.stderr


@pytest.mark.parametrize("size", [3, 5000, -100])
def test_a_checkpoint_that_was_cut_off_is_one_line(
    trained: Workspace, model: Path, invoke: Invoke, tmp_path: Path, size: int
) -> None:
    """A half-copied checkpoint is refused by name with a remedy, whatever torch says of it."""
    path = tmp_path / "half.pth"
    path.write_bytes(model.read_bytes()[:size])
    done = invoke("predict", "--data", trained.root, "--model", path, "--out", tmp_path / "p.npz")
    assert done.exit_code == 6
    assert "half.pth: not a readable checkpoint" in done.stderr
    assert "copy it again" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unwritable_output_is_refused_before_the_model_is_read(
    trained: Workspace, invoke: Invoke, tmp_path: Path
) -> None:
    """The work is not done first: the model is not even looked for."""
    (tmp_path / "file").touch()
    for line in (
        ("--out", tmp_path / "file" / "p.npz"),
        ("--out", tmp_path / "p.npz", "--json", tmp_path / "file" / "p.json"),
    ):
        done = invoke("predict", "--data", trained.root, "--model", tmp_path / "no.pth", *line)
        assert done.exit_code == 1
        assert "cannot be written (Not a directory)" in done.stderr


def release(workspace: Workspace, name: str, split: str | None, clips: list[Clip]) -> Path:
    """Write a release of some clips by hand, the newest so far."""
    folder = workspace.release_dir(name)
    box = (0.1, 0.2, 0.5, 0.8)
    write_vggss_json(folder / "vggss.json", [Entry(c.clip_id, c.label, (box,)) for c in clips])
    if split is not None:
        (folder / "release.json").write_text(json.dumps({"split": split}))
    newest = max(path.stat().st_mtime_ns for path in folder.parent.glob("*/vggss.json"))
    os.utime(folder / "vggss.json", ns=(newest + 10**9, newest + 10**9))
    return folder / "vggss.json"


@pytest.fixture
def copied(trained: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the data directory, without its release."""
    shutil.copytree(trained.root, tmp_path / "copy", ignore=shutil.ignore_patterns("releases"))
    return Workspace(tmp_path / "copy")


def test_a_model_is_not_scored_on_its_training_clips_unasked(
    copied: Workspace, model: Path, invoke: Invoke
) -> None:
    """The newest release of another split is taken; where there is none, a warning is loud."""
    line = ("benchmark", "--data", copied.root, "--model", model, "--protocol", "lvs", "--json")
    train_release = release(copied, "for-training", "train", copied.clips("train"))
    warned = invoke(*line)
    assert warned.exit_code == 0, warned.output
    assert "Warning: lvs: the model was TRAINED ON split 'train'" in warned.stderr
    result = json.loads(warned.stdout)["results"][0]
    assert "6 of the 6 annotated clips" in result["warnings"][0]

    release(copied, "v1", "test", copied.clips("test"))
    release(copied, "for-training-2", "train", copied.clips("train"))
    fine = invoke(*line)
    assert json.loads(fine.stdout)["results"][0]["annotations"]["name"] == "v1"
    assert "TRAINED" not in fine.stderr
    asked = invoke(*line, "--annotations", train_release)
    assert "TRAINED ON split 'train'" in asked.stderr


def test_the_newest_release_of_another_split(copied: Workspace) -> None:
    """A release without a manifest is of no known split, and is left in."""
    release(copied, "a", None, copied.clips("test"))
    release(copied, "b", "test", copied.clips("test"))
    release(copied, "c", "train", copied.clips("train"))
    chosen = {split: copied.newest_release(not_split=split) for split in (None, "train", "test")}
    assert {split: path and path.name for split, path in chosen.items()} == {
        None: "c", "train": "b", "test": "c",
    }  # fmt: skip


def test_clips_without_a_map_are_counted_with_a_reason(
    copied: Workspace, model: Path, invoke: Invoke, tmp_path: Path
) -> None:
    """What could not be predicted is said and noted, and the maps have a checksum."""
    clips = copied.clips("test")
    annotated = [*clips, Clip("absent_000000", "dog barking", "test")]
    path = release(copied, "v1", "test", annotated)
    frame = copied.frame_path(clips[0].clip_id)
    frame.unlink()
    scored = invoke(
        "benchmark", "--data", copied.root, "--model", model, "--annotations", path, "--json"
    )
    assert scored.exit_code == 0, scored.output
    value = json.loads(scored.stdout)
    note = f"no map of 2 annotated clip(s); the first: {frame}: missing; run `vggss extract`"
    assert note in value["notes"][0]
    assert note in scored.stderr
    predictions = predict_clips(model, copied, clips)
    write_predictions(tmp_path / "maps.npz", predictions.clip_id, predictions.maps)
    stored = read_predictions(tmp_path / "maps.npz")
    assert value["predictions"]["sha256"] == stored.sha256


def test_another_programs_tensors_are_refused(
    trained: Workspace, invoke: Invoke, tmp_path: Path
) -> None:
    """A torch file that is not ours says whose it should be."""
    path = tmp_path / "other.pth"
    torch.save({"model": {"w": torch.zeros(1)}}, path)
    done = invoke("predict", "--data", trained.root, "--model", path, "--out", tmp_path / "p.npz")
    assert done.exit_code == 6
    assert "not a checkpoint of `vggss train`" in done.stderr


def test_a_missing_model_is_one_line(trained: Workspace, invoke: Invoke, tmp_path: Path) -> None:
    """An absent file says how to make one."""
    done = invoke(
        "predict",
        "--data",
        trained.root,
        "--model",
        tmp_path / "no.pth",
        "--out",
        tmp_path / "p.npz",
    )
    assert done.exit_code == 1
    assert "vggss train" in done.stderr


def test_what_is_silent_has_to_be_known(trained: Workspace, tmp_path: Path) -> None:
    """Without a release, with a malformed one, or with an unknown sound there is no swap."""
    bare = Workspace.create(tmp_path / "bare")
    write_clips(bare.clips_table, trained.clips("test"))
    with pytest.raises(VggssError, match="vggss release"):
        choose_sounds(bare, bare.clips(), "swap")
    broken = tmp_path / "silent.json"
    broken.write_text('[{"clip": 1}]')
    with pytest.raises(InvalidInput, match="file, class and bbox"):
        choose_sounds(trained, trained.clips("test"), "swap", broken)
    broken.write_text("[]")
    with pytest.raises(VggssError, match="no clip has a silent object"):
        choose_sounds(trained, trained.clips("test"), "swap", broken)
    with pytest.raises(VggssError, match="no such sound"):
        choose_sounds(trained, trained.clips("test"), "music")


def test_artificial_sounds() -> None:
    """Silence is zeros; noise has the documented level, and is the same for a clip in every run."""
    assert not artificial_sound("silence", "a").any()
    noise = artificial_sound("noise", "a")
    assert noise.std() == pytest.approx(NOISE_LEVEL, rel=0.05)
    assert np.array_equal(noise, artificial_sound("noise", "a"))
    assert not np.array_equal(noise, artificial_sound("noise", "b"))
