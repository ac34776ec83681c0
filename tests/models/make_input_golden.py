"""Let the published data loaders read a picture and a sound, beside ours, and keep what they made.

Each repository's own dataset class reads the same files from a checkout's point of view; ours
reads them out of a data directory::

    python tests/models/make_input_golden.py CHECKOUT… > tests/models/input_golden.json

Needs soundfile and torchaudio besides the extra ``dev``. What today's packages no longer do as
those of the repositories' time did is put back, and nothing else: PyAV's resampler gives one
frame, torchvision resizes tensors without antialiasing, torchaudio loads WAV files, scipy has
``scipy.stats.stats``. The largest differences go to stderr, also between the maps that our network
(with weights made by a rule) makes of both.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import torch
import torchvision

sys.path.insert(0, str(Path(__file__).parents[1]))

from family_checkpoints import as_published, family_weights, made_picture, made_sound
from published_checkouts import runnable

from vggss_tools.media.audio import write_wav
from vggss_tools.models.families import FAMILIES
from vggss_tools.models.family_inputs import FamilyInputs
from vggss_tools.models.inputs import image_batch
from vggss_tools.models.published import load_published
from vggss_tools.workspace import Workspace

CLIP = "zpWuikVorYg_000032"  # in every repository's list of test clips
MILLISECONDS = "zpWuikVorYg_32000_42000"
SIZES = [(256, 256), (640, 360), (240, 320)]
SECONDS = [10.0, 4.0, 2.0]
STEP = (37, 29)  # of the values that are kept


@contextmanager
def as_it_was() -> Iterator[None]:
    """Let today's packages do as those of the repositories' time."""
    resampler, resize = av.audio.resampler.AudioResampler, torchvision.transforms.Resize

    class OneFrame:
        """Gives its first frame, also to those who take that of a list."""

        def __init__(self, **options: Any) -> None:
            self.inner = resampler(**options)

        def resample(self, frame: Any) -> Any:
            return _First(self.inner.resample(frame))

    class Plain(resize):  # type: ignore[misc, valid-type]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{"antialias": False, **options})

    torch.version.cuda = None  # torchaudio would not be imported beside another CUDA's torch
    soundfile: Any = importlib.import_module("soundfile")
    torchaudio: Any = importlib.import_module("torchaudio")

    def load(path: str) -> tuple[torch.Tensor, int]:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        return torch.from_numpy(samples.T.copy()), rate

    torchaudio.load = load
    torchaudio.set_audio_backend = lambda name: None
    stats = ModuleType("scipy.stats.stats")
    vars(stats)["mode"] = None
    sys.modules["scipy.stats.stats"] = stats
    av.audio.resampler.AudioResampler = OneFrame
    torchvision.transforms.Resize = Plain
    try:
        yield
    finally:
        av.audio.resampler.AudioResampler = resampler
        torchvision.transforms.Resize = resize


class _First(list[Any]):
    """A list of frames that can be taken for its first one."""

    def to_ndarray(self) -> Any:
        return self[0].to_ndarray()


Read = Callable[[Path], tuple[Any, Any]]


def lvs(folder: Path) -> tuple[Any, Any]:
    args = SimpleNamespace(testset="vggss", data_path=f"{folder}/", image_size=224)
    data = importlib.import_module("datasets.dataloader").GetAudioVideoDataset(args, mode="test")
    data.video_files = [f"{CLIP}.mp4"]
    return data[0][:2]


def ezvsl(folder: Path) -> tuple[Any, Any]:
    args = SimpleNamespace(testset="vggss", test_data_path=f"{folder}/", test_gt_path="")
    return importlib.import_module("datasets").get_test_dataset(args).getitem(0)[:2]


def ssltie(folder: Path) -> tuple[Any, Any]:
    args = SimpleNamespace(
        dataset_mode="VGGSound", trainset_path="", debug=False, vggss_test_path=str(folder / "tie"),
        image_size=224, img_aug=None, aud_aug=None,
    )  # fmt: skip
    (folder / "tie").mkdir()
    (folder / "tie" / "frame").symlink_to(folder / "frames")
    (folder / "tie" / "audio").symlink_to(folder / "audio")
    data = importlib.import_module("datasets.dataloader").GetAudioVideoDataset(args, mode="test")
    data.video_files = [CLIP]
    return data[0][:2]


def sslalign(folder: Path) -> tuple[Any, Any]:
    (folder / MILLISECONDS).mkdir()
    (folder / MILLISECONDS / "image_050.jpg").symlink_to(folder / "frames" / f"{CLIP}.jpg")
    (folder / f"{MILLISECONDS}.wav").symlink_to(folder / "audio" / f"{CLIP}.wav")
    kind = importlib.import_module("datasets_lvs").GetAudioVideoDataset
    data = kind.__new__(kind)  # its __init__ looks for the authors' own folders
    vars(data).update(
        args=SimpleNamespace(testset="vggss"), mode="test", imgSize=224, audio_length=10, st=3.5,
        fi=6.5, video_files=[f"{MILLISECONDS}.mp4"], all_bboxes={MILLISECONDS: [[0, 0, 9, 9]]},
        image_path=str(folder), audio_path=str(folder),
    )  # fmt: skip
    data._init_transform()
    data._init_atransform()
    return data[0][:2]


# Checkout -> the family whose inputs are ours, and how to read theirs.
REPOSITORIES: dict[str, tuple[str, Read]] = {
    "Localizing-Visual-Sounds-the-Hard-Way": ("lvs", lvs),
    "EZ-VSL": ("ezvsl", ezvsl),
    "SLAVC": ("slavc", ezvsl),
    "FNAC_AVL": ("ezvsl", ezvsl),
    "SSL-TIE": ("ssltie", ssltie),
    "SSLalignment": ("sslalign", sslalign),
}


def write_files(folder: Path, size: tuple[int, int], seconds: float) -> Workspace:
    """Write a frame (losslessly) and a sound, where both sides find them."""
    workspace = Workspace.create(folder)
    frame, sound = workspace.frame_path(CLIP), workspace.audio_path(CLIP)
    frame.parent.mkdir()
    sound.parent.mkdir()
    _, png = cv2.imencode(".png", made_picture(*size)[:, :, ::-1])
    frame.write_bytes(png.tobytes())
    write_wav(sound, made_sound(seconds))
    return workspace


def kept(values: np.ndarray) -> list[list[float]]:
    """Return every so many values of a picture's red channel or of a spectrogram."""
    return np.round(values[:: STEP[0], :: STEP[1]].astype(np.float64), 5).tolist()


def main() -> None:
    """Compare every checkout's inputs with ours, and write the golden values."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkouts", type=Path, nargs="+", metavar="CHECKOUT")
    golden: dict[str, Any] = {}
    for checkout in parser.parse_args().checkouts:
        name, read = REPOSITORIES[checkout.name]
        family = FAMILIES[name]
        network = load_published(as_published(name, family_weights(name)), name).network
        for size, seconds in zip(SIZES, SECONDS, strict=True):
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary).resolve()
                workspace = write_files(folder, size, seconds)
                with runnable(checkout.resolve()), as_it_was(), redirect_stdout(sys.stderr):
                    picture, sound = read(folder)
                inputs = FamilyInputs(family, centre_crop=family.crops)
                frame = inputs.frame(workspace.frame_path(CLIP))
                heard = inputs.sound(workspace, CLIP)
            ours = image_batch(frame[None], torch.device("cpu"))[0].numpy()
            theirs, spectrogram = picture.float().numpy(), sound.float().numpy()[0]
            same_sound = heard.shape == spectrogram.shape
            # A short file stands for a short clip there, and for a clip's middle here.
            compared = same_sound and (name != "sslalign" or seconds == 10)
            difference = f"{np.abs(heard - spectrogram).max():.2g}" if compared else "not compared"
            if compared:
                theirs_and_ours = torch.from_numpy(np.stack([spectrogram, heard])[:, None])
                both = torch.from_numpy(np.stack([theirs, ours]))
                with torch.inference_mode():
                    maps = network(both, theirs_and_ours)
                difference += f", maps {float((maps[0] - maps[1]).abs().max()):.2g}"
            span = f"{spectrogram.min():.2f} to {spectrogram.max():.2f}"
            sys.stderr.write(
                f"{checkout.name} {size[0]}x{size[1]}, {seconds:g} s: pictures "
                f"{np.abs(ours - theirs).max():.2g}, spectrograms {spectrogram.shape} of {span}: "
                f"{difference}\n"
            )
            golden[f"{checkout.name} {size[0]}x{size[1]} {seconds:g} s"] = {
                "family": name,
                "size": size,
                "seconds": seconds,
                "picture": kept(theirs[0]),
                "spectrogram": kept(spectrogram) if compared else None,
            }
    json.dump(golden, sys.stdout, separators=(",", ":"))
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
