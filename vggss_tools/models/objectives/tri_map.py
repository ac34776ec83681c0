"""LVS: positives, hard negatives and what lies between, by two soft thresholds (section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vggss_tools.models.objectives.pairs import Pairs

EPSILON_POSITIVE = 0.65  # section 5.3: above it a place counts as sounding ...
EPSILON_NEGATIVE = 0.40  # ... below it as silent, and between as uncertain
TAU = 0.03  # sharpness of both thresholds
OWN_PAIR_WEIGHT = -99.0  # 1 - 100: the released mask that takes the true pair out of the negatives


def soft_mean(maps: Tensor, log_weights: Tensor) -> Tensor:
    """Weighted mean over the places of each map: (..., h, w) -> (...).

    The weights come as logarithms and go through a softmax: the same value as
    ``sum(w * S) / sum(w)``, but exact where all weights underflow (w = e^-21 near S = 0), where
    a clamped denominator would stop the gradient.
    """
    weights = log_weights.flatten(-2).softmax(dim=-1)
    return (weights * maps.flatten(-2)).sum(dim=-1)


def positives(maps: Tensor, epsilon: float = EPSILON_POSITIVE) -> Tensor:
    """Mean similarity of the places that the tri-map calls sounding."""
    return soft_mean(maps, F.logsigmoid((maps - epsilon) / TAU))


def hard_negatives(maps: Tensor, epsilon: float = EPSILON_NEGATIVE) -> Tensor:
    """Mean similarity of the places that the tri-map calls silent; 1 - sigmoid(x) = sigmoid(-x)."""
    return soft_mean(maps, F.logsigmoid((epsilon - maps) / TAU))


def lvs_paper(pairs: Pairs) -> Tensor:
    """Section 3.4 to the letter: no temperature; -log(e^P / (e^P + e^N)) = softplus(N - P)."""
    everything = pairs.maps.mean(dim=(2, 3))  # [picture, sound]
    # S_{i->j}: sound i against the pictures of the others, so the sum runs over pictures.
    easy = everything.sum(dim=0) - everything.diagonal()
    return F.softplus(hard_negatives(pairs.own) + easy - positives(pairs.own)).mean()


def lvs(
    pairs: Pairs,
    epsilon_positive: float = EPSILON_POSITIVE,
    epsilon_negative: float | None = EPSILON_NEGATIVE,
) -> Tensor:
    """Cross-entropy of [P_i | sim_ij * (1 - 100 [i = j]) | N_i] / temperature against the first.

    Parameters
    ----------
    epsilon_negative : float or None
        None leaves the hard negatives out; equal to ``epsilon_positive`` it leaves nothing
        uncertain between them (Table 4, models a and b).
    """
    similarity = positives(pairs.maps, epsilon_positive)
    mask = torch.ones_like(similarity).fill_diagonal_(OWN_PAIR_WEIGHT)
    columns = [similarity.diagonal()[:, None], pairs.negatives(similarity * mask)]
    if epsilon_negative is not None:
        columns.append(hard_negatives(pairs.own, epsilon_negative)[:, None])
    logits = torch.cat(columns, dim=1) / pairs.temperature
    first = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    return F.cross_entropy(logits, first)
