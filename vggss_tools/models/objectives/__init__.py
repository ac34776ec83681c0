"""Objectives: from the pictures and sounds of a batch to one number to minimise.

Each is a function of :class:`Pairs`, whose ``maps`` are (B, B, h, w) float32, ``maps[i, j]``
picture i heard with sound j, the diagonal the true pairs. No boxes, no labels.

==================  ========================================================================
name                what
==================  ========================================================================
``lvs``             cross-entropy over separate logits [positive | other sounds | hard
                    negatives] / 0.07: what the code built on the paper since then minimises
``lvs-paper``       section 3.4 as printed: the easy negatives are a *sum* over the other
                    pairs inside one exponential, so with many clips they dominate
``lvs-a … lvs-f``   the six models of Table 4, on ``lvs``; ``lvs-e`` is ``lvs``
``max-pool``        "Objects that Sound", EZ-VSL: symmetric InfoNCE on each map's maximum
``mean-pool``       the same on the mean: a gentle start on photographs
``attention``       Attention: symmetric InfoNCE on softmax-pooled maps
``av-object``       audio-visual objects: one direction on the maximum
``dmc``             deep multimodal clustering: on the nearer of two clusters of places
``coarse-to-fine``  whole pictures, then the places that answer
``fnac``            EZ-VSL and three pulls that find false negatives
==================  ========================================================================

An installed package adds its own with an entry point of the group ``vggss_tools.objectives``:
a function from :class:`Pairs` to a tensor of one number.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points

from torch import Tensor

from vggss_tools.errors import VggssError
from vggss_tools.models.objectives.clustering import coarse_to_fine, dmc
from vggss_tools.models.objectives.fnac import fnac
from vggss_tools.models.objectives.nearest import nearest_sounds
from vggss_tools.models.objectives.pairs import TEMPERATURE, Pairs
from vggss_tools.models.objectives.pooling import attention, av_object, max_pool, mean_pool
from vggss_tools.models.objectives.tri_map import lvs, lvs_paper

__all__ = ["OBJECTIVES", "TEMPERATURE", "Objective", "Pairs", "nearest_sounds", "objective"]

ENTRY_POINTS = "vggss_tools.objectives"

Objective = Callable[[Pairs], Tensor]

# Table 4: threshold of the positives, and of the hard negatives where there are any.
TABLE_4: dict[str, tuple[float, float | None]] = {
    "a": (0.6, None),
    "b": (0.6, 0.6),
    "c": (0.6, 0.45),
    "d": (0.65, 0.45),
    "e": (0.65, 0.4),
    "f": (0.7, 0.3),
}

OBJECTIVES: dict[str, Objective] = {
    "lvs": lvs,
    "lvs-paper": lvs_paper,
    **{
        f"lvs-{model}": partial(lvs, epsilon_positive=above, epsilon_negative=below)
        for model, (above, below) in TABLE_4.items()
    },
    "max-pool": max_pool,
    "mean-pool": mean_pool,
    "attention": attention,
    "av-object": av_object,
    "dmc": dmc,
    "coarse-to-fine": coarse_to_fine,
    "fnac": fnac,
}


def objective(name: str) -> Objective:
    """Look an objective up by its name, among ours and those of installed packages.

    Raises
    ------
    VggssError
        If there is none of that name; the message lists those there are.
    """
    if name in OBJECTIVES:
        return OBJECTIVES[name]
    others = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name in others:
        found: Objective = others[name].load()
        return found
    known = ", ".join([*OBJECTIVES, *sorted(others)])
    raise VggssError(f"{name}: no such objective; choose one of {known}")
