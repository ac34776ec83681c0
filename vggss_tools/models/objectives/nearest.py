"""Clips of a batch that are no evidence against each other."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


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
