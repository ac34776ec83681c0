"""Scoring map by map, without a predictions file: for validation inside a training loop.

::

    scorer = Scorer(("lvs", "paper"))
    for maps, boxes, clip_ids in batches:
        scorer.update(maps, boxes, clip_ids)
    scorer.compute()  # {"lvs": {"ciou": …, "auc": …, "mean_ciou": …, "n": …}, "paper": {…}}

The numbers are those of ``vggss benchmark`` on the same maps, to the last bit. What stands beside
them there (coverage, baselines, ceiling, intervals) takes the whole test set and is not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.breakdown import AREA_BUCKETS, area_bucket
from vggss_tools.evaluate.masks import GRID, pixel_edges
from vggss_tools.evaluate.protocols import (
    PROTOCOLS,
    Normalise,
    Protocol,
    RankedMap,
    SweepThreshold,
)
from vggss_tools.evaluate.ranking import average_precision
from vggss_tools.evaluate.resizing import resize_map
from vggss_tools.evaluate.scoring import RANK_RESIZE, best_threshold
from vggss_tools.evaluate.test_sets import Sample, TestSet
from vggss_tools.evaluate.truths import Truth

Floats = NDArray[np.float64]
Map = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Beyond this a coordinate is no fraction of the frame, but a pixel.
LARGEST_FRACTION = 2.0

__all__ = ["Scorer"]


class Scorer:
    """Scores of maps that come one by one or in batches, under one or more protocols.

    Only the clips' scores are kept, some numbers a clip and protocol; maps and truths are not.
    A scorer can be pickled, sent to another process and merged there.

    Parameters
    ----------
    protocols : names, or protocols of one's own; at least one
    consensus : int
        How many annotators' boxes make a pixel certain; 1 takes the union. 2 for
        Flickr-SoundNet. Of no concern to truths that are given as masks.
    ogl : float, optional
        Weight of the map against the object prior, 0..1, for object-guided localisation.
    vgg_ss : bool
        Whether the clips are VGG-SS; SSLalignment resizes those of other sets otherwise.
    repeats : {"refuse", "first"}
        What becomes of a clip id that was scored already: an error, or it is passed over. The
        latter is for samplers that fill up their last batches (``DistributedSampler``).

    Raises
    ------
    ValueError
        On a name that is not a protocol's, the same name twice, or an ``ogl`` outside of 0..1.
    """

    def __init__(
        self,
        protocols: Sequence[str | Protocol] = ("lvs", "paper"),
        *,
        consensus: int = 1,
        ogl: float | None = None,
        vgg_ss: bool = True,
        repeats: Literal["refuse", "first"] = "refuse",
    ) -> None:
        if isinstance(protocols, str | Protocol):
            protocols = (protocols,)
        self.protocols = tuple(_protocol(one).for_set(vgg_ss) for one in protocols)
        names = [protocol.name for protocol in self.protocols]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"protocols are {names}; give at least one, and each once")
        if ogl is not None and not 0 <= ogl <= 1:
            raise ValueError(f"ogl is {ogl}; it is a weight, 0..1")
        if consensus < 1:
            raise ValueError(f"consensus is {consensus}; it is a number of annotators, 1 or more")
        if repeats not in ("refuse", "first"):
            raise ValueError(f"repeats is {repeats!r}; it is 'refuse' or 'first'")
        self.consensus, self.ogl, self.repeats = consensus, ogl, repeats
        self._columns = _Columns.of(self.protocols)
        self.reset()

    def reset(self) -> None:
        """Forget all clips."""
        self._blocks: list[Floats] = []
        self._ids: dict[str, None] = {}
        self._with_ids: bool | None = None

    def __len__(self) -> int:
        """Return the number of clips."""
        return sum(len(block) for block in self._blocks)

    @property
    def clip_ids(self) -> list[str]:
        """The clips in the order of the scores; empty if no ids were given."""
        return list(self._ids)

    @property
    def cious(self) -> dict[str, Floats]:
        """Per protocol name, the clips' cIoU (N, T); T thresholds of a sweep, else 1."""
        rows = self.rows
        return {name: rows[:, place] for name, place in self._columns.cious.items()}

    @property
    def rows(self) -> Floats:
        """All that is kept, (N, K): one row a clip. For :meth:`from_rows` of an equal scorer."""
        if len(self._blocks) != 1:
            empty = np.empty((0, self._columns.width))
            self._blocks = [np.concatenate([empty, *self._blocks])]
        return self._blocks[0]

    # ------------------------------------------------------------------------------- adding clips

    def update(
        self,
        maps: ArrayLike,
        truth: Any,
        clip_id: str | Sequence[str] | None = None,
        *,
        object_maps: ArrayLike | None = None,
    ) -> None:
        """Score one clip or a batch; all of it or, at an error, nothing.

        Parameters
        ----------
        maps : (h, w), or (B, h, w)
            Raw maps, larger where the sound is; any range, any size, row 0 = top. Arrays of NumPy
            and whatever has ``__array__``, such as tensors on the CPU.
        truth : boxes or mask of the clip, or B of them
            Boxes are ``[xmin, ymin, xmax, ymax]`` in fractions of the frame, y down; a clip
            may have none. Masks are (224, 224), bool or weights 0..1.
        clip_id : str, or B of them, optional
            For messages, and so that no clip counts twice. With the first call or never.
        object_maps : (h', w'), or (B, h', w')
            Object priors; needed with ``ogl``, and refused without it.

        Raises
        ------
        ValueError
            On NaN, infinities and values beyond float32, on shapes that do not fit, on boxes in
            pixels, and on a clip id that was scored already; the message names the clip.
        """
        batch, single = _as_batch(maps, "maps")
        ids = self._names(clip_id, len(batch), single)
        names = [f"map {len(self) + i}" for i in range(len(batch))] if ids is None else ids
        stored = _finite_maps(batch, names, "map")
        priors: Map | None = None
        if (object_maps is None) != (self.ogl is None):
            raise ValueError("object_maps go with ogl: give both, or neither")
        if object_maps is not None:
            others, _ = _as_batch(object_maps, "object_maps")
            if len(others) != len(batch):
                raise ValueError(f"{len(batch)} maps and {len(others)} object maps")
            priors = _finite_maps(others, names, "object map")
        truths = _read_truths([truth] if single else truth, names, self.consensus)
        wanted = self._wanted(ids, len(batch))
        rows = np.empty((len(wanted), self._columns.width))
        grid = np.empty((GRID, GRID), dtype=np.float32)
        for row, i in zip(rows, wanted, strict=True):
            self._score(row, stored[i], None if priors is None else priors[i], truths[i], grid)
        self._blocks.append(rows)
        if ids is not None:
            self._ids.update((ids[i], None) for i in wanted)
        if len(batch):
            self._with_ids = ids is not None

    def merge(self, other: Scorer) -> None:
        """Add the clips of another scorer of the same protocols, of another process say.

        Raises
        ------
        ValueError
            If the two score otherwise, only one has clip ids, or a clip is in both (see
            ``repeats``).
        """
        mine, its = ((s.protocols, s.consensus, s.ogl) for s in (self, other))
        if mine != its:
            raise ValueError("the scorers differ in protocols, consensus or ogl: not merged")
        if self._with_ids is not None and other._with_ids not in (None, self._with_ids):
            raise ValueError("one scorer has clip ids and the other has none: not merged")
        ids = other.clip_ids if other._with_ids else None
        wanted = self._wanted(ids, len(other))
        self._blocks.append(other.rows[wanted])
        if ids is not None:
            self._ids.update((ids[i], None) for i in wanted)
        if self._with_ids is None:
            self._with_ids = other._with_ids

    def from_rows(self, rows: ArrayLike) -> Scorer:
        """Return a scorer of the same kind that holds :attr:`rows` gathered elsewhere.

        Parameters
        ----------
        rows : float64 array (N, K)
        """
        found = np.asarray(rows, dtype=np.float64)
        if found.ndim != 2 or found.shape[1] != self._columns.width:
            raise ValueError(f"rows have shape {found.shape}, not (N, {self._columns.width})")
        made = Scorer(self.protocols, consensus=self.consensus, ogl=self.ogl, repeats=self.repeats)
        made._blocks = [found]
        made._with_ids = False if len(found) else None
        return made

    # ------------------------------------------------------------------------------------ results

    def compute(self) -> dict[str, dict[str, float]]:
        """Return the scores of all clips so far, by protocol, fractions 0..1.

        Returns
        -------
        dict of protocol name to
            ``ciou``
                Share of clips that succeed at 0.5, as the field's tables have it.
            ``auc``, ``mean_ciou``
                Area under the success curve; mean of the clips' cIoU.
            ``n``
                Number of clips.
            ``threshold_ciou``, ``threshold_auc``
                Of a sweep only: the thresholds, chosen on these very clips, at which ``ciou`` and
                ``auc`` are best.
            ``pixel_ap``
                Of a protocol that ranks pixels (``vggss``): average precision, the mean of the
                area buckets' means.

        Raises
        ------
        ValueError
            Before the first clip.
        """
        rows = self.rows
        if not len(rows):
            raise ValueError("no clip was scored; call update first")
        return {protocol.name: self._summary(protocol, rows) for protocol in self.protocols}

    def _summary(self, protocol: Protocol, rows: Floats) -> dict[str, float]:
        levels = rows[:, self._columns.cious[protocol.name]]
        best = best_threshold(levels, protocol.strict)
        cious = levels[:, best]
        areas = [
            metrics.area_under_curve(metrics.success_curve(levels[:, k], protocol.strict))
            for k in range(levels.shape[1])
        ]
        found = {
            "ciou": metrics.success_rate(cious, strict=protocol.strict),
            "auc": max(areas),
            "mean_ciou": float(cious.mean()),
            "n": len(rows),
        }
        if isinstance(protocol.threshold, SweepThreshold):
            found["threshold_ciou"] = protocol.threshold.thresholds[best]
            found["threshold_auc"] = protocol.threshold.thresholds[areas.index(max(areas))]
        if protocol.rank_pixels:
            found["pixel_ap"] = self._pixel_ap(rows)
        return found

    def _pixel_ap(self, rows: Floats) -> float:
        area, precision = rows[:, self._columns.area], rows[:, self._columns.area + 1]
        buckets = np.array([area_bucket(int(one)) for one in area])
        return float(
            np.mean(
                [
                    precision[buckets == name].mean()
                    for name in AREA_BUCKETS
                    if (buckets == name).any()
                ]
            )
        )

    # ------------------------------------------------------------------------------------ one map

    def _score(
        self, row: Floats, raw: Map, prior: Map | None, truth: Truth | _MaskTruth, grid: Map
    ) -> None:
        """Fill the row of one clip."""
        resizes = dict.fromkeys(protocol.resize for protocol in self.protocols)
        for resize in resizes:
            resized = resize_map(raw, resize, out=grid)
            # Equal normalisations share their order statistics.
            ranked = {Normalise.NONE: RankedMap(resized)}
            for protocol in self.protocols:
                if protocol.resize is not resize:
                    continue
                if prior is not None and self.ogl is not None:
                    values = RankedMap(protocol.guided(raw, prior, self.ogl))
                elif protocol.normalise in ranked:
                    values = ranked[protocol.normalise]
                else:
                    values = ranked[Normalise.NONE].normalised(protocol.normalise)
                    ranked[protocol.normalise] = values
                row[self._columns.cious[protocol.name]] = _cious(protocol, values, truth)
        if self._columns.ranks:
            row[self._columns.area] = truth.area
            resized = resize_map(raw, RANK_RESIZE, out=grid)
            row[self._columns.area + 1] = average_precision(resized, truth.mask)

    # --------------------------------------------------------------------------------------- ids

    def _names(self, clip_id: str | Sequence[str] | None, n: int, single: bool) -> list[str] | None:
        """Return the clip ids of a batch, or None if there are none."""
        if self._with_ids is not None and self._with_ids != (clip_id is not None):
            raise ValueError("some clips came with clip_id and some without; give it always")
        if clip_id is None:
            return None
        if isinstance(clip_id, str) and not single:
            raise ValueError(f"one clip_id ({clip_id}) for {n} maps; give one a map")
        ids = [clip_id] if isinstance(clip_id, str) else [str(one) for one in clip_id]
        if len(ids) != n:
            raise ValueError(f"{len(ids)} clip ids for {n} maps; give one a map")
        return ids

    def _wanted(self, ids: Sequence[str] | None, n: int) -> list[int]:
        """Return which of a batch's clips are new."""
        if ids is None:
            return list(range(n))
        seen: set[str] = set()
        wanted = []
        for i, name in enumerate(ids):
            if name in self._ids or name in seen:
                if self.repeats == "refuse":
                    raise ValueError(
                        f"{name}: scored already; reset() between epochs, or repeats='first' where "
                        "the sampler repeats clips"
                    )
                continue
            seen.add(name)
            wanted.append(i)
        return wanted


# ------------------------------------------------------------------------------------------ parts


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a protocol's scores stand in a clip's row.

    Attributes
    ----------
    cious : per protocol name, the columns of its cIoU
    area : first of two columns, the truth's pixels and the average precision
    ranks : whether there are those two
    """

    cious: dict[str, slice]
    area: int
    ranks: bool

    @classmethod
    def of(cls, protocols: Sequence[Protocol]) -> _Columns:
        cious, end = {}, 0
        for protocol in protocols:
            rule = protocol.threshold
            n = len(rule.thresholds) if isinstance(rule, SweepThreshold) else 1
            cious[protocol.name] = slice(end, end + n)
            end += n
        return cls(cious, end, any(protocol.rank_pixels for protocol in protocols))

    @property
    def width(self) -> int:
        return self.area + 2 * self.ranks


class _MaskTruth:
    """A truth that is given as a mask; see :class:`~vggss_tools.evaluate.truths.Truth`."""

    __slots__ = ("area", "mask", "total", "weights")

    def __init__(self, truth: NDArray[Any]) -> None:
        self.weights = None if truth.dtype == np.bool_ else truth
        self.mask: Mask = truth > 0 if self.weights is not None else truth
        self.area = int(np.count_nonzero(self.mask))
        self.total = float(truth.sum())

    def count(self, predicted: Mask) -> tuple[float, float]:
        inside = np.count_nonzero(predicted & self.mask)
        hit = inside if self.weights is None else self.weights[predicted].sum()
        return float(hit), float(np.count_nonzero(predicted) - inside)


def _cious(protocol: Protocol, values: RankedMap, truth: Truth | _MaskTruth) -> Floats:
    """Return the cIoU at each threshold of a sweep, or the one of any other rule."""
    if isinstance(protocol.threshold, SweepThreshold):
        masks = (values.values >= level for level in protocol.threshold.thresholds)
    else:
        masks = (mask for mask in [protocol.threshold.predict(values, truth.area)])
    hit, false = np.array([truth.count(mask) for mask in masks]).T
    return metrics.ciou_of_counts(hit, np.full(hit.shape, truth.total), false)


def _protocol(one: str | Protocol) -> Protocol:
    if isinstance(one, Protocol):
        return one
    if one not in PROTOCOLS:
        raise ValueError(f"no protocol {one!r}; there are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[one]


def _as_batch(maps: ArrayLike, what: str) -> tuple[NDArray[Any], bool]:
    """Return maps as (B, h, w), and whether there was but one, without a batch's axis."""
    try:
        values = np.asarray(maps)
    except ValueError as error:
        raise ValueError(f"{what} are not one array ({error}); update with one by one") from None
    if values.dtype.kind not in "fiub":
        raise ValueError(f"{what} are {values.dtype}; they are numbers")
    if values.ndim not in (2, 3) or not all(values.shape[-2:]):
        raise ValueError(f"{what} have shape {values.shape}; they are (h, w) or (B, h, w)")
    return (values[None], True) if values.ndim == 2 else (values, False)


def _finite_maps(batch: NDArray[Any], names: Sequence[str], what: str) -> Map:
    """Return maps as float32; refuse what has no order or no range in it."""
    with np.errstate(over="ignore", invalid="ignore"):
        stored = np.ascontiguousarray(batch, dtype=np.float32)
        spread = stored.max(axis=(1, 2)) - stored.min(axis=(1, 2))
    bad = np.flatnonzero(~np.isfinite(spread))
    if len(bad):
        found = batch[bad[0]]
        cause = "values too large for float32"
        if np.isnan(found).any():
            cause = "NaN"
        elif np.isinf(found).any():
            cause = "an infinity"
        raise ValueError(f"{names[bad[0]]}: the {what} holds {cause}")
    return stored


def _read_truths(
    truth: Any, names: Sequence[str], consensus: int
) -> Sequence[Truth] | Sequence[_MaskTruth]:
    """Tell masks from boxes by their shape, check them and prepare them for counting."""
    if len(truth) != len(names):
        raise ValueError(f"{len(names)} maps and {len(truth)} truths; give one a map")
    if len(names) and all(_is_mask(one) for one in truth):
        return [
            _MaskTruth(_mask(np.asarray(one), name)) for one, name in zip(truth, names, strict=True)
        ]
    samples = [
        Sample(name, name, name, "", pixel_edges(_boxes(one, name)))
        for one, name in zip(truth, names, strict=True)
    ]
    batch = TestSet("batch", "", tuple(samples), consensus)
    return [Truth(batch, i) for i in range(len(samples))]


def _is_mask(truth: Any) -> bool:
    shape = getattr(truth, "shape", None)
    return shape is not None and len(shape) == 2 and shape[-1] != 4


def _mask(truth: NDArray[Any], name: str) -> NDArray[Any]:
    """Return a mask as bool, or as float64 weights where it is not of zeros and ones."""
    if truth.shape != (GRID, GRID):
        raise ValueError(f"{name}: the mask has shape {truth.shape}, not ({GRID}, {GRID})")
    if truth.dtype == np.bool_:
        return truth
    if truth.dtype.kind not in "fiu" or not ((truth >= 0) & (truth <= 1)).all():
        raise ValueError(f"{name}: the mask is neither bool nor weights 0..1")
    ones = truth == 1
    return ones if (ones | (truth == 0)).all() else truth.astype(np.float64)


def _boxes(boxes: Any, name: str) -> list[list[float]]:
    """Return the boxes of one clip as lists of four numbers."""
    try:
        found = np.asarray(boxes, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.empty((1, 0))
    if not found.size and found.ndim <= 2 and found.shape in ((0,), (0, 4)):
        return []
    if found.ndim != 2 or found.shape[1] != 4:
        raise ValueError(
            f"{name}: boxes are n times [xmin, ymin, xmax, ymax], or a mask (224, 224)"
        )
    if not np.isfinite(found).all():
        raise ValueError(f"{name}: a box holds NaN or an infinity")
    if found.max() > LARGEST_FRACTION:
        raise ValueError(
            f"{name}: a box has the coordinate {found.max():g}; boxes are fractions of the frame, "
            "0..1, not pixels"
        )
    return [[float(value) for value in box] for box in found]
