"""The clips that the page shows, and what is drawn on each frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vggss_tools.annotate.vggss_json import Entry, box_defect
from vggss_tools.evaluate.masks import GRID
from vggss_tools.evaluate.predictions import Predictions
from vggss_tools.evaluate.protocols import PROTOCOLS, Protocol
from vggss_tools.evaluate.resizing import resize_map
from vggss_tools.evaluate.rows import family_of
from vggss_tools.evaluate.test_sets import Sample, TestSet
from vggss_tools.propose.proposals import Proposal
from vggss_tools.report import pictures
from vggss_tools.report.clip_choice import ClipGroup, choose_clips
from vggss_tools.report.regions import Region, region
from vggss_tools.report.runs import Run
from vggss_tools.report.sounds import sound_uri
from vggss_tools.workspace import Workspace

Map = NDArray[np.float32]
RawBoxes = Sequence[Sequence[float]]

OUTLINES_MOST = 3  # regions in one picture that the eye can tell apart


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
class Sound:
    """A sound to be played: what it is, and the sound."""

    name: str
    uri: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture: what it shows, the picture, and the boxes and outlines over it."""

    caption: str
    alt: str
    uri: str
    rectangles: tuple[Rectangle, ...]
    regions: tuple[Region, ...] = ()
    sound: Sound | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One clip: its sound, its pictures, and its cIoU by protocol, a value a run."""

    clip_id: str
    label: str
    negative: bool
    scores: dict[str, tuple[float | None, ...]]
    panels: tuple[Panel, ...]
    sound: Sound | None
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ExampleGroup:
    """Clips that were chosen for one reason (see ``clip_choice``)."""

    key: str
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Maps:
    """The maps of one run, and those with silent objects' sounds."""

    predictions: Predictions
    swapped: Predictions | None = None


@dataclass(frozen=True)
class Sources:
    """What the frames are drawn from.

    Attributes
    ----------
    maps : per position of a run, its maps
    proposals : detections by clip, of any class
    silent : what is visible and silent
    labels : classes of clips that lend their sound and have no annotation
    sounds : whether to put the clips' sounds into the page
    protocols : the rules by which regions are drawn
    """

    workspace: Workspace
    test_set: TestSet
    maps: Mapping[int, Maps]
    proposals: Mapping[str, Sequence[Proposal]] = field(default_factory=dict)
    silent: Sequence[Entry] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    sounds: bool = True
    protocols: Mapping[str, Protocol] = field(default_factory=lambda: PROTOCOLS)


def make_examples(
    sources: Sources, runs: Sequence[Run], protocols: Sequence[str], count: int
) -> list[ExampleGroup]:
    """Draw ``count`` clips, or all that have a map, an annotation and an extracted frame.

    Parameters
    ----------
    protocols : the first ranks the clips; outlines of up to three are drawn
    """
    others = [p for p in _protocols(runs) if p not in protocols]
    scores = [[run.per_clip.get(p, {}) for run in runs] for p in (*protocols, *others)]
    shown = _showable(sources)
    for table in filter(None, scores[0] if scores else ()):  # not what a subset left out
        shown = {name: sample for name, sample in shown.items() if name in table}
    groups = choose_clips(list(shown), scores, count)
    chosen = {name for group in groups for name in group.names}
    artist = _Artist(sources, runs, protocols, {name: shown[name] for name in chosen})
    return [_draw(artist, group) for group in groups]


def default_outlines(runs: Sequence[Run]) -> list[str]:
    """Return the protocols whose regions are drawn: one of each family first, three at most."""
    results = {r["protocol"]: r for run in runs for r in run.results}
    by_family: dict[str, list[str]] = {}
    for protocol, result in results.items():
        by_family.setdefault(family_of(result), []).append(protocol)
    firsts = [group[0] for group in by_family.values()]
    rest = [protocol for protocol in results if protocol not in firsts]
    chosen = [*firsts, *rest][:OUTLINES_MOST]
    return [protocol for protocol in results if protocol in chosen]


def _protocols(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(r["protocol"] for run in runs for r in run.results))


def _showable(sources: Sources) -> dict[str, Sample]:
    """Return the samples of which every run has a map, and of which there is a frame."""
    common: set[tuple[str, str]] | None = None
    for maps in sources.maps.values():
        found = set(zip(maps.predictions.image_id, maps.predictions.audio_id, strict=True))
        common = found if common is None else common & found
    return {
        sample.name: sample
        for sample in sources.test_set.samples
        if (sample.image_id, sample.audio_id) in (common or ())
        and sources.workspace.frame_path(sample.image_id).is_file()
    }


def _draw(artist: _Artist, group: ClipGroup) -> ExampleGroup:
    return ExampleGroup(group.key, tuple(artist.example(name) for name in group.names))


@dataclass(frozen=True, slots=True)
class _Swap:
    heat: Map
    label: str
    audio_id: str
    boxes: RawBoxes


class _Artist:
    """Draws the chosen samples; every file of maps is read once."""

    def __init__(
        self,
        sources: Sources,
        runs: Sequence[Run],
        protocols: Sequence[str],
        chosen: Mapping[str, Sample],
    ) -> None:
        self.sources = sources
        self.runs = runs
        self.protocols = protocols
        self.chosen = chosen
        self.maps: dict[int, dict[str, Map]] = {}
        self.priors: dict[int, dict[str, Map]] = {}
        self.swaps: dict[int, dict[str, _Swap]] = {}
        guided = any(r.get("ogl") is not None for run in runs for r in run.results)
        for i, maps in sources.maps.items():
            self.maps[i] = self._own(maps.predictions, maps.predictions.maps())
            if guided and maps.predictions.has_object_maps:
                self.priors[i] = self._own(maps.predictions, maps.predictions.object_maps())
            if maps.swapped is not None:
                self.swaps[i] = dict(self._swapped(maps.swapped))

    def _own(self, predictions: Predictions, maps: Iterable[Map]) -> dict[str, Map]:
        wanted = {(s.image_id, s.audio_id): s.name for s in self.chosen.values()}
        found: dict[str, Map] = {}
        for row, heat in enumerate(maps):
            name = wanted.get((predictions.image_id[row], predictions.audio_id[row]))
            if name is not None:
                found[name] = heat.copy()
        return found

    def _swapped(self, swapped: Predictions) -> Iterator[tuple[str, _Swap]]:
        samples = self.sources.test_set.samples
        classes = {**self.sources.labels, **{s.audio_id: s.label for s in samples}}
        silent = {(entry.file, entry.label): entry.boxes for entry in self.sources.silent}
        wanted = {s.image_id: s.name for s in self.chosen.values()}
        for row, heat in enumerate(swapped.maps()):
            image, audio = swapped.image_id[row], swapped.audio_id[row]
            boxes = silent.get((image, classes.get(audio, "")))
            if image in wanted and boxes is not None:
                yield wanted[image], _Swap(heat.copy(), classes[audio], audio, boxes)

    def example(self, name: str) -> Example:
        sample = self.chosen[name]
        frame = pictures.read_frame(str(self.sources.workspace.frame_path(sample.image_id)))
        truth = list(_truth(sample))
        panels = [
            _panel("Boxes", f"Frame of {sample.image_id}", frame, [*self._proposed(sample), *truth])
        ]
        for i in self.sources.maps:
            panels += self._heat_panels(i, sample, frame, truth)
        for i, swaps in self.swaps.items():
            if name in swaps:
                panels.append(self._swap_panel(i, swaps[name], frame, truth))
        height, width = frame.shape[:2]
        return Example(
            sample.name,
            sample.label,
            sample.negative,
            self._scores(name),
            tuple(panels),
            self._sound(sample.audio_id, sample.label),
            width,
            height,
        )

    def _heat_panels(
        self, i: int, sample: Sample, frame: pictures.Image, truth: Sequence[Rectangle]
    ) -> Iterator[Panel]:
        heat = pictures.unit_range(resize_map(self.maps[i][sample.name]))
        regions = tuple(self._regions(i, sample))
        run = f"{self.runs[i].name}: " if len(self.runs) > 1 else ""
        said = "heat map" if run else "Heat map"
        yield _panel(
            f"{run}{said}",
            f"Heat map of {self.runs[i].name} over the frame",
            pictures.heat_overlay(frame, heat),
            truth,
            regions,
        )
        yield _panel(
            f"{run}tri-map" if run else "Tri-map",
            f"Tri-map of {self.runs[i].name} over the frame",
            pictures.tri_map_overlay(frame, heat),
            truth,
        )

    def _regions(self, i: int, sample: Sample) -> Iterator[Region]:
        test_set = self.sources.test_set
        truth = test_set.truth(test_set.positions[sample.image_id, sample.audio_id])
        prior = self.priors.get(i, {}).get(sample.name)
        for protocol in self.protocols[:OUTLINES_MOST]:
            result = self.runs[i].result(protocol)
            if result is None:
                continue
            known = self.runs[i].per_clip.get(protocol, {}).get(sample.name)
            raw = self.maps[i][sample.name]
            rule = self.sources.protocols.get(protocol)
            if rule is None:  # of another tool, or of a file that was not given
                continue
            rule = rule.for_set(test_set.published)
            found = region(rule, result, raw, truth, prior, known)
            if found is not None:
                yield found

    def _swap_panel(
        self, i: int, swap: _Swap, frame: pictures.Image, truth: Sequence[Rectangle]
    ) -> Panel:
        heard = list(_rectangles(swap.boxes, "heard", f"silent: {swap.label}"))
        heat = pictures.unit_range(resize_map(swap.heat))
        run = f"{self.runs[i].name}, with" if len(self.runs) > 1 else "With"
        return _panel(
            f"{run} the sound of: {swap.label}",
            f"Heat map of {self.runs[i].name} with the sound of {swap.label}",
            pictures.heat_overlay(frame, heat),
            [*truth, *heard],
            sound=self._sound(swap.audio_id, swap.label),
        )

    def _proposed(self, sample: Sample) -> Iterator[Rectangle]:
        found = self.sources.proposals.get(sample.image_id, ())
        others = (p.box.as_list() for p in found if not p.kept and not p.is_region)
        yield from _rectangles(others, "other", "detected")
        candidates = (p.box.as_list() for p in found if p.kept)
        yield from _rectangles(candidates, "candidate", f"proposed: {sample.label}")

    def _scores(self, name: str) -> dict[str, tuple[float | None, ...]]:
        """Return the cIoU as scored; where nobody says it, that of what is drawn."""
        scores = {
            protocol: tuple(run.per_clip.get(protocol, {}).get(name) for run in self.runs)
            for protocol in _protocols(self.runs)
        }
        if not any(value is not None for row in scores.values() for value in row):
            drawn = {i: {r.protocol: r.ciou for r in self._regions(i, self.chosen[name])}
                     for i in self.maps}  # fmt: skip
            scores = {
                protocol: tuple(drawn.get(i, {}).get(protocol) for i in range(len(self.runs)))
                for protocol in scores
            }
        return {
            protocol: row
            for protocol, row in scores.items()
            if any(value is not None for value in row)
        }

    def _sound(self, audio_id: str, label: str) -> Sound | None:
        path = self.sources.workspace.audio_path(audio_id)
        if not self.sources.sounds or not path.is_file():
            return None
        return Sound(label or audio_id, sound_uri(path))


def _panel(
    caption: str,
    alt: str,
    picture: pictures.Image,
    rectangles: Sequence[Rectangle],
    regions: tuple[Region, ...] = (),
    sound: Sound | None = None,
) -> Panel:
    uri = pictures.jpeg_uri(picture)
    return Panel(caption, alt, uri, tuple(rectangles), regions, sound)


def _truth(sample: Sample) -> Iterator[Rectangle]:
    boxes = (sample.edges / GRID).tolist()  # as scored, to the pixel
    yield from _rectangles(boxes, "truth", f"annotated: {sample.label}")


def _rectangles(boxes: Iterable[Sequence[float]], kind: str, name: str) -> Iterator[Rectangle]:
    for xmin, ymin, xmax, ymax in boxes:
        if box_defect((xmin, ymin, xmax, ymax)) is None:
            x0, y0, x1, y1 = (round(1000 * value, 1) for value in (xmin, ymin, xmax, ymax))
            yield Rectangle(x0, y0, round(x1 - x0, 1), round(y1 - y0, 1), kind, name)
