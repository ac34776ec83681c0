"""What an objective sees: every picture of a batch with every sound of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from vggss_tools.models.lvs import pair_maps

TEMPERATURE = 0.07  # of the logits; not in the paper, in all code


@dataclass(frozen=True)
class Pairs:
    """The features of a batch. No boxes, no labels.

    Attributes
    ----------
    places : (B, c, h, w) float32
        Pictures, unit length at every place.
    voices : (B, c) float32
        Sounds, unit length; sound i is heard with picture i.
    temperature : float
        Divides the similarities; not used by ``lvs-paper``.
    ignored : (B, B) bool, optional
        Pairs that are not to be counted as negatives.
    """

    places: Tensor
    voices: Tensor
    temperature: float = TEMPERATURE
    ignored: Tensor | None = None

    @cached_property
    def maps(self) -> Tensor:
        """Cosine maps, (B, B, h, w): ``maps[i, j]`` is picture i heard with sound j."""
        return pair_maps(self.places, self.voices)

    @property
    def own(self) -> Tensor:
        """The true pairs' maps, (B, h, w)."""
        return self.maps.diagonal(dim1=0, dim2=1).permute(2, 0, 1)

    def info_nce(self, similarity: Tensor) -> Tensor:
        """Symmetric InfoNCE of (B, B) similarities: mean of both directions' cross-entropies."""
        logits = self.negatives(similarity / self.temperature)
        target = torch.arange(len(logits), device=logits.device)
        entropy = torch.nn.functional.cross_entropy
        return (entropy(logits, target) + entropy(logits.T, target)) / 2

    def negatives(self, logits: Tensor) -> Tensor:
        """Take the ignored pairs out of a softmax: e to this power is 0 in float32."""
        return logits if self.ignored is None else logits.masked_fill(self.ignored, -1e4)
