from __future__ import annotations

import io
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from propose.mmdet_maker import make_picture, make_state, save_checkpoint

from vggss_tools.classes import openimages_classes
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.propose import coco_card, openimages_card
from vggss_tools.propose.detector import describe_detector, load_detector
from vggss_tools.propose.torchvision_detector import TorchvisionDetector

SCORES = openimages_card.CLASS_SCORES


def small_checkpoint(rows: int, **meta: Any) -> dict[str, Any]:
    """A checkpoint that has class scores and nothing else."""
    return {"meta": {"epoch": 12, **meta}, "state_dict": {SCORES: torch.zeros(rows, 4)}}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("weights") / "made.pth", make_state())


@pytest.fixture(scope="module")
def detector(checkpoint: Path) -> TorchvisionDetector:
    loaded = load_detector(f"openimages:{checkpoint}")
    assert isinstance(loaded, TorchvisionDetector)
    return loaded


def test_the_default_is_the_v6_model() -> None:
    """The card has 601 classes and the checksum in the published name; nothing is downloaded."""
    card = describe_detector("openimages")
    assert card.name == "openimages"
    assert card.classes == openimages_classes()
    assert card.fingerprint == "e87ab7ce"


def test_challenge_models_have_names_of_v6() -> None:
    """The challenge's 500 classes are spelt as in V6, but for two; the card has each name once."""
    names = openimages_card.names_of("challenge-cas")
    card = describe_detector("openimages:challenge-cas")
    assert len(names) == 500
    assert len(card.classes) == len(set(names)) == 498
    assert set(names) - set(openimages_classes()) == {"Lifejacket", "Horn"}
    assert card.fingerprint == "34c402d9"


def test_a_card_needs_no_torch(tmp_path: Path) -> None:
    """The cards of published models and of files are read on the base install."""
    torch.save(small_checkpoint(602), tmp_path / "a.pth")
    code = (
        "import sys; from vggss_tools.propose.detector import describe_detector as d; "
        f"print(*(len(d(n).classes) for n in ('openimages', 'coco', 'openimages:{tmp_path}/a.pth'))"
        "); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["601", "80", "601"]


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize(
    "meta", [{"CLASSES": ("bat", "owl")}, {"dataset_meta": {"classes": ["bat", "owl"]}}]
)
def test_own_classes_come_from_the_meta(tmp_path: Path, new_format: bool, meta: Any) -> None:
    """A model of other classes brings their names, in either of torch's file formats."""
    path = tmp_path / "own.pth"
    content = small_checkpoint(3, **meta)
    torch.save(content, path, _use_new_zipfile_serialization=new_format)
    card = describe_detector(f"openimages:{path}")
    assert card.classes == ("bat", "owl")
    assert len(card.fingerprint) == 64


def test_nameless_classes_are_refused(tmp_path: Path) -> None:
    """Classes that nobody can name are one line."""
    torch.save(small_checkpoint(8), tmp_path / "own.pth")
    with pytest.raises(InvalidInput, match="7 classes"):
        describe_detector(f"openimages:{tmp_path / 'own.pth'}")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"<html>", b"\x80\x02}q\x00."])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    """What is no checkpoint is said to be none, before torch is loaded."""
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="not a checkpoint"):
        describe_detector(f"openimages:{path}")


def test_no_code_in_a_checkpoint_is_run(tmp_path: Path) -> None:
    """Reading a card and loading make nothing that the file asks for; the way out is said."""

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "was run",))

    path = tmp_path / "evil.pth"
    content = {**small_checkpoint(602), "optimizer": Evil()}
    torch.save(content, path)
    assert len(describe_detector(f"openimages:{path}").classes) == 601
    with pytest.raises(InvalidInput, match="weights_only=False"):
        load_detector(f"openimages:{path}")
    buffer = io.BytesIO()
    pickle.dump(Evil(), buffer)
    path.write_bytes(buffer.getvalue())
    with pytest.raises(InvalidInput):
        describe_detector(f"openimages:{path}")
    assert not (tmp_path / "was run").exists()


@pytest.mark.parametrize("name", ["openimages:nowhere.pth", "coco:nowhere.pth", "coco:"])
def test_a_missing_file_is_one_line(name: str) -> None:
    """The message names the file and the published weights that there are."""
    with pytest.raises(VggssError, match="no such weights; give a file, or one of: v"):
        describe_detector(name)


def test_another_network_is_refused(tmp_path: Path) -> None:
    """Weights that are not of this network are one line."""
    torch.save(small_checkpoint(602), tmp_path / "a.pth")
    with pytest.raises(InvalidInput, match="weights missing"):
        load_detector(f"openimages:{tmp_path / 'a.pth'}")


def test_finds_named_boxes(detector: TorchvisionDetector) -> None:
    """Detections have the detector's class names, fractions of the frame and falling scores."""
    (found,) = detector.detect([make_picture(91, 333, 4)])
    assert found
    assert all(one.label in detector.card.classes for one in found)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert min(one.score for one in found) >= 0.05


def test_extreme_frames_pass(detector: TorchvisionDetector) -> None:
    """One pixel and a line of pixels are frames like others."""
    detector.detect([make_picture(1, 1, 0), make_picture(1, 3000, 0)])


def test_coco_knows_eighty_classes() -> None:
    """The names are COCO's 80, at the indices of torchvision's 90."""
    card = describe_detector("coco")
    assert len(card.classes) == 80
    assert len(coco_card.NAMES) == 90
    assert coco_card.NAMES[15] == "bird"
    assert coco_card.NAMES[89] == "toothbrush"
    assert {describe_detector(f"coco:{v}").fingerprint for v in ("v1", "v2")} == {
        "258fb6c6",
        "dd69338a",
    }


def test_torch_hubs_copy_is_used_if_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that torch.hub has left is not taken where its checksum is another."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("VGGSS_CACHE", str(tmp_path / "cache"))
    folder = coco_card.torch_hub_folder()
    folder.mkdir(parents=True)
    known = coco_card.PUBLISHED["v1"]
    (folder / known.name).write_bytes(b"half of it")
    known.path.parent.mkdir(parents=True)
    known.path.write_bytes(b"ours")
    assert coco_card.weights_path("v1") == known.path
