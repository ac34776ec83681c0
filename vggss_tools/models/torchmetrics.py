"""The benchmark's scores as a TorchMetrics metric, for Lightning and for distributed validation.

::

    metric = LocalisationMetric("lvs")
    for maps, boxes in loader:
        metric.update(maps, boxes)
    metric.compute()  # {"ciou": tensor, "auc": tensor, "mean_ciou": tensor, "n": tensor}

What is counted is what :class:`vggss_tools.evaluate.Scorer` counts; that one needs no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vggss_tools.errors import import_extra
from vggss_tools.evaluate.accumulator import Scorer
from vggss_tools.evaluate.protocols import Protocol

if TYPE_CHECKING:
    from torchmetrics import Metric
else:
    Metric = import_extra("torchmetrics", "torchmetrics").Metric

__all__ = ["LocalisationMetric"]

NO_INDEX = -1


class LocalisationMetric(Metric):
    """Scores of localisation maps under one protocol, over all batches and processes.

    Parameters
    ----------
    protocol : a name, or a protocol of one's own
    consensus, vgg_ss
        See :class:`~vggss_tools.evaluate.Scorer`.
    **options
        Of ``torchmetrics.Metric``.

    Raises
    ------
    ValueError
        On a name that is not a protocol's.

    Notes
    -----
    The state is float64, of some numbers a clip, and so cannot lie on a device that has none
    (Apple's MPS); leave the metric on the CPU there. Half precision does not change the state.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    rows: Any

    def __init__(
        self,
        protocol: str | Protocol = "lvs",
        *,
        consensus: int = 1,
        vgg_ss: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.scorer = Scorer((protocol,), consensus=consensus, vgg_ss=vgg_ss)
        # Flat, and with this type: a process without a clip takes part with an empty tensor of one
        # dimension and of the metric's type.
        self.add_state("rows", default=[], dist_reduce_fx="cat")
        self.set_dtype(torch.float64)

    def update(self, maps: Tensor, truth: Any, index: Tensor | Sequence[int] | None = None) -> None:
        """Score a batch.

        Parameters
        ----------
        maps : (B, h, w) or (h, w), of any floating type and device
        truth : B times the boxes of a clip, or masks (B, 224, 224)
            Boxes are ``[xmin, ymin, xmax, ymax]`` in fractions of the frame; lists or tensors.
        index : B whole numbers, optional
            Which clip each is, its place in the data set say. With it, a clip that several
            processes have seen counts once: ``DistributedSampler`` repeats some to fill up the
            last batch. Always or never.

        Raises
        ------
        ValueError
            On NaN, infinities and shapes that do not fit; nothing of the batch is counted then.
        """
        batch = maps[None] if maps.ndim == 2 else maps
        truths = [truth] if maps.ndim == 2 else truth
        fresh = self.scorer.from_rows(self.scorer.rows)  # has none
        fresh.update(_to_numpy(batch), [_to_numpy(one) for one in truths])
        number = np.full(len(fresh), NO_INDEX) if index is None else _to_numpy(index)
        number = np.asarray(number).reshape(-1)
        if len(number) != len(fresh) or (index is not None and (number < 0).any()):
            raise ValueError(f"index is not {len(fresh)} whole numbers, 0 or more")
        rows = np.column_stack([number, fresh.rows])
        self.rows.append(torch.as_tensor(rows.reshape(-1), device=self.device))

    def compute(self) -> dict[str, Tensor]:
        """Return the scores, fractions 0..1, by name; see :meth:`Scorer.compute`.

        Raises
        ------
        ValueError
            Before the first clip, or where only some clips came with ``index``.
        """
        # A list of batches before the processes met, one tensor after.
        parts = [self.rows] if isinstance(self.rows, Tensor) else self.rows
        flat = np.concatenate([np.empty(0), *(part.cpu().numpy() for part in parts)])
        table = flat.reshape(-1, 1 + self.scorer.rows.shape[1])
        index, rows = table[:, 0], table[:, 1:]
        if (index != NO_INDEX).any():
            if (index == NO_INDEX).any():
                raise ValueError("some clips came with index and some without; give it always")
            rows = rows[np.unique(index, return_index=True)[1]]
        (scores,) = self.scorer.from_rows(rows).compute().values()
        return {
            name: torch.tensor(value, device=self.device, dtype=torch.float64)
            for name, value in scores.items()
        }


def _to_numpy(values: Any) -> Any:
    """Return a tensor as an array; leave anything else."""
    if not isinstance(values, Tensor):
        return values
    values = values.detach().cpu()
    # NumPy has no bfloat16; float32 holds its values.
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
