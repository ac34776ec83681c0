"""Training throughput: this package's loop against the loop that is usually written.

Run with ``python tests/perf/bench_train.py [--threads N]``. Both train the same network with the
same objective on the same files, in turn within one run; clips per second of CPU time, best step.

The usual loop reads each JPEG and WAV in every step, transforms pictures with torchvision on PIL
images, computes spectrograms with SciPy, and runs in float32 with channels first.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import signal
from torchvision import transforms

sys.path.insert(0, str(Path(__file__).parents[1]))

from clip_folder import make_clip_folder

from vggss_tools.media.audio import read_wav
from vggss_tools.models.inputs import IMAGE_MEAN, IMAGE_STD
from vggss_tools.models.lvs import LVS
from vggss_tools.models.objectives import Pairs, objective
from vggss_tools.models.spectrogram import SPECTROGRAMS
from vggss_tools.train.config import TrainConfig
from vggss_tools.train.data import batch_indices, pack
from vggss_tools.train.loop import Trainer
from vggss_tools.workspace import Workspace

CONFIGURATIONS = {
    "quarter width, 128 px": {
        "backbone": "resnet18-quarter",
        "size": 128,
        "spectrogram": "compact",
        "batch_size": 64,
    },
    "half width, 128 px": {"backbone": "resnet18-half", "size": 128, "batch_size": 32},
    "full width, 224 px": {"backbone": "resnet18", "size": 224, "batch_size": 16},
}
STEPS = 3


def usual_loop(workspace: Workspace, config: TrainConfig) -> Callable[[], None]:
    """Return a function that does one step of the usual loop."""
    clips = workspace.clips("train")
    network = LVS(config.architecture).train()
    optimiser = torch.optim.Adam(network.parameters(), config.lr)
    vary = transforms.Compose(
        [
            transforms.RandomResizedCrop(config.size, scale=(0.5, 1)),
            transforms.RandomHorizontalFlip(),
            transforms.ColorJitter(0.3, 0.3, 0.4, 0.08),
            transforms.ToTensor(),
            transforms.Normalize(IMAGE_MEAN, IMAGE_STD),
        ]
    )
    kind = SPECTROGRAMS[config.spectrogram]

    def load(index: int) -> tuple[torch.Tensor, torch.Tensor]:
        clip_id = clips[index].clip_id
        image = vary(Image.open(workspace.frame_path(clip_id)).convert("RGB"))
        samples, rate = read_wav(workspace.audio_path(clip_id))
        power = signal.spectrogram(
            samples, rate, nperseg=kind.n_fft, noverlap=kind.n_fft - kind.hop
        )[2]
        return image, torch.from_numpy(np.log(power + 1e-7) / 12).float()[None]

    def step() -> None:
        batch = [load(i) for i in batch_indices(len(clips), config.batch_size, 0, 0)]
        images, sounds = (torch.stack(side) for side in zip(*batch, strict=True))
        places, voices = network.encode_images(images), network.encode_sounds(sounds)
        loss = objective(config.objective)(Pairs(places, voices, config.temperature))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def clips_per_cpu_second(step: Callable[[], object], batch_size: int) -> float:
    """Return the speed of the best of a few steps, after one to warm up."""
    step()
    seconds = []
    for _ in range(STEPS):
        before = time.process_time()
        step()
        seconds.append(time.process_time() - before)
    return batch_size / min(seconds)


def main() -> None:
    """Print one line per configuration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as scratch:
        workspace = make_clip_folder(Path(scratch), train=64)
        for name, values in CONFIGURATIONS.items():
            config = TrainConfig(threads=arguments.threads, **values)  # type: ignore[arg-type]
            data = pack(workspace, workspace.clips("train"), config.architecture)
            trainer = Trainer(config, data, Path(scratch))
            mine = clips_per_cpu_second(trainer.take_step, config.batch_size)
            theirs = clips_per_cpu_second(usual_loop(workspace, config), config.batch_size)
            print(
                f"{name:<24} ours {mine:6.1f}   usual loop {theirs:6.1f} clips per CPU second"
                f"   {mine / theirs:4.1f} times ({trainer.hardware.precision})"
            )


if __name__ == "__main__":
    main()
