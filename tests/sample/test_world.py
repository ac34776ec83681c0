"""The sample world: its law, its boxes, and that nothing but sound and shape tells the answer."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from itertools import combinations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vggss_tools.boxes import intersection, iou, union_area
from vggss_tools.classes import openimages_classes, vggss_classes
from vggss_tools.resources import resource
from vggss_tools.sample.layout import AREA_QUANTILES, AREA_RANKS, area_at, plan_groups
from vggss_tools.sample.sprites import stamp
from vggss_tools.sample.world import (
    BENCHMARK_FRAME,
    CLASSES,
    HEIGHT,
    N_FRAMES,
    N_SAMPLES,
    WIDTH,
    SampleClass,
    Scene,
    clip_of,
    make_scene,
)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    """Scenes of a world that nothing else uses."""
    return [make_scene(11, "test", index) for index in range(160)]


def fingerprint(scene: Scene) -> str:
    """Digest of a frame, its boxes and the sound."""
    digest = hashlib.sha256(scene.render(7).tobytes())
    digest.update(repr(scene.boxes(7)).encode())
    digest.update(scene.sound().tobytes())
    return digest.hexdigest()


def test_a_scene_follows_from_seed_split_and_index_alone() -> None:
    """Another process that makes the scenes in another order makes the same ones."""
    code = (
        "import sys; sys.path.insert(0, 'tests/sample')\n"
        "from test_world import fingerprint, make_scene\n"
        "print(*[fingerprint(make_scene(5, 'test', i)) for i in (3, 0)])"
    )
    other = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=__file__.partition("/tests/")[0],
    )
    ours = [fingerprint(make_scene(5, "test", index)) for index in (0, 3)]
    assert other.stdout.split() == ours[::-1]


def test_a_frame_does_not_depend_on_the_frames_drawn_before() -> None:
    """Drawing a film gives the frames and boxes that asking for single ones gives."""
    scene = make_scene(5, "train", 1)
    film = dict(zip(range(3), scene.film(), strict=False))
    again = make_scene(5, "train", 1)
    assert film[2][1] == again.boxes(2)
    rgb = cv2.cvtColor(film[2][0], cv2.COLOR_YUV2RGB_I420)
    assert np.array_equal(rgb, again.render(2))


def test_splits_and_seeds_give_other_instances() -> None:
    """The same index in another split or world is another scene with another picture."""
    looks = [
        make_scene(seed, split, 0).render(0).tobytes()
        for seed, split in ((0, "train"), (0, "test"), (1, "train"))
    ]
    assert len(set(looks)) == 3


def test_shapes_and_types_are_as_promised() -> None:
    """Frames are RGB bytes, sound is ten seconds of float32 within -1..1."""
    scene = make_scene(5, "train", 0)
    frame, sound = scene.render(BENCHMARK_FRAME), scene.sound()
    assert frame.shape == (HEIGHT, WIDTH, 3)
    assert frame.dtype == np.uint8
    assert sound.shape == (N_SAMPLES,)
    assert sound.dtype == np.float32
    assert 0.2 < np.abs(sound).max() <= 1


@pytest.mark.parametrize("arguments", [(0, "val", 0), (-1, "train", 0), (0, "train", -1)])
def test_there_is_no_scene_outside_of_the_law(arguments: tuple[int, str, int]) -> None:
    """An unknown split or a negative number is refused."""
    with pytest.raises(ValueError, match="no scene"):
        make_scene(*arguments)


def test_classes_are_those_of_vggss_and_openimages() -> None:
    """Sound classes are spelt as VGG-SS spells them, objects as OpenImages does (but the bell)."""
    assert {kind.sound_class for kind in CLASSES} <= set(vggss_classes())
    assert {kind.object_class for kind in CLASSES} - set(openimages_classes()) == {"Bell"}
    assert len({kind.object_class for kind in CLASSES}) == len(CLASSES) >= 10


def test_the_table_of_the_classes_is_the_code() -> None:
    """annotations/sample_world.csv lists the same classes and objects."""
    rows = list(csv.DictReader(resource("sample_world.csv").read_text("utf-8").splitlines()))
    assert [(row["sound_class"], row["object"]) for row in rows] == [
        (kind.sound_class, kind.object_class) for kind in CLASSES
    ]
    assert all(row["sound"] and row["look"] for row in rows)


def test_every_class_comes_equally_often() -> None:
    """Any run of as many clips as there are classes has each class once."""
    labels = [clip_of(3, "train", index).label for index in range(24)]
    assert len(set(labels[:12])) == len(set(labels[12:])) == 12
    assert labels[:12] != labels[12:]


def test_what_is_painted_lies_in_its_box() -> None:
    """Without its front object a frame changes strongly in that object's box, and only there."""
    for index in range(6):
        scene, without = (make_scene(8, "test", index) for _ in range(2))
        front = without.things.pop()
        change = np.abs(scene.render(3).astype(int) - without.render(3)).max(axis=2)
        box = next(box.box for box in scene.boxes(3) if box.object == front.index)
        x0, y0, x1, y1 = np.array(box.as_list()) * (WIDTH, HEIGHT, WIDTH, HEIGHT)
        ys, xs = np.nonzero(change > 100)  # its shadow takes at most three tenths of the light
        assert len(xs) > 50
        # A pixel of colour covers two by two.
        assert x0 - 2 <= xs.min()
        assert xs.max() + 1 <= x1 + 2
        assert y0 - 2 <= ys.min()
        assert ys.max() + 1 <= y1 + 2


def test_boxes_equal_the_silhouette(scenes: list[Scene]) -> None:
    """A box is the extent of the mask of an object's visible pixels, to the pixel."""
    for scene in scenes[:30]:
        frame = 60
        boxes = {box.object: box.box for box in scene.boxes(frame)}
        taken = np.zeros((HEIGHT, WIDTH), bool)
        for thing, sprite in zip(scene.things[::-1], scene._sprites[::-1], strict=True):
            x, y, turn, grow = thing.motion[frame]
            piece = stamp(
                sprite, thing.centre + np.array([x, y]), turn, np.exp(grow), WIDTH, HEIGHT
            )
            assert piece is not None
            mask = np.zeros((HEIGHT, WIDTH), bool)
            rows, columns = piece.silhouette.shape
            mask[piece.y0 : piece.y0 + rows, piece.x0 : piece.x0 + columns] = piece.silhouette
            ys, xs = np.nonzero(mask & ~taken)
            taken |= mask
            got = np.array(boxes[thing.index].as_list()) * (WIDTH, HEIGHT, WIDTH, HEIGHT)
            expected = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            assert np.allclose(got, expected)


def test_the_planned_box_is_the_painted_one(scenes: list[Scene]) -> None:
    """At the benchmark frame the front object's box is where and as large as it was planned."""
    for scene in scenes[:60]:
        thing = scene.things[-1]
        low = np.clip(thing.centre / (WIDTH, HEIGHT) - thing.size / 2, 0, 1)
        high = np.clip(thing.centre / (WIDTH, HEIGHT) + thing.size / 2, 0, 1)
        box = next(b.box for b in scene.boxes(BENCHMARK_FRAME) if b.object == thing.index)
        assert np.allclose(box.as_list(), [*low, *high], atol=0.03)


def test_areas_follow_vggss(scenes: list[Scene]) -> None:
    """The area of what sounds has VGG-SS's median and range."""
    areas = [
        union_area([box.box for box in scene.boxes(BENCHMARK_FRAME) if box.sounding])
        for scene in scenes
    ]
    assert min(areas) >= 0.025
    assert max(areas) <= 0.85
    assert 0.20 <= np.median(areas) <= 0.30
    for rank, slack in ((0.1, 0.03), (0.3, 0.05), (0.7, 0.08), (0.9, 0.1)):
        assert np.quantile(areas, rank) == pytest.approx(area_at(rank), abs=slack)


def test_the_plan_keeps_the_law_of_areas_for_whatever_sounds() -> None:
    """Over many plans, areas of the sounding and of the silent group have one distribution."""
    rng = np.random.default_rng(0)
    plans = [plan_groups(rng) for _ in range(20_000)]
    sounding = [plan[0].area for plan in plans]
    silent = [plan[1].area for plan in plans]
    for rank, area in zip(AREA_RANKS[3:-1], AREA_QUANTILES[3:-1], strict=True):
        assert np.quantile(sounding, rank) == pytest.approx(area, abs=0.02)
        assert np.quantile(silent, rank) == pytest.approx(area, abs=0.02)


def test_scenes_hold_what_they_should(scenes: list[Scene]) -> None:
    """One class sounds, one to three times; one or two others are seen and silent."""
    for scene in scenes:
        boxes = scene.boxes(BENCHMARK_FRAME)
        sounding = [box for box in boxes if box.sounding]
        silent = [box for box in boxes if not box.sounding]
        assert {box.label for box in sounding} == {scene.label}
        assert scene.label not in {box.label for box in silent}
        assert 1 <= len(sounding) <= 3
        assert 1 <= len(silent) <= 2
        assert sorted(box.object for box in boxes) == list(range(len(boxes)))
    several = np.mean([sum(t.sounding for t in scene.things) > 1 for scene in scenes])
    assert 0.08 < several < 0.24


def test_objects_overlap_little(scenes: list[Scene]) -> None:
    """Boxes of different objects share less than a quarter of the smaller one, nearly always."""
    shares = [
        intersection(a.box, b.box) / min(a.box.area, b.box.area)
        for scene in scenes
        for a, b in combinations(scene.boxes(BENCHMARK_FRAME), 2)
    ]
    assert np.quantile(shares, 0.97) < 0.25
    assert max(shares) < 0.5


def test_neither_size_nor_place_nor_order_tells_what_sounds(scenes: list[Scene]) -> None:
    """Rules that look at boxes alone pick the sounding group about as often as chance does."""
    hits: dict[str, list[bool]] = {"largest": [], "central": [], "first": [], "front": []}
    chance = []
    for scene in scenes:
        groups: dict[str, list] = {}
        for box in scene.boxes(BENCHMARK_FRAME):
            groups.setdefault(box.label, []).append(box)
        labels = list(groups)
        chance.append(1 / len(labels))
        front = scene.things[-1].kind.sound_class
        picks = {
            "largest": max(labels, key=lambda k: union_area([b.box for b in groups[k]])),
            "central": min(labels, key=lambda k: _off_centre(groups[k])),
            "first": min(labels, key=lambda k: min(b.object for b in groups[k])),
            "front": front,
        }
        for rule, pick in picks.items():
            hits[rule].append(pick == scene.label)
    expected = np.mean(chance)
    for rule, found in hits.items():
        # Three standard deviations of a share over this many scenes.
        assert abs(np.mean(found) - expected) < 0.1, rule


def _off_centre(boxes: list) -> float:
    return min((box.box.center[0] - 0.5) ** 2 + (box.box.center[1] - 0.5) ** 2 for box in boxes)


def test_colour_and_place_carry_no_label() -> None:
    """Nearest centroids of colour, size and place name an object little better than chance."""

    def features(split: str, count: int) -> tuple[NDArray, NDArray]:
        rows, labels = [], []
        for index in range(count):
            scene = make_scene(6, split, index)
            frame = scene.render(BENCHMARK_FRAME).astype(float)
            for truth in scene.boxes(BENCHMARK_FRAME):
                x0, x1 = (int(WIDTH * v) for v in (truth.box.xmin, truth.box.xmax))
                y0, y1 = (int(HEIGHT * v) for v in (truth.box.ymin, truth.box.ymax))
                crop = frame[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)].reshape(-1, 3)
                rows.append([*crop.mean(0), *truth.box.center, truth.box.area])
                labels.append(truth.label)
        return np.array(rows), np.array(labels)

    train, train_labels = features("train", 96)
    test, test_labels = features("test", 60)
    mean, scale = train.mean(0), train.std(0)
    assert _nearest((train - mean) / scale, train_labels, (test - mean) / scale, test_labels) < 0.2


def test_classes_are_told_apart_by_their_sound() -> None:
    """Nearest centroids of the log spectrum name more than nine tenths of unheard sounds."""

    def features(split: str, count: int) -> tuple[NDArray, NDArray]:
        scenes = [make_scene(6, split, index) for index in range(count)]
        rows = [_log_spectrum(scene.sound()) for scene in scenes]
        return np.array(rows), np.array([scene.label for scene in scenes])

    train, train_labels = features("train", 144)
    test, test_labels = features("test", 96)
    within = np.mean([train[train_labels == k].var(0) for k in set(train_labels)], axis=0)
    scale = np.sqrt(within)
    assert _nearest(train / scale, train_labels, test / scale, test_labels) > 0.9


def _log_spectrum(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean and spread over the centre three seconds of 40 log bands, 30 dB deep."""
    frames = np.lib.stride_tricks.sliding_window_view(sound[56_000:104_000], 512)[::256]
    power = np.abs(np.fft.rfft(frames * np.hanning(512), axis=1)) ** 2
    edges = np.unique(np.round(np.geomspace(2, 256, 41)).astype(int))
    bands = np.add.reduceat(power, edges[:-1], axis=1) / np.diff(edges)
    level = 10 * np.log10(bands / bands.max() + 1e-3)
    return np.concatenate([level.mean(0), level.std(0)])


def _nearest(train: NDArray, train_labels: NDArray, test: NDArray, test_labels: NDArray) -> float:
    """Share of the test rows whose nearest class centroid is their own."""
    names = sorted(set(train_labels))
    centroids = np.array([train[train_labels == name].mean(0) for name in names])
    nearest = ((test[:, None] - centroids[None]) ** 2).sum(2).argmin(1)
    return float(np.mean(np.array(names)[nearest] == test_labels))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.sound_class)
def test_the_centre_is_never_silent(kind: SampleClass) -> None:
    """Every instance of every class is loud for much of the centre three seconds."""
    for seed in range(12):
        wave = kind.synthesise(np.random.default_rng(seed))
        assert np.isfinite(wave).all()
        loudness = np.sqrt(np.mean(wave**2))
        parts = wave[56_000:104_000].reshape(6, 8_000)  # half seconds
        levels = np.sqrt(np.mean(parts**2, axis=1))
        assert np.sqrt(np.mean(levels**2)) > 0.6 * loudness
        assert (levels > 0.1 * loudness).sum() >= 5


def test_objects_move_and_stay_in_the_picture(scenes: list[Scene]) -> None:
    """Every object sways, sounding or not, and is seen from the first frame to the last."""
    for scene in scenes[:20]:
        first, last = scene.boxes(0), scene.boxes(N_FRAMES - 1)
        assert len(first) == len(last) == len(scene.things)
        for a, b in zip(first, last, strict=True):
            assert a.object == b.object
            assert iou(a.box, b.box) > 0.2
    swing: dict[bool, list[float]] = {True: [], False: []}
    for scene in scenes:
        for thing in scene.things:
            swing[thing.sounding].append(float(np.ptp(thing.motion[:, 0])))
    assert min(swing[True] + swing[False]) > 1
    assert np.median(swing[True]) == pytest.approx(np.median(swing[False]), rel=0.2)
