"""Objectives that gather the places of a picture before they compare it with sounds."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vggss_tools.models.objectives.pairs import Pairs

ROUNDS = 2  # of assigning places to clusters and moving the clusters there


def dmc(pairs: Pairs) -> Tensor:
    """Symmetric InfoNCE on the nearer of two clusters of places (after Hu et al., CVPR 2019).

    The localisation core of deep multimodal clustering: the places of a picture are softly
    clustered, clusters of picture and sound are compared, and the best match counts. Here a sound
    is one cluster, and a picture has two, which start at what is more and what is less similar to
    the sound; the original learns projections to start from and compares with a margin.
    """
    places = F.normalize(pairs.places, dim=1).flatten(-2)  # (B, c, p)
    level = pairs.maps.flatten(-2)  # (B, B, p)
    share = ((level - level.mean(dim=-1, keepdim=True)) / pairs.temperature).sigmoid()
    for _ in range(ROUNDS):
        near, far = _centre(places, share), _centre(places, 1 - share)
        sides = torch.einsum("icp,ijc->ijp", places, near - far)
        share = (sides / pairs.temperature).sigmoid()
    clusters = torch.stack([_centre(places, share), _centre(places, 1 - share)])
    return pairs.info_nce(torch.einsum("kijc,jc->kij", clusters, pairs.voices).amax(dim=0))


def coarse_to_fine(pairs: Pairs) -> Tensor:
    """Whole pictures first, then the places that answer (after Qian et al., ECCV 2020).

    Coarse: symmetric InfoNCE on the mean over places. Fine: the same on the places that each map
    points at, held fixed while they are compared. The original finds these places with the class
    activations of a classifier of pseudo-labels, which this leaves out.
    """
    flat = pairs.maps.flatten(-2)
    pointed = (flat.detach() / pairs.temperature).softmax(dim=-1)
    return pairs.info_nce(flat.mean(dim=-1)) + pairs.info_nce((pointed * flat).sum(dim=-1))


def _centre(places: Tensor, share: Tensor) -> Tensor:
    """Unit mean of the places by their shares: (B, c, p) and (B, B, p) -> (B, B, c)."""
    return F.normalize(torch.einsum("icp,ijp->ijc", places, share), dim=-1)
