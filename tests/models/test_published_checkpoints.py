"""Published checkpoints: told apart by their weights' names, checked, refused, converted."""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the extra `models` is not installed")

from clip_folder import make_clip_folder  # noqa: E402
from clip_maker import make_clip  # noqa: E402
from family_checkpoints import SHAPES, as_published, write_family_checkpoint  # noqa: E402
from torch import Tensor  # noqa: E402
from torchvision.models import resnet18, resnet50  # noqa: E402

from vggss_tools.errors import InvalidInput, VggssError  # noqa: E402
from vggss_tools.evaluate.predictions import read_predictions  # noqa: E402
from vggss_tools.models.families import FAMILIES, family_of  # noqa: E402
from vggss_tools.models.published import find_weights, load_published  # noqa: E402
from vggss_tools.models.torch_file import read_torch_file  # noqa: E402
from vggss_tools.predict import ModelOptions, predict_clips, training_split  # noqa: E402
from vggss_tools.workspace import Workspace  # noqa: E402

Invoke = Callable[..., Result]
FAMILY_NAMES = list(FAMILIES)


@cache
def blank(family: str) -> Mapping[str, Tensor]:
    """A family's weights, all zero: enough for whatever looks at names, shapes and types."""
    return {
        name: torch.zeros((), dtype=torch.long) if not shape else torch.zeros(shape)
        for name, shape in SHAPES[family]().items()
    }


def load(weights: Mapping[str, Any], **options: Any) -> Any:
    return load_published({"model": dict(weights)}, "given.pth", **options)


# ------------------------------------------------------------------------------ telling apart


@pytest.mark.parametrize("family", FAMILY_NAMES)
@pytest.mark.parametrize("container", ["model_state_dict", "state_dict", "model", None])
@pytest.mark.parametrize("prefix", ["", "module.", "module.module."])
def test_a_family_is_told_by_its_weights(family: str, container: str | None, prefix: str) -> None:
    """Container and ``module.`` do not matter; the names alone do."""
    weights = {f"{prefix}{name}": value for name, value in blank(family).items()}
    content = {container: weights, "epoch": 3} if container else weights
    found = find_weights(content, "given.pth")
    assert list(found) == list(blank(family))
    told = family_of(found)
    assert told is not None
    assert told.name == family


@given(st.sampled_from(FAMILY_NAMES), st.randoms(use_true_random=False))
def test_the_order_of_the_weights_does_not_matter(family: str, random: Any) -> None:
    """A family is told from its weights in any order."""
    names = list(blank(family))
    random.shuffle(names)
    told = family_of(names)
    assert told is not None
    assert told.name == family


@given(st.lists(st.text(max_size=20), max_size=10))
def test_other_names_are_nobodys(names: list[str]) -> None:
    """Names without both streams belong to no family."""
    assert family_of(names) is None or any(name.startswith("imgnet.") for name in names)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["imgnet.conv1.weight", "audnet.conv1.weight", "flownet.conv1.weight"], "optical flow"),
        (["image_encoder.conv1.weight"], "RCGrad"),
        (["feat_extractor.0.weight"], "SSPL"),
    ],
)
def test_other_methods_of_the_field_are_named(names: list[str], words: str) -> None:
    """A checkpoint whose network is not here says whose it is, and the way round."""
    with pytest.raises(InvalidInput, match="--predictions") as raised:
        load({name: torch.zeros(1) for name in names})
    assert words in raised.value.message


def test_a_method_of_several_parts_is_named() -> None:
    """ACL-SSL's file holds two state dicts."""
    with pytest.raises(InvalidInput, match="ACL-SSL"):
        load_published({"audio_proj": {"w": torch.zeros(1)}, "masker_i": {}}, "acl.pth")


# ------------------------------------------------------------------------ missing, unexpected


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_missing_weights_are_listed_and_refused(family: str) -> None:
    """A checkpoint that lacks a part of a stream is refused with names and count."""
    weights = {n: v for n, v in blank(family).items() if not n.startswith("audnet.layer4.1.")}
    with pytest.raises(InvalidInput, match=r"misses 10 of \d+ weights \(audnet\.layer4\.1") as made:
        load(weights)
    assert FAMILIES[family].title in made.value.message
    assert "--allow-partial" in made.value.message
    model = load(weights, allow_partial=True)
    assert len(model.missing) == 10
    assert any(note.startswith("PARTIAL: 10 weights missing") for note in model.notes())


def test_unexpected_weights_are_listed_and_refused() -> None:
    """A weight that the family is not known to carry is an error, or a note."""
    weights = {**blank("ezvsl"), "imgnet.fc.weight": torch.zeros(2, 2), "extra": torch.zeros(1)}
    with pytest.raises(InvalidInput, match=r"has 2 weights .*\(extra, imgnet\.fc\.weight\)"):
        load(weights)
    model = load(weights, allow_partial=True)
    assert model.unexpected == ("extra", "imgnet.fc.weight")
    assert "2 weights of the checkpoint not known" in model.notes()[0]


def test_what_stays_random_is_the_same_each_time() -> None:
    """A partial model has the same bits in every run, whatever torch's generator has done."""
    weights = {n: v for n, v in blank("ezvsl").items() if n != "img_proj.weight"}
    torch.manual_seed(5)
    first = load(weights, allow_partial=True).network.image_heads[0].weight
    after = torch.rand(1)
    second = load(weights, allow_partial=True).network.image_heads[0].weight
    assert torch.equal(first, second)
    assert first.std() > 0
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), after), "the caller's generator is left alone"


def test_files_older_than_the_batch_counter_are_whole() -> None:
    """``num_batches_tracked`` is in no map, and need not be there."""
    weights = {n: v for n, v in blank("lvs").items() if not n.endswith("num_batches_tracked")}
    assert load(weights).missing == ()


def test_other_widths_of_the_heads_are_read_from_the_weights() -> None:
    """EZ-VSL's --out_dim is not always 512."""
    weights = {
        **blank("ezvsl"),
        "img_proj.weight": torch.zeros(128, 512, 1, 1),
        "img_proj.bias": torch.zeros(128),
        "aud_proj.weight": torch.zeros(128, 512),
        "aud_proj.bias": torch.zeros(128),
    }
    assert load(weights).network.image_heads[0].out_channels == 128


# -------------------------------------------------------------------------------- wrong input


def changed(family: str, name: str, value: Any) -> Mapping[str, Any]:
    return {**blank(family), name: value}


WRONG: dict[str, tuple[Mapping[str, Any], str]] = {
    "no weights": ({}, "holds no weights"),
    "no tensors": ({"model": {"a": 1}}, "holds no weights"),
    "a torchvision network": (resnet50().state_dict(), "nor of LVS"),
    "half of a network": (
        {n: v for n, v in blank("lvs").items() if n.startswith("imgnet.")}, "nor of LVS"
    ),
    "two streams without heads": (
        {n: v for n, v in blank("ezvsl").items() if "proj" not in n}, "nor of LVS"
    ),
    "a wrong shape": (
        changed("ezvsl", "audnet.conv1.weight", torch.zeros(64, 3, 7, 7)),
        "audnet.conv1.weight is (64, 3, 7, 7), the network has (64, 1, 7, 7)",
    ),
    "not a number": (
        changed("lvs", "imgnet.bn1.bias", torch.full((64,), torch.nan)),
        "imgnet.bn1.bias holds NaN or infinities",
    ),
    "an infinity": (
        changed("lvs", "imgnet.bn1.weight", torch.full((64,), torch.inf)), "NaN or infinities"
    ),
    "too large for float32": (
        changed("lvs", "imgnet.bn1.weight", torch.full((64,), 1e300, dtype=torch.float64)),
        "NaN or infinities",
    ),
    "integers": (
        changed("lvs", "imgnet.bn1.bias", torch.zeros(64, dtype=torch.int64)), "torch.int64"
    ),
    "a sparse tensor": (
        changed("lvs", "imgnet.bn1.bias", torch.zeros(64).to_sparse()), "no plain tensor"
    ),
    "a number for a weight": (changed("lvs", "imgnet.bn1.bias", 1.0), "no tensor but float"),
    "one name twice": (
        {"a": torch.zeros(1), "module.a": torch.zeros(1)}, "a stands there twice"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("allow_partial", [False, True])
def test_what_is_no_such_checkpoint_is_one_line(case: str, allow_partial: bool) -> None:
    """Wrong content names the file and the cause; --allow-partial does not help it."""
    content, words = WRONG[case]
    with pytest.raises(InvalidInput) as raised:
        load_published(content, "wrong.pth", allow_partial=allow_partial)
    assert raised.value.message.startswith("wrong.pth: ")
    assert words in raised.value.message
    assert "\n" not in raised.value.message
    assert len(raised.value.message) < 400


def write(path: Path, content: Any, **options: Any) -> None:
    torch.save(content, path, **options)


class RunsCode:
    """An object that runs a command where it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("ran-code",)


def write_cut(path: Path) -> None:
    write(path, {"model": dict(list(blank("ezvsl").items())[:20])})
    path.write_bytes(path.read_bytes()[:-5000])


def write_damaged(path: Path) -> None:
    write(path, {"model": {}})
    path.write_bytes(path.read_bytes().replace(b"data.pkl", b"data.pke"))


FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (lambda path: path.touch(), "not a readable checkpoint"),
    "text": (lambda path: path.write_text("model weights\n"), "no file that torch wrote"),
    "a pickle": (lambda path: path.write_bytes(pickle.dumps({"a": 1})), "no file that torch"),
    "a list": (lambda path: write(path, [torch.zeros(1)]), "holds no named tensors"),
    "an empty dict": (lambda path: write(path, {}), "it has nothing"),
    "code": (lambda path: write(path, {"a": RunsCode()}), "would run code to be read"),
    "code, old format": (
        lambda path: write(path, {"a": RunsCode()}, _use_new_zipfile_serialization=False),
        "would run code to be read",
    ),
    "a bare pickle with code": (
        lambda path: path.write_bytes(b"cposix\nmkdir\n(S'ran-code'\ntR."), "(posix.mkdir)"
    ),
    "a whole network": (
        lambda path: write(path, {"model": torch.nn.Linear(1, 1)}), "torch.nn.modules.linear"
    ),
    "options": (
        lambda path: write(path, {"model": {}, "args": argparse.Namespace(tau=1)}),
        "(argparse.Namespace)",
    ),
    "an array": (lambda path: write(path, {"a": np.zeros(3)}), "would run code to be read"),
    "cut off": (write_cut, "cut off"),
    "a changed byte": (write_damaged, "(damaged"),
    "a folder": (lambda path: path.mkdir(), "is a folder"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_what_is_no_such_file_is_one_line(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other file is refused with its cause and a remedy, and no code in it is run."""
    monkeypatch.chdir(tmp_path)
    make, words = FILES[case]
    path = tmp_path / "wrong.pth"
    make(path)
    with pytest.raises(VggssError) as raised:
        load_published(read_torch_file(path), str(path))
    assert raised.value.message.startswith(f"{path}: ")
    assert words in raised.value.message
    assert "; " in raised.value.message
    assert "\n" not in raised.value.message
    assert not (tmp_path / "ran-code").exists()


def test_the_way_out_works(tmp_path: Path) -> None:
    """The line of the message, run where the file is trusted, leaves what can be read."""
    trusted = tmp_path / "best.pth"
    weights = {"imgnet.bn1.bias": torch.ones(64)}
    write(trusted, {"model": weights, "args": argparse.Namespace(tau=0.03)})
    with pytest.raises(InvalidInput) as raised:
        read_torch_file(trusted)
    line = raised.value.message.partition('python -c "')[2].partition('"')[0]
    subprocess.run([sys.executable, "-c", line], cwd=tmp_path, check=True)
    assert torch.equal(
        find_weights(read_torch_file(tmp_path / "weights.pth"), "w")["imgnet.bn1.bias"],
        weights["imgnet.bn1.bias"],
    )


@pytest.mark.parametrize("old_format", [False, True])
def test_numpys_numbers_are_read(tmp_path: Path, old_format: bool) -> None:
    """The best score that the EZ-VSL code keeps beside the weights is no obstacle."""
    path = tmp_path / "best.pth"
    scores = {"best_cIoU": np.float64(0.3), "b": np.float32(1), "n": np.int64(3), "f": np.bool_(1)}
    write(path, {"model": {}, **scores}, _use_new_zipfile_serialization=not old_format)
    content = read_torch_file(path)
    assert {name: content[name] for name in scores} == scores


def test_numbers_that_numpy_1_wrote_are_read(tmp_path: Path) -> None:
    """The published files are older than NumPy 2, where what makes a number moved."""
    path = tmp_path / "best.pth"
    write(path, {"best_cIoU": np.float64(0.3)}, _use_new_zipfile_serialization=False)
    old = path.read_bytes().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    assert old != path.read_bytes()
    path.write_bytes(old)
    assert read_torch_file(path) == {"best_cIoU": 0.3}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions_are_converted(dtype: Any) -> None:
    """A checkpoint in double or half precision is loaded, in float32."""
    weights = {n: v.to(dtype) if v.is_floating_point() else v for n, v in blank("lvs").items()}
    network = load(weights).network
    assert {value.dtype for value in network.state_dict().values()} == {torch.float32, torch.int64}


def test_a_twin_is_for_those_who_have_one() -> None:
    """Asking for a copy of a network that has none, or for one that nobody knows, is refused."""
    with pytest.raises(VggssError, match="leave --twin out"):
        load(blank("ezvsl"), twin="momentum")
    with pytest.raises(VggssError, match="online, momentum"):
        load(blank("slavc"), twin="third")
    assert load(blank("slavc"), twin="momentum").notes() == (
        "SLAVC: the momentum copy of the network",
    )


# ------------------------------------------------------------------------------ predictions


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two clips with frame and centre sound; the first one's file is there as well."""
    workspace = make_clip_folder(tmp_path_factory.mktemp("published"), train=0, test=2)
    first = workspace.clip_path(workspace.clips("test")[0].clip_id)
    first.parent.mkdir()
    make_clip(first)
    return workspace


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_published_checkpoint_is_predicted_with(
    workspace: Workspace, family: str, invoke: Invoke, tmp_path: Path
) -> None:
    """`vggss predict` takes a checkpoint of every family, and says what it took it for."""
    model = write_family_checkpoint(tmp_path / "best.pth", family)
    line = (
        "predict", "--data", workspace.root, "--model", model, "--batch-size", "2",
        "--out", tmp_path / "p.npz", "--json",
    )  # fmt: skip
    done = invoke(*line)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    side = 7 if family in ("ezvsl", "slavc") else 14
    assert (said["model"]["family"], said["n_predicted"]) == (family, 2)
    assert said["model"]["twin"] == ("online" if family == "slavc" else None)
    assert said["map_shape"] == [side, side]
    maps = np.stack(list(read_predictions(tmp_path / "p.npz").maps()))
    assert maps.std(axis=(1, 2)).min() > 0
    repeated = [note for note in said["notes"] if "of 1 of 2 sounds only a part" in note]
    assert len(repeated) == (family in ("lvs", "ssltie")), "who hears more than 3 s"
    cropped = [note for note in said["notes"] if "the whole frame is seen" in note]
    assert len(cropped) == (family in ("lvs", "ssltie"))
    for note in said["notes"]:
        assert f"Note: {note}" in done.stderr

    again = invoke(*line)
    assert again.exit_code == 0
    assert json.loads(again.stdout) == said, "also what is noted of maps that were there"
    if family == "ezvsl":  # one is enough: it is the same path for all
        found = predict_clips(model, workspace, workspace.clips("test"), device="cpu")
        assert np.allclose(found.maps, maps, atol=1e-4)
        assert found.notes == tuple(said["notes"])
        assert training_split(model) is None


def test_other_options_are_other_maps(workspace: Workspace, invoke: Invoke, tmp_path: Path) -> None:
    """A change of how the model is read makes earlier maps stale."""
    model = write_family_checkpoint(tmp_path / "latest.pth", "slavc")
    maps = []
    for options in ((), ("--twin", "momentum"), ()):
        done = invoke(
            "predict", "--data", workspace.root, "--model", model, "--batch-size", "2",
            "--out", tmp_path / "p.npz", *options,
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        maps.append(np.stack(list(read_predictions(tmp_path / "p.npz").maps())))
    assert not np.allclose(maps[0], maps[1], atol=0.1)
    assert np.array_equal(maps[0], maps[2])


def test_a_partial_model_is_refused_unless_asked(
    workspace: Workspace, invoke: Invoke, tmp_path: Path
) -> None:
    """Nothing is written without --allow-partial, and with it the notes say so."""
    path = tmp_path / "partial.pth"
    weights = {n: v for n, v in blank("ezvsl").items() if n != "aud_proj.bias"}
    torch.save(as_published("ezvsl", weights), path)
    out = tmp_path / "p.npz"
    line = (
        "predict", "--data", workspace.root, "--model", path, "--batch-size", "2", "--out", out,
    )  # fmt: skip
    refused = invoke(*line)
    assert refused.exit_code == 6
    assert refused.stderr.count("\n") == 1
    assert "misses 1 of 244 weights (aud_proj.bias)" in refused.stderr
    assert not out.exists()
    done = invoke(*line, "--allow-partial", "--json")
    assert done.exit_code == 0, done.output
    assert "PARTIAL: 1 weight missing" in json.loads(done.stdout)["notes"][0]
    assert "Note: PARTIAL: 1 weight missing" in done.stderr
    assert "PARTIAL: 1 weight missing" in read_predictions(out).notes[0]
    found = predict_clips(path, workspace, workspace.clips("test")[:1], allow_partial=True)
    assert "PARTIAL" in found.notes[0]


def test_a_clip_without_sound_is_missing_and_the_others_are_not(
    tmp_path: Path, invoke: Invoke
) -> None:
    """What cannot be heard, or seen, is one clip's failure with its reason."""
    workspace = make_clip_folder(tmp_path / "data", train=0, test=4)
    clips = workspace.clips("test")
    workspace.audio_path(clips[0].clip_id).unlink()
    broken = workspace.clip_path(clips[1].clip_id)
    broken.parent.mkdir()
    broken.write_bytes(b"no film")
    workspace.frame_path(clips[2].clip_id).write_bytes(b"no picture")
    path = tmp_path / "lvs.pth"
    torch.save(as_published("lvs", blank("lvs")), path)
    done = invoke(
        "predict", "--data", workspace.root, "--model", path, "--batch-size", "1",
        "--out", tmp_path / "p.npz", "--json",
    )  # fmt: skip
    assert done.exit_code == 4, done.output
    said = json.loads(done.stdout)
    assert said["missing"] == [clip.clip_id for clip in clips[:3]]
    assert said["n_predicted"] == 1
    assert "3 clip(s) failed (2 corrupt, 1 not_found)" in done.stderr


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (resnet18().state_dict(), (), "nor of LVS"),
        ({"model": dict(blank("ezvsl"))}, ("--centre-crop",), "leave --centre-crop out"),
        ({"model": dict(blank("ezvsl"))}, ("--twin", "momentum"), "leave --twin out"),
        ({"schema": "vggss-checkpoint/9"}, (), "not a checkpoint of `vggss train`"),
    ],
)
def test_the_command_refuses_in_one_line(
    workspace: Workspace, invoke: Invoke, tmp_path: Path, content: Any, options: Any, words: str
) -> None:
    """A wrong model or option ends the command before anything is written."""
    path, out = tmp_path / "given.pth", tmp_path / "p.npz"
    torch.save(content, path)
    done = invoke(
        "predict", "--data", workspace.root, "--model", path, "--out", out, *options
    )  # fmt: skip
    assert done.exit_code in (1, 6)
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not out.exists()


def test_options_of_published_models_are_not_for_ours(tmp_path: Path) -> None:
    """A checkpoint of `vggss train` has no twin and is not cropped."""
    from vggss_tools.predict import Localiser

    path = tmp_path / "checkpoint.pth"
    torch.save({"schema": "vggss-checkpoint/1"}, path)
    with pytest.raises(VggssError, match="for published ones"):
        Localiser(path, options=ModelOptions(centre_crop=True))
