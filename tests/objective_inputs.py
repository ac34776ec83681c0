"""Features by a rule, so that a golden value needs no file and no random generator."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

CLIPS, CHANNELS, SIDE = 6, 16, 4


def raw_features(signed: bool) -> tuple[Tensor, Tensor]:
    """Return pictures (6, 16, 4, 4) and sounds (6, 16), float64 leaves, not of unit length.

    Parameters
    ----------
    signed : bool
        Of either sign, as after a projection; else not negative, as after a ReLU.
    """
    places = torch.arange(CLIPS * CHANNELS * SIDE * SIDE, dtype=torch.float64)
    voices = torch.arange(CLIPS * CHANNELS, dtype=torch.float64)
    pictures = torch.sin(places * 0.37 + 0.1).view(CLIPS, CHANNELS, SIDE, SIDE)
    sounds = torch.sin(voices * 1.7 + 0.5).view(CLIPS, CHANNELS)
    if not signed:
        pictures, sounds = pictures.abs(), sounds.abs()
    return pictures.requires_grad_(), sounds.requires_grad_()


def unit(pictures: Tensor, sounds: Tensor) -> tuple[Tensor, Tensor]:
    """Return them with unit length, at every place."""
    return F.normalize(pictures, dim=1), F.normalize(sounds, dim=1)


def digest(loss: Tensor, pictures: Tensor, sounds: Tensor) -> list[float]:
    """Return the loss and what fixes its gradients: weighted sums over all their entries."""
    seen, heard = torch.autograd.grad(loss, [pictures, sounds])
    weights = [torch.cos(torch.arange(g.numel()) * 0.11).view_as(g) for g in (seen, heard)]
    sums = [float((g * w).sum()) for g, w in zip((seen, heard), weights, strict=True)]
    return [loss.item(), *sums, float(seen.abs().sum()), float(heard.abs().sum())]
