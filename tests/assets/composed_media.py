"""Cut-outs, recordings and backgrounds that Debian packages ship, for the composed set.

=============================  ==================================================  =============
package                        what of it                                          licence
=============================  ==================================================  =============
``tuxpaint-stamps-default``    photographs cut out, each with its recording        GPL-2
``gcompris-qt-data``           drawings of instruments, each with its recording    GPL-3
``scratch``                    photographs of places                               CC BY-SA 3.0
``librsvg2-bin``               draws the instruments (``rsvg-convert``)            LGPL-2+
=============================  ==================================================  =============
"""
# mypy: disable-error-code="import-not-found, import-untyped, unused-ignore"

from __future__ import annotations

import hashlib
import io
import subprocess
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from make_real_pictures import qt_resources, run
from numpy.typing import NDArray

RATE = 16_000
PACKAGES = ("tuxpaint-stamps-default", "gcompris-qt-data", "scratch")
OPAQUE = 16  # alpha, of 255: what is more transparent belongs to no object

# Stamp → sound class. Where several show one class, an object is any of them.
STAMPS = {
    "animals/birds/crow": "crow cawing",
    "animals/birds/cuckoo": "cuckoo bird calling",
    "animals/birds/hen": "chicken clucking",
    "animals/birds/rooster": "chicken crowing",
    "animals/birds/turkey": "turkey gobbling",
    "animals/birds/owl": "owl hooting",
    "animals/birds/penguin": "penguins braying",
    "animals/birds/blackbird": "bird chirping, tweeting",
    "animals/birds/lark": "bird chirping, tweeting",
    "animals/birds/tucan": "bird squawking",
    "animals/birds/seagull": "bird squawking",
    "animals/birds/duck": "duck quacking",
    "animals/birds/drake": "duck quacking",
    "animals/birds/gander": "goose honking",
    "animals/insects/grasshopper": "cricket chirping",
    "animals/amphibians/frog": "frog croaking",
    "animals/mammals/apes/chimp": "chimpanzee pant-hooting",
    "animals/mammals/aquatic/whale": "whale calling",
    "animals/mammals/aquatic/orca": "whale calling",
    "animals/mammals/aquatic/sea_lion": "sea lion barking",
    "animals/mammals/bovines/bull": "bull bellowing",
    "animals/mammals/bovines/cow": "cow lowing",
    "animals/mammals/bovines/cow_white": "cattle mooing",
    "animals/mammals/bovines/goat": "goat bleating",
    "animals/mammals/bovines/sheep": "sheep bleating",
    "animals/mammals/bovines/sheep_lamb": "sheep bleating",
    "animals/mammals/cats/lion": "lions roaring",
    "animals/mammals/dogs/dog": "dog barking",
    "animals/mammals/dogs/fox": "fox barking",
    "animals/mammals/elephant": "elephant trumpeting",
    "animals/mammals/equines/donkey": "donkey, ass braying",
    "animals/mammals/equines/horse": "horse neighing",
    "animals/mammals/equines/zebra": "zebra braying",
    "animals/mammals/ferret": "ferret dooking",
    "animals/mammals/pig": "pig oinking",
    "animals/mammals/rodents/mouse": "mouse squeaking",
    "hobbies/music/percussion/cymbal_crash": "playing cymbal",
    "hobbies/music/percussion/drumkit": "playing drum kit",
    "hobbies/music/string/cello": "playing cello",
    "hobbies/music/string/violin": "playing violin, fiddle",
    "hobbies/music/wind/bassoon": "playing bassoon",
    "household/toilet": "toilet flushing",
    "vehicles/emergency/firetruck": "fire truck siren",
}
INSTRUMENTS = {
    "accordion": "playing accordion",
    "banjo": "playing banjo",
    "bongo": "playing bongo",
    "castanets": "playing castanets",
    "clarinet": "playing clarinet",
    "electric_guitar": "playing electric guitar",
    "flute_traversiere": "playing flute",
    "guitar": "playing acoustic guitar",
    "harmonica": "playing harmonica",
    "harp": "playing harp",
    "horn": "playing french horn",
    "piano": "playing piano",
    "saxophone": "playing saxophone",
    "snare_drum": "playing snare drum",
    "tambourine": "playing tambourine",
    "timpani": "playing timpani",
    "trombone": "playing trombone",
    "trumpet": "playing trumpet",
}


@dataclass(frozen=True, slots=True)
class Source:
    """One thing that can be seen and heard.

    Attributes
    ----------
    picture : (h, w, 4) uint8, RGBA, cut to what is opaque
    sound : float32, mono at ``RATE``, loudest at 1, silence at its ends cut off
    """

    name: str
    label: str
    picture: NDArray[np.uint8]
    sound: NDArray[np.float32]


def unpacked(downloads: Path) -> Path:
    """Return the folder with the packages' files; what is missing is downloaded."""
    downloads.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if not list(downloads.glob(f"{package}_*.deb")):
            run("apt-get", "download", package, at=downloads)
        if not (downloads / package).is_dir():
            (deb,) = downloads.glob(f"{package}_*.deb")
            run("dpkg", "-x", deb.name, package, at=downloads)
    return downloads


def sources(downloads: Path) -> list[Source]:
    """Return all objects, by class and name."""
    stamps = downloads / "tuxpaint-stamps-default/usr/share/tuxpaint/stamps"
    found = [
        Source(name, label, _png((stamps / f"{name}.png").read_bytes()),
               recording((stamps / f"{name}.ogg").read_bytes()))
        for name, label in STAMPS.items()
    ]  # fmt: skip
    rcc = downloads / "gcompris-qt-data/usr/share/gcompris-qt/rcc/instruments.rcc"
    files = {Path(path).name: content for path, content in qt_resources(rcc.read_bytes())}
    found += [
        Source(name, label, _png(_drawn(files[f"{name}.svg"])), recording(files[f"{name}.ogg"]))
        for name, label in INSTRUMENTS.items()
    ]
    return sorted(found, key=lambda one: (one.label, one.name))


def backgrounds(downloads: Path) -> list[NDArray[np.uint8]]:
    """Return the photographs of places, RGB, in an order that their contents fix."""
    folder = downloads / "scratch/usr/share/scratch/Media/Backgrounds"
    contents = [path.read_bytes() for path in sorted(folder.rglob("*.jpg"))]
    contents.sort(key=lambda content: hashlib.sha256(content).digest())
    pictures = [cv2.imdecode(np.frombuffer(c, np.uint8), cv2.IMREAD_COLOR) for c in contents]
    return [np.ascontiguousarray(p[..., ::-1]) for p in pictures if p is not None]


def recording(content: bytes) -> NDArray[np.float32]:
    """Decode a recording."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(io.BytesIO(content)) as container:
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
        frames += resampler.resample(None)
    sound = np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(np.float32)
    sound /= np.abs(sound).max()
    heard = np.flatnonzero(np.abs(sound) > 0.02)
    cut: NDArray[np.float32] = sound[heard[0] : heard[-1] + 1]
    return cut


def _png(content: bytes) -> NDArray[np.uint8]:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert picture.shape[2] == 4, "no alpha"
    rgba = np.ascontiguousarray(picture[..., [2, 1, 0, 3]])
    rows = np.flatnonzero((rgba[..., 3] > OPAQUE).any(axis=1))
    columns = np.flatnonzero((rgba[..., 3] > OPAQUE).any(axis=0))
    return rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _drawn(svg: bytes) -> bytes:
    """Draw an SVG with a transparent background."""
    command = ["rsvg-convert", "--width", "400", "--keep-aspect-ratio"]
    return subprocess.run(command, input=svg, stdout=subprocess.PIPE, check=True).stdout
