"""Listening to a repository's evaluator."""

from __future__ import annotations

from typing import Any


def recorded(evaluator: Any) -> list[float]:
    """Return a list into which an evaluator class writes each clip's cIoU from now on."""
    cious: list[float] = []
    judge = evaluator.cal_CIOU

    def record(self: Any, *values: Any, **options: Any) -> Any:
        result = judge(self, *values, **options)
        cious.append(float(result[0] if isinstance(result, tuple) else result))
        return result

    evaluator.cal_CIOU = record
    return cious


def instances(evaluator: Any) -> list[Any]:
    """Return a list of the objects that are made of an evaluator class from now on."""
    made: list[Any] = []
    initialise = evaluator.__init__

    def record(self: Any) -> None:
        initialise(self)
        made.append(self)

    evaluator.__init__ = record
    return made
