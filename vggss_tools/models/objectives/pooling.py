"""Objectives that pool each map to one similarity and let the true pair win."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vggss_tools.models.objectives.pairs import Pairs


def max_pool(pairs: Pairs) -> Tensor:
    """Symmetric InfoNCE on the maximum over places.

    The pooling of "Objects that Sound" (Arandjelovic and Zisserman, ECCV 2018) with the loss of
    EZ-VSL (Mo and Morgado, ECCV 2022), which sums the two directions where this takes their mean.
    """
    return pairs.info_nce(pairs.maps.amax(dim=(2, 3)))


def mean_pool(pairs: Pairs) -> Tensor:
    """Symmetric InfoNCE on the mean over places: no localisation pressure, a gentle start."""
    return pairs.info_nce(pairs.maps.mean(dim=(2, 3)))


def attention(pairs: Pairs) -> Tensor:
    """Symmetric InfoNCE on attended pictures (Senocak et al., CVPR 2018).

    The map itself, through a softmax over places without a temperature, says where to look; the
    similarity is that of the sound with the mean of what is seen there. The original compares two
    pairs by their distances; here all pairs of the batch stand against each other, as for the
    other objectives.
    """
    flat = pairs.maps.flatten(-2)
    return pairs.info_nce((flat.softmax(dim=-1) * flat).sum(dim=-1))


def av_object(pairs: Pairs) -> Tensor:
    """Pictures against sounds on the maximum over places (Afouras et al., ECCV 2020).

    The matching core of self-supervised audio-visual objects: one direction, from each picture to
    the sounds. Its other sounds are shifted in time; here, where a clip has one frame, they are
    the other clips'. No optical flow, no grouping into objects.
    """
    similarity = pairs.maps.amax(dim=(2, 3))
    logits = pairs.negatives(similarity / pairs.temperature)
    return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))
