"""Image weights for the sample world: a small network that names its objects.

The paper starts its image stream from ImageNet (section 5.3): from a network that was taught, with
labels, to name single objects. The sample world has no ImageNet, so this makes its like: pictures
of single objects, cut from scenes of other seeds, and their names. No sound takes part, and no
clip of a world that people make.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from vggss_tools.atomic import atomic_path, write_json_atomic
from vggss_tools.boxes import Box
from vggss_tools.engines.local import map_unordered
from vggss_tools.models.inputs import image_batch
from vggss_tools.models.resnet import ResNet18, width_of
from vggss_tools.progress import progress_bar, track
from vggss_tools.sample.world import CLASSES, N_FRAMES, WORLD_VERSION, make_scene
from vggss_tools.train.data import batch_indices, vary_frame

# Worlds that people make have seeds below 1000 in the quickstart; the detector has 1000 and 1001.
FIRST_SEED = 2000

SIDE = 128  # pixels of a picture: the size at which the quickstart's network sees a frame
MOMENTS = 2  # pictures of each object, from different times of its clip
QUALITIES = (45, 96)  # JPEG; frames of clips come as H.264 and then JPEG of quality 95

# An object takes from a third of its picture's side to nearly all of it.
ZOOM = (1.05, 3.0)
OFF_CENTRE = 0.3  # of the free room beside it

NAMES = tuple(sorted({kind.object_class for kind in CLASSES}))

# Sides at which batches are seen, so that the network meets objects in many sizes.
SIDES = (64, 96, 128)


@dataclass(frozen=True, slots=True)
class ImageTraining:
    """How the weights are made.

    Attributes
    ----------
    seed : int
        Of the scenes; the next one is held out.
    scenes : int
        Scenes to cut pictures from.
    """

    backbone: str = "resnet18-quarter"
    seed: int = FIRST_SEED
    scenes: int = 1500
    steps: int = 1500
    batch_size: int = 64
    lr: float = 2e-3
    weight_decay: float = 1e-4
    world_version: int = WORLD_VERSION


def cut(image: NDArray[np.uint8], box: Box, random: np.random.Generator) -> NDArray[np.uint8]:
    """Cut a picture round a box: as wide a share of the frame as it is high, as frames are seen.

    Returns
    -------
    (SIDE, SIDE, 3) uint8; what lies outside of the frame mirrors what lies inside.
    """
    height, width = image.shape[:2]
    extent = max(box.xmax - box.xmin, box.ymax - box.ymin) * random.uniform(*ZOOM)
    room = extent - np.array([box.xmax - box.xmin, box.ymax - box.ymin])
    corner = np.array(box.center) - extent / 2 + random.uniform(-1, 1, 2) * OFF_CENTRE * room / 2
    scale = extent / SIDE * np.array([width, height])
    matrix = np.column_stack([np.diag(scale), corner * [width, height] + scale / 2 - 0.5])
    if extent * min(width, height) > SIDE:  # shrinking: average first, or thin lines would break
        factor = scale.max()
        image = cv2.GaussianBlur(image, (0, 0), max(factor / 3, 0.1))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    picture: NDArray[np.uint8] = cv2.warpAffine(
        image, matrix, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REFLECT_101
    )
    return picture


@dataclass(frozen=True, slots=True)
class _Cutter:
    """Renders one scene and cuts its objects out; runs in worker processes."""

    seed: int

    def setup(self) -> None:
        cv2.setNumThreads(1)

    def __call__(self, index: int) -> tuple[int, list[NDArray[np.uint8]], list[int]]:
        random = np.random.default_rng([self.seed, index])
        scene = make_scene(self.seed, "train", index)
        pictures: list[NDArray[np.uint8]] = []
        names: list[int] = []
        for moment in random.choice(N_FRAMES, MOMENTS, replace=False).tolist():
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(*QUALITIES))]
            _, content = cv2.imencode(".jpg", scene.render(moment), quality)
            # RGB goes in and comes out: JPEG does not know that it should be BGR.
            frame = np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)
            for truth in scene.boxes(moment):
                pictures.append(cut(frame, truth.box, random))
                names.append(NAMES.index(truth.object_class))
        return index, pictures, names


def render_pictures(
    seed: int, scenes: int, workers: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return pictures (n, SIDE, SIDE, 3), RGB, and the indices of their names.

    Equal arguments give equal pictures.
    """
    cutter = _Cutter(seed)
    made: dict[int, tuple[list[NDArray[np.uint8]], list[int]]] = {}
    rendered = map_unordered(cutter, range(scenes), setup=cutter.setup, workers=workers)
    for index, pictures, names in track(rendered, "rendering", total=scenes, unit="scene"):
        made[index] = pictures, names
    order = range(scenes)
    images = np.stack([picture for index in order for picture in made[index][0]])
    labels = np.array([name for index in order for name in made[index][1]], np.int64)
    return images, labels


class Namer(nn.Module):
    """The image stream with a classifier on the mean of its map."""

    def __init__(self, backbone: str) -> None:
        super().__init__()
        self.stream = ResNet18(width_of(backbone), in_channels=3, stride=16)
        self.fc = nn.Linear(self.stream.out_channels, len(NAMES))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, classes)."""
        logits: Tensor = self.fc(self.stream(images).mean(dim=(2, 3)))
        return logits


def train_image_weights(
    config: ImageTraining,
    out: Path,
    *,
    workers: int | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Train the network and write its stream's weights, with a card beside them.

    Returns
    -------
    The card: sha256, classes, provenance, and the share of held-out pictures named rightly.
    """
    images, labels = render_pictures(config.seed, config.scenes, workers)
    torch.manual_seed(config.seed)
    network = Namer(config.backbone).to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=config.lr, weight_decay=config.weight_decay
    )
    device = torch.device("cpu")
    losses: list[float] = []
    size = min(config.batch_size, len(images))
    with progress_bar(label="training", total=config.steps, unit="step") as bar:
        for step in range(config.steps):
            chosen = batch_indices(len(images), size, config.seed, step)
            random = np.random.default_rng([config.seed, 1, step])
            varied = np.stack([vary_frame(images[i], SIDE, random, 1.0) for i in chosen])
            batch = image_batch(varied, device)
            side = int(random.choice(SIDES))
            if side != SIDE:
                batch = F.interpolate(batch, (side, side), mode="area")
            batch = batch.contiguous(memory_format=torch.channels_last)
            for group in optimiser.param_groups:
                group["lr"] = config.lr * 0.5 * (1 + np.cos(np.pi * step / config.steps))
            loss = F.cross_entropy(
                network(batch), torch.from_numpy(labels[chosen]), label_smoothing=0.1
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
            bar.set_postfix_str(f"loss {losses[-1]:.3f}", refresh=False)
            bar.update()
            if (step + 1) % 250 == 0:
                report(f"step {step + 1}: loss {np.mean(losses[-250:]):.3f}")
    held_out = render_pictures(config.seed + 1, max(config.scenes // 10, 10), workers)
    content = pack(network.stream)
    card = {
        "schema": "vggss-image-weights/1",
        "classes": list(NAMES),
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "training": asdict(config),
        "pictures": len(images),
        "held_out": {
            "seed": config.seed + 1,
            "pictures": len(held_out[0]),
            "accuracy": round(accuracy(network, *held_out), 4),
        },
        "command": f"vggss train-image-weights --out FILE.pth --seed {config.seed} "
        f"--scenes {config.scenes} --steps {config.steps}",
        "versions": {"torch": str(torch.__version__)},
    }
    with atomic_path(out) as part:
        part.write_bytes(content)
    write_json_atomic(out.with_suffix(".json"), card)
    return card


def pack(stream: ResNet18) -> bytes:
    """Return a weights file: kernels in float16, all else as it is."""
    state = {
        name: value.detach().half().contiguous() if value.ndim == 4 else value.detach().clone()
        for name, value in stream.state_dict().items()
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def accuracy(network: Namer, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """Return the share of pictures that are named rightly."""
    network.eval()
    right = 0
    with torch.inference_mode():
        for start in range(0, len(images), 64):
            batch = image_batch(images[start : start + 64], torch.device("cpu"))
            named = network(batch).argmax(dim=1).numpy()
            right += int((named == labels[start : start + 64]).sum())
    return right / len(images)
