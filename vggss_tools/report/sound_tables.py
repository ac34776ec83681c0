"""What the page says about the sound: how far maps move with another one, and what they light up.

The numbers are those of :mod:`vggss_tools.evaluate.dependence`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vggss_tools.report.named_values import NamedValue
from vggss_tools.report.runs import Run

KINDS = {
    "other": "another clip's sound",
    "other_class": "a sound of another class",
    "silence": "silence",
    "noise": "noise",
}
THRESHOLDS = {
    "q3": "third quartile of the negatives' maxima",
    "mean": "mean of the negatives' maxima",
    "max": "largest of the negatives' maxima",
}


@dataclass(frozen=True, slots=True)
class MovementRow:
    """How far the maps of a run move with one kind of sound."""

    run: str
    sound: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ActivationRow:
    """What lights up on negatives at one threshold."""

    run: str
    threshold: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SoundTables:
    """The section on the sound; empty where no run has such rows."""

    movements: tuple[MovementRow, ...]
    activations: tuple[ActivationRow, ...]
    deaf: tuple[str, ...]
    notes: tuple[NamedValue, ...]
    estimated: bool

    def __bool__(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.movements or self.activations)


def sound_tables(runs: Sequence[Run]) -> SoundTables:
    """Gather the runs' dependence on the sound."""
    movements: list[MovementRow] = []
    activations: list[ActivationRow] = []
    deaf: list[str] = []
    notes: list[NamedValue] = []
    estimated = False
    for run in runs:
        found = run.benchmark.get("dependence") or {}
        for kind, name in KINDS.items():
            if found.get(kind):
                movements.append(MovementRow(run.name, name, found[kind]))
        if found.get("deaf"):
            deaf.append(run.name)
        active = found.get("false_activation") or {}
        for key, values in (active.get("at") or {}).items():
            activations.append(ActivationRow(run.name, THRESHOLDS.get(key, key), values))
        estimated |= active.get("exact") is False
        for key, said in (
            ("n_no_own", "rows left out: their picture has no map with its own sound"),
            ("n_not_negative", "rows that are no negatives: the picture shows that class too"),
        ):
            if found.get(key):
                who = f"{run.name}: " if len(runs) > 1 else ""
                notes.append(NamedValue(who + said, f"{found[key]:,}"))
    return SoundTables(tuple(movements), tuple(activations), tuple(deaf), tuple(notes), estimated)
