"""Which clips the page shows: the best, the worst, and those on which the scores disagree most.

Nothing is picked by hand: the clips follow from their cIoU and, among equals, from their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Scores = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ClipGroup:
    """Some clips that were chosen for one reason; ``key``: best, disagreed, between or worst."""

    key: str
    names: tuple[str, ...]


def choose_clips(
    names: Sequence[str], scores: Sequence[Sequence[Scores]], count: int
) -> list[ClipGroup]:
    """Choose ``count`` clips, or all, each once, in three groups as equal as can be.

    Parameters
    ----------
    names : those that can be shown
    scores : per protocol and run, the clips' cIoU; the first protocol ranks them
    count : at most so many

    Returns
    -------
    Groups from the best to the worst; ``between`` at even steps of rank where there is nothing to
    disagree; a single group ``spread`` at even steps of the names without any score.
    """
    count = min(count, len(names))
    if not count:
        return []
    first = [table for table in (scores[0] if scores else ()) if table]
    if not first:
        ordered = sorted(names)
        return [ClipGroup("spread", tuple(ordered[i] for i in even_steps(len(ordered), count)))]

    tables = [table for group in scores for table in group if table]
    ranked = sorted(names, key=lambda n: (-_mean(n, first), -_mean(n, tables), n))
    n_best, n_worst = -(-count // 3), -(-(count - 1) // 3)
    best, rest = ranked[:n_best], ranked[n_best:]
    worst = rest[len(rest) - n_worst :]
    middle = rest[: len(rest) - n_worst]
    n_middle = count - n_best - n_worst
    apart = {name: disagreement(name, scores) for name in middle}
    if any(apart.values()):
        key = "disagreed"
        between = sorted(middle, key=lambda n: (-apart[n], n))[:n_middle]
    else:
        key = "between"
        between = [middle[i] for i in even_steps(len(middle), n_middle)]
    groups = [
        ClipGroup("best", tuple(best)),
        ClipGroup(key, tuple(between)),
        ClipGroup("worst", tuple(worst)),
    ]
    return [group for group in groups if group.names]


def disagreement(name: str, scores: Sequence[Sequence[Scores]]) -> float:
    """Return how far the cIoU of a clip lie apart: between runs, or between protocols of one.

    With several runs it is the largest range of one protocol's scores; with one run the range
    over the protocols.
    """
    rows = [[table[name] for table in group if name in table] for group in scores]
    if max((len(group) for group in scores), default=0) > 1:
        return max((max(row) - min(row) for row in rows if row), default=0.0)
    values = [value for row in rows for value in row]
    return max(values) - min(values) if values else 0.0


def even_steps(total: int, count: int) -> list[int]:
    """Return ``count`` positions of ``range(total)``, evenly spread, both ends included."""
    if count >= total:
        return list(range(total))
    if count <= 1:
        return [total // 2][:count]
    return [round(i * (total - 1) / (count - 1)) for i in range(count)]


def _mean(name: str, tables: Sequence[Scores]) -> float:
    values = [table[name] for table in tables if name in table]
    return sum(values) / len(values) if values else 0.0
