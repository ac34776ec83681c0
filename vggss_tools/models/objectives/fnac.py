"""FNAC: max pooling, and affinities within the senses that say which negatives are false."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vggss_tools.models.objectives.pairs import Pairs
from vggss_tools.models.objectives.pooling import max_pool

WEIGHT = 100.0  # of each of the three terms, as released
FOREGROUND = 0.6  # of the true pair's map after its minimum and maximum became 0 and 1
TINY = 1e-5  # as released: a constant map has no foreground


def fnac(pairs: Pairs) -> Tensor:
    """EZ-VSL's loss and three pulls between rows of affinities (Sun et al., CVPR 2023).

    Clips that sound alike (and clips that look alike) are likely to be false negatives, so the
    softmax rows of sound with sound are drawn to those of picture with sound, and to those of
    the pictures' foregrounds; and the rows of picture with picture to those of picture with
    sound. Matches ``FNAC.calculate_loss`` and its released weights. There the three join after a
    few epochs of EZ-VSL alone: ``--warmup-objective max-pool``.
    """
    logits = pairs.maps.amax(dim=(2, 3)) / pairs.temperature
    rows = _rows(logits)
    heard = _rows(pairs.voices @ pairs.voices.T / pairs.temperature)
    whole = pairs.places.mean(dim=(2, 3))
    seen = _rows(whole @ whole.T / pairs.temperature)
    front = _foreground(pairs)
    pointed = _rows(front @ front.T / pairs.temperature)
    pulls = F.l1_loss(heard, rows) + F.l1_loss(heard, pointed) + F.l1_loss(seen, rows)
    return 2 * max_pool(pairs) + WEIGHT * pulls


def _foreground(pairs: Pairs) -> Tensor:
    """Mean over all places of what the true pair's map calls foreground: (B, c)."""
    own = pairs.own / pairs.temperature
    low, high = own.amin(dim=(1, 2), keepdim=True), own.amax(dim=(1, 2), keepdim=True)
    front = (own - low) / (high - low + TINY) > FOREGROUND
    return (pairs.places * front[:, None]).flatten(-2).mean(dim=-1)


def _rows(affinity: Tensor) -> Tensor:
    return torch.softmax(affinity, dim=1)
