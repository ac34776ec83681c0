"""Objectives: from the cosine maps of all pairs of a batch to one number to minimise.

Every objective is a function of ``maps``, (B, B, h, w) float32, where ``maps[i, j]`` is picture i
heard with sound j and the diagonal holds the true pairs. No boxes, no labels.

``lvs-paper``
    Section 3.4 as printed. The easy negatives are a *sum* over the other pairs inside one
    exponential, so with many clips in a batch they dominate; docs/training.md shows what it does.
``lvs``
    What the code built on the paper since then minimises: cross-entropy over separate logits
    [positive | other sounds | hard negatives] / 0.07.
``max-pool``
    Symmetric InfoNCE on the maximum of each map ("Objects that Sound", EZ-VSL), temperature 0.07.
``mean-pool``
    The same on the mean of each map: no localisation pressure, a gentle start on photographs.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from vggss_tools.errors import VggssError

EPSILON_POSITIVE = 0.65  # section 5.3: above it a place counts as sounding ...
EPSILON_NEGATIVE = 0.40  # ... below it as silent, and between as uncertain
TAU = 0.03  # sharpness of both thresholds
TEMPERATURE = 0.07  # of the logits; not in the paper, in all code
OWN_PAIR_WEIGHT = -99.0  # 1 - 100: the released mask that takes the true pair out of the negatives

# maps, temperature, and which pairs (B, B) are not to be counted as negatives (None: none).
Objective = Callable[[Tensor, float, Tensor | None], Tensor]


def soft_mean(maps: Tensor, log_weights: Tensor) -> Tensor:
    """Weighted mean over the places of each map: (..., h, w) -> (...).

    The weights come as logarithms and go through a softmax: the same value as
    ``sum(w * S) / sum(w)``, but exact where all weights underflow (w = e^-21 near S = 0), where
    a clamped denominator would stop the gradient.
    """
    weights = log_weights.flatten(-2).softmax(dim=-1)
    return (weights * maps.flatten(-2)).sum(dim=-1)


def positives(maps: Tensor) -> Tensor:
    """Mean similarity of the places that the tri-map calls sounding."""
    return soft_mean(maps, F.logsigmoid((maps - EPSILON_POSITIVE) / TAU))


def hard_negatives(maps: Tensor) -> Tensor:
    """Mean similarity of the places that the tri-map calls silent; 1 - sigmoid(x) = sigmoid(-x)."""
    return soft_mean(maps, F.logsigmoid((EPSILON_NEGATIVE - maps) / TAU))


def own(maps: Tensor) -> Tensor:
    """Return the true pairs' maps: (B, B, h, w) -> (B, h, w)."""
    return maps.diagonal(dim1=0, dim2=1).permute(2, 0, 1)


def lvs_paper(
    maps: Tensor, temperature: float = TEMPERATURE, ignored: Tensor | None = None
) -> Tensor:
    """Section 3.4 to the letter: no temperature; -log(e^P / (e^P + e^N)) = softplus(N - P)."""
    del temperature, ignored
    true = own(maps)
    everything = maps.mean(dim=(2, 3))  # [picture, sound]
    # S_{i->j}: sound i against the pictures of the others, so the sum runs over pictures.
    easy = everything.sum(dim=0) - everything.diagonal()
    return F.softplus(hard_negatives(true) + easy - positives(true)).mean()


def lvs(maps: Tensor, temperature: float = TEMPERATURE, ignored: Tensor | None = None) -> Tensor:
    """Cross-entropy of [P_i | sim_ij * (1 - 100 [i = j]) | N_i] / temperature against the first."""
    true = own(maps)
    similarity = positives(maps)
    positive = similarity.diagonal()
    mask = torch.ones_like(similarity).fill_diagonal_(OWN_PAIR_WEIGHT)
    negatives = _without(similarity * mask, ignored)
    logits = torch.cat([positive[:, None], negatives, hard_negatives(true)[:, None]], dim=1)
    return F.cross_entropy(logits / temperature, _first(logits))


def max_pool(
    maps: Tensor, temperature: float = TEMPERATURE, ignored: Tensor | None = None
) -> Tensor:
    """Symmetric InfoNCE on the maximum over places."""
    return _info_nce(maps.amax(dim=(2, 3)) / temperature, ignored)


def mean_pool(
    maps: Tensor, temperature: float = TEMPERATURE, ignored: Tensor | None = None
) -> Tensor:
    """Symmetric InfoNCE on the mean over places."""
    return _info_nce(maps.mean(dim=(2, 3)) / temperature, ignored)


def _info_nce(logits: Tensor, ignored: Tensor | None) -> Tensor:
    logits = _without(logits, ignored)
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def _without(logits: Tensor, ignored: Tensor | None) -> Tensor:
    """Take pairs out of a softmax: e to this power is 0 in float32."""
    return logits if ignored is None else logits.masked_fill(ignored, -1e4)


def nearest_sounds(sounds: Tensor, share: float) -> Tensor | None:
    """Pairs of clips that sound alike, so that one is no evidence against the other.

    In a batch with several clips of one kind, InfoNCE pushes them apart, which can only be done by
    learning pairs by heart. The embedding itself says who is alike; no label does (compare the
    false-negative handling of FNAC, Sun et al., CVPR 2023).

    Parameters
    ----------
    sounds : (B, c)
        Unit vectors, as ``LVS.encode_sounds`` makes them.
    share : float
        Part of the other clips that counts as near; 0 is none.

    Returns
    -------
    (B, B) bool, symmetric, False on the diagonal; None if nobody is near.
    """
    count = round(share * (len(sounds) - 1))
    if count == 0:
        return None
    with torch.no_grad():
        # Features after a ReLU share a large common part; what differs is what counts.
        centred = F.normalize(sounds - sounds.mean(dim=0), dim=1)
        similarity = (centred @ centred.T).fill_diagonal_(-torch.inf)
        near = similarity >= similarity.topk(count, dim=1).values[:, -1:]
        return near | near.T


def _first(logits: Tensor) -> Tensor:
    return torch.zeros(len(logits), dtype=torch.long, device=logits.device)


OBJECTIVES: dict[str, Objective] = {
    "lvs": lvs,
    "lvs-paper": lvs_paper,
    "max-pool": max_pool,
    "mean-pool": mean_pool,
}


def objective(name: str) -> Objective:
    """Look an objective up by its name; an unknown name is one clear line."""
    try:
        return OBJECTIVES[name]
    except KeyError:
        known = ", ".join(OBJECTIVES)
        raise VggssError(f"{name}: no such objective; choose one of {known}") from None
