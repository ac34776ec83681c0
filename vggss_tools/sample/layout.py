"""How many things stand in a scene, how large, and where.

The law is symmetric: a plan is drawn first, as *groups* of things, and only then is one of its
groups made the sounding one, by lot. So neither size nor place nor number tells which one sounds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Area that the boxes of a clip cover together in VGG-SS, as a share of the frame: quantiles of the
# published annotation file, cut to 3%..80%.
AREA_RANKS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
AREA_QUANTILES = (
    0.03,
    0.03,
    0.033,
    0.054,
    0.097,
    0.146,
    0.197,
    0.253,
    0.324,
    0.406,
    0.522,
    0.677,
    0.78,
    0.8,
)

# Three groups fit a frame only if all are small: they are drawn below this rank, this often there.
SMALL_RANK = 0.6
THREE_GROUPS_IF_SMALL = 1 / 3  # so a fifth of all scenes
PAIR_SHARE = 0.3  # of the scenes of two groups: one of the groups is two of a kind
TRIO_SHARE = 0.04  # … or three of a kind, which always sound (silent things are one or two)

TRIES = 400  # placements drawn at once; the first good one is taken
MARGIN = 0.03  # share of a box's side that may lie outside of the frame


@dataclass(frozen=True, slots=True)
class Group:
    """Things of one class: how many, and the area of their boxes together."""

    count: int
    area: float


def area_at(rank: float) -> float:
    """Area law of VGG-SS: the share of the frame at a rank 0..1."""
    return float(np.interp(rank, AREA_RANKS, AREA_QUANTILES))


def _reflect(x: float) -> float:
    x = abs(x) % 2
    return 2 - x if x > 1 else x


def plan_groups(rng: np.random.Generator) -> list[Group]:
    """Draw the groups of a scene; the first is the sounding one.

    Areas of different groups are coupled against each other (where one is large the other is
    small), by kernels that keep each one's law: every group's area follows :func:`area_at`.
    """
    # Two groups take what three leave: density 1 - THREE_GROUPS_IF_SMALL below SMALL_RANK.
    low = 1 - THREE_GROUPS_IF_SMALL
    two_share = low * SMALL_RANK + 1 - SMALL_RANK
    if rng.uniform() >= two_share:
        start = rng.uniform()
        spread = 1 / 3 + rng.uniform(-0.1, 0.1)
        ranks = [SMALL_RANK * ((start + k * spread) % 1) for k in (0, 1, -1)]
        return [Group(1, area_at(rank)) for rank in ranks]
    first = rng.uniform()
    second = _reflect(1 - first + rng.normal(0, 0.08))

    def rank(share: float) -> float:
        mass = share * two_share
        split = low * SMALL_RANK
        return mass / low if mass < split else SMALL_RANK + mass - split

    areas = [area_at(rank(first)), area_at(rank(second))]
    counts = [1, 1]
    draw = rng.uniform()
    if draw < TRIO_SHARE:
        counts[0] = 3
    elif draw < TRIO_SHARE + PAIR_SHARE:
        counts[int(rng.integers(2))] = 2
    return [Group(count, area) for count, area in zip(counts, areas, strict=True)]


def place(
    rng: np.random.Generator, sizes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Draw centres for boxes so that they overlap little.

    Parameters
    ----------
    sizes : array of shape (n, 2)
        Width and height as shares of the frame.

    Returns
    -------
    centres : array of shape (n, 2)
        Fractions of the frame.
    overlap : float
        Largest share of a box that another covers, the smaller of each two.
    """
    n = len(sizes)
    # How far a centre may leave the middle of the frame.
    room = np.maximum(0.5 - sizes / 2 * (1 - 2 * MARGIN), 0.0)
    # VGG-SS's centres lie round the middle (quartiles .42 and .58): some draws keep near it.
    spread = rng.choice([0.5, 1.0], size=(TRIES, n, 1), p=[0.25, 0.75])
    anywhere = 0.5 + rng.uniform(-1, 1, (TRIES, n, 2)) * room * spread
    # Where that is too tight, things make way for each other towards the edges.
    edge = rng.choice([-1, 1], (TRIES, n, 2)) * rng.uniform(0.6, 1, (TRIES, n, 2))
    at_edges = 0.5 + edge * room
    best: tuple[NDArray[np.float64], float] | None = None
    for centres in (anywhere, at_edges):
        overlap = _overlaps(centres, sizes)
        for limit in (0.02, 0.12):
            good = np.flatnonzero(overlap <= limit)
            if good.size:
                return centres[good[0]], float(overlap[good[0]])
        least = int(overlap.argmin())
        if best is None or overlap[least] < best[1]:
            best = centres[least], float(overlap[least])
    assert best is not None
    return best


def _overlaps(centres: NDArray[np.float64], sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each of several placements (t, n, 2), the largest share of a box that another covers."""
    low, high = centres - sizes / 2, centres + sizes / 2
    worst = np.zeros(len(centres))
    for i in range(len(sizes)):
        for j in range(i):
            shared = np.minimum(high[:, i], high[:, j]) - np.maximum(low[:, i], low[:, j])
            covered = np.clip(shared, 0, None).prod(axis=1) / min(sizes[i].prod(), sizes[j].prod())
            worst = np.maximum(worst, covered)
    return worst
