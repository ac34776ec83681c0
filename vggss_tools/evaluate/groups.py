"""Interactive localisation: a scene counts only if each of its sounds is found.

One picture is heard with several sounds, and a map that ignores the sound can be right for one of
them at most. The score of a group of samples is therefore that of its worst member.

Conventions
-----------
*Group.* Samples with the same label belong together. An empty label is no group: such a sample
stands for itself.

*Success* is ``cIoU >= t``, as in the released code.

*Incomplete groups.* A pair of which one map is missing is easier than a pair. Where the groups'
full sizes are given, groups that are not complete are left out, and counted.

References
----------
kaistmm/SSLalignment, ``utils.py``, ``Evaluator_iiou``; A. Senocak et al., *Toward Interactive
Sound Source Localization: Better Align Sight and Sound!*, TPAMI 2025. There the minimum is taken
of each threshold's successes; the success of the minimum is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike

from vggss_tools.evaluate.metrics import Floats, area_under_curve, success_curve, success_rate


class GroupScores(TypedDict):
    """``iiou``: share of groups whose members all succeed at 0.5; ``iauc``: area under the curve.

    ``n_groups`` were scored, ``n_incomplete`` were not, because a member is missing.
    """

    iiou: float
    iauc: float
    n_groups: int
    n_incomplete: int


def group_minima(
    cious: ArrayLike, groups: Sequence[str], sizes: Mapping[str, int] | None = None
) -> Floats:
    """Return the lowest cIoU of each group, in the order of their first members.

    Parameters
    ----------
    cious : float array (N,)
        cIoU of each sample, 0..1.
    groups : N labels
    sizes : label -> number of members in the test set, optional
        Groups with fewer samples here are left out.

    Raises
    ------
    ValueError
        If the lengths differ or a cIoU is NaN.
    """
    values = np.asarray(cious, dtype=np.float64).reshape(-1)
    if len(values) != len(groups):
        raise ValueError(f"{len(values)} values for {len(groups)} groups; give one of each")
    if np.isnan(values).any():
        raise ValueError("a cIoU is NaN; one that is 0/0 counts as 0")
    # Samples without a group get a number of their own.
    numbers: dict[str | int, int] = {}
    member = np.array([numbers.setdefault(g or i, len(numbers)) for i, g in enumerate(groups)], int)
    minima = np.full(len(numbers), np.inf)
    np.minimum.at(minima, member, values)
    if sizes is None:
        return minima
    found = np.bincount(member, minlength=len(numbers))
    wanted = np.array([1 if isinstance(g, int) else sizes.get(g, 0) for g in numbers], int)
    return minima[found >= wanted]


def group_scores(
    cious: ArrayLike, groups: Sequence[str], sizes: Mapping[str, int] | None = None
) -> GroupScores:
    """Compute IIoU and IAUC; parameters as :func:`group_minima`.

    Raises
    ------
    ValueError
        As :func:`group_minima`, or if no group is complete.
    """
    minima = group_minima(cious, groups, sizes)
    n_all = len({g or i for i, g in enumerate(groups)})
    if not minima.size:
        raise ValueError(f"none of {n_all} groups is complete; predict all of their samples")
    return GroupScores(
        iiou=success_rate(minima, strict=False),
        iauc=area_under_curve(success_curve(minima, strict=False)),
        n_groups=len(minima),
        n_incomplete=n_all - len(minima),
    )
