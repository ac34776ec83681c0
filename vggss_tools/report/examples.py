"""The frames that the page shows: which clips, and what is drawn on each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vggss_tools.annotate.vggss_json import Annotations, Entry, box_defect
from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.masks import box_mask
from vggss_tools.evaluate.predictions import Predictions
from vggss_tools.evaluate.protocols import PROTOCOLS, resize_map
from vggss_tools.propose.proposals import Proposal
from vggss_tools.report import pictures
from vggss_tools.workspace import Workspace

RawBoxes = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A box to be drawn, in thousandths of the frame; ``kind`` is its style on the page."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: what it shows, the picture, and the boxes over it."""

    caption: str
    alt: str
    uri: str
    rectangles: tuple[Rectangle, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One clip: its pictures, and its cIoU by protocol."""

    clip_id: str
    label: str
    scores: dict[str, float]
    panels: tuple[Panel, ...]
    width: int
    height: int


@dataclass(frozen=True)
class Sources:
    """What the frames are drawn from.

    Attributes
    ----------
    proposals : detections by clip, of any class
    swapped : predictions with other clips' sounds
    silent : what is visible and silent
    labels : classes of clips that lend their sound and have no annotation
    per_clip : protocol → clip id → cIoU
    """

    workspace: Workspace
    predictions: Predictions
    annotations: Annotations
    proposals: Mapping[str, Sequence[Proposal]] = field(default_factory=dict)
    swapped: Predictions | None = None
    silent: Sequence[Entry] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    per_clip: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def make_examples(sources: Sources, protocols: Sequence[str], count: int) -> list[Example]:
    """Draw ``count`` clips, or all that have a map, an annotation and an extracted frame.

    With the clips' cIoU they are at even steps of rank under the first protocol, the best first;
    otherwise at even steps of the clip ids. Nothing is picked by hand.
    """
    entries = {entry.file: entry for entry in sources.annotations.entries}
    own = {
        clip_id
        for row, clip_id in enumerate(sources.predictions.clip_id)
        if sources.predictions.own_sound(row)
    }
    shown = [
        name for name in entries if name in own and sources.workspace.frame_path(name).is_file()
    ]
    ranks = sources.per_clip.get(protocols[0], {}) if protocols else {}
    shown.sort(key=lambda name: (-ranks.get(name, 0.0), name))
    chosen = [shown[i] for i in even_steps(len(shown), count)]
    maps = dict(_own_maps(sources.predictions, set(chosen)))
    swaps = dict(_swapped_maps(sources, set(chosen))) if sources.swapped else {}
    return [
        _example(sources, entries[name], maps[name], swaps.get(name), protocols) for name in chosen
    ]


def even_steps(total: int, count: int) -> list[int]:
    """Return ``count`` positions of ``range(total)``, evenly spread, both ends included."""
    if count >= total:
        return list(range(total))
    if count == 1:
        return [total // 2]
    return [round(i * (total - 1) / (count - 1)) for i in range(count)]


@dataclass(frozen=True, slots=True)
class _Swap:
    heat: NDArray[np.float32]
    label: str
    boxes: RawBoxes


def _own_maps(
    predictions: Predictions, wanted: set[str]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for row, heat in enumerate(predictions.maps()):
        name = predictions.clip_id[row]
        if name in wanted and predictions.own_sound(row):
            yield name, heat.copy()


def _swapped_maps(sources: Sources, wanted: set[str]) -> Iterator[tuple[str, _Swap]]:
    swapped = sources.swapped
    assert swapped is not None
    classes = {**sources.labels, **{e.file: e.label for e in sources.annotations.entries}}
    silent = {(entry.file, entry.label): entry.boxes for entry in sources.silent}
    for row, heat in enumerate(swapped.maps()):
        image, label = swapped.image_id[row], classes.get(swapped.audio_id[row], "")
        if image in wanted and (image, label) in silent:
            yield image, _Swap(heat.copy(), label, silent[image, label])


def _example(
    sources: Sources,
    entry: Entry,
    raw: NDArray[np.float32],
    swap: _Swap | None,
    protocols: Sequence[str],
) -> Example:
    frame = pictures.read_frame(str(sources.workspace.frame_path(entry.file)))
    truth = list(_rectangles(entry.boxes, "truth", f"annotated: {entry.label}"))
    found = sources.proposals.get(entry.file, ())
    proposed = [
        *_rectangles((p.box.as_list() for p in found if not p.sound_class), "other", "detected"),
        *_rectangles(
            (p.box.as_list() for p in found if p.sound_class),
            "candidate",
            f"proposed: {entry.label}",
        ),
    ]
    heat = pictures.unit_range(resize_map(raw))
    panels = [
        _panel("Boxes", f"Frame of {entry.file}", frame, [*proposed, *truth]),
        _panel("Heat map", "Heat map over the frame", pictures.heat_overlay(frame, heat), truth),
        _panel("Tri-map", "Tri-map over the frame", pictures.tri_map_overlay(frame, heat), truth),
    ]
    if swap is not None:
        heard = list(_rectangles(swap.boxes, "heard", f"silent: {swap.label}"))
        picture = pictures.heat_overlay(frame, pictures.unit_range(resize_map(swap.heat)))
        alt = f"Heat map with the sound of {swap.label}"
        panels.append(_panel(f"With the sound of: {swap.label}", alt, picture, [*truth, *heard]))
    height, width = frame.shape[:2]
    scores = {name: _score(sources, name, entry, raw) for name in protocols if name in PROTOCOLS}
    return Example(entry.file, entry.label, scores, tuple(panels), width, height)


def _panel(
    caption: str, alt: str, picture: pictures.Image, rectangles: Sequence[Rectangle]
) -> Panel:
    return Panel(caption, alt, pictures.jpeg_uri(picture), tuple(rectangles))


def _rectangles(boxes: Iterable[Sequence[float]], kind: str, name: str) -> Iterator[Rectangle]:
    for xmin, ymin, xmax, ymax in boxes:
        if box_defect((xmin, ymin, xmax, ymax)) is None:
            x0, y0, x1, y1 = (round(1000 * value, 1) for value in (xmin, ymin, xmax, ymax))
            yield Rectangle(x0, y0, round(x1 - x0, 1), round(y1 - y0, 1), kind, name)


def _score(sources: Sources, protocol: str, entry: Entry, raw: NDArray[np.float32]) -> float:
    known = sources.per_clip.get(protocol, {}).get(entry.file)
    if known is not None:
        return known
    return float(metrics.ciou(box_mask(entry.boxes), PROTOCOLS[protocol].predict(raw)))
