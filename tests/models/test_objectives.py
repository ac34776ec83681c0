"""Objectives: equal to their formulas, stable, and pulling the right way."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `models` is not installed")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.extra.numpy import arrays  # noqa: E402

from vggss_tools.errors import VggssError  # noqa: E402
from vggss_tools.models import objectives  # noqa: E402
from vggss_tools.models.objectives import OBJECTIVES, objective  # noqa: E402

MAPS = arrays(np.float32, (4, 4, 3, 3), elements=st.floats(0, 1, width=32))


def sigmoid(x: float) -> float:
    """Return the logistic function, in double precision."""
    return 1 / (1 + math.exp(-x))


def pooled(values: np.ndarray, weight: object) -> float:
    """Return the weighted mean as the paper writes it."""
    weights = [weight(v) for v in values.ravel()]  # type: ignore[operator]
    return sum(w * v for w, v in zip(weights, values.ravel(), strict=True)) / sum(weights)


def above(v: float) -> float:
    """Weight of a place in the positive part of the tri-map."""
    return sigmoid((v - 0.65) / 0.03)


def below(v: float) -> float:
    """Weight of a place in the negative part."""
    return 1 - sigmoid((v - 0.4) / 0.03)


@settings(max_examples=25, deadline=None)
@given(MAPS)
def test_lvs_is_the_released_formula(values: np.ndarray) -> None:
    """Cross-entropy of [P_i | sim_ij (1 - 100 [i = j]) | N_i] / 0.07, for features after a ReLU."""
    s = values.astype(np.float64) * 0.5 + 0.25  # where the plain formula is exact
    total = 0.0
    for i in range(4):
        positive = pooled(s[i, i], above)
        others = [pooled(s[i, j], above) * (-99 if i == j else 1) for j in range(4)]
        logits = np.array([positive, *others, pooled(s[i, i], below)]) / 0.07
        total += math.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[0]
    loss = objectives.lvs(torch.tensor(s, dtype=torch.float32))
    assert loss.item() == pytest.approx(total / 4, rel=1e-3, abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(MAPS)
def test_lvs_paper_is_section_3_4(values: np.ndarray) -> None:
    """-log(e^P / (e^P + e^N)), the easy negatives summed over the other clips' pictures."""
    s = values.astype(np.float64) * 0.5 + 0.25
    total = 0.0
    for i in range(4):
        easy = sum(s[j, i].mean() for j in range(4) if j != i)
        negative = pooled(s[i, i], below) + easy
        total += math.log(1 + math.exp(negative - pooled(s[i, i], above)))
    loss = objectives.lvs_paper(torch.tensor(s, dtype=torch.float32))
    assert loss.item() == pytest.approx(total / 4, rel=1e-3, abs=1e-4)


def test_lvs_paper_falls_to_zero_when_everything_is_dissimilar() -> None:
    """With features of either sign the printed form is minimal where nothing is localised."""
    nothing = torch.full((64, 64, 4, 4), -1.0)
    assert objectives.lvs_paper(nothing).item() < 1e-12


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_the_right_pairing_costs_less_than_the_wrong_one(name: str) -> None:
    """Maps that respond in one place to their own sound only beat maps that do so to another's."""
    maps = torch.full((4, 4, 5, 5), 0.2)
    for i in range(4):
        maps[i, i, i, 2] = 0.9
    wrong = maps.roll(1, dims=1)
    assert objective(name)(maps, 0.07, None) < objective(name)(wrong, 0.07, None)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_gradients_are_finite_and_alive(name: str, level: float) -> None:
    """Also where every similarity is at an end of the range, training is not frozen."""
    torch.manual_seed(0)
    maps = (level + 1e-3 * torch.randn(4, 4, 3, 3)).requires_grad_()
    objective(name)(maps, 0.07, None).backward()
    assert torch.isfinite(maps.grad).all()
    assert maps.grad.abs().max() > 1e-6


@settings(max_examples=20, deadline=None)
@given(MAPS, st.permutations(range(4)))
def test_the_order_of_the_batch_does_not_matter(values: np.ndarray, order: list[int]) -> None:
    """Reordering the clips of a batch leaves every objective as it was."""
    maps = torch.tensor(values)
    again = maps[order][:, order]
    for function in OBJECTIVES.values():
        assert function(maps, 0.07, None).item() == pytest.approx(
            function(again, 0.07, None).item(), abs=1e-3
        )


@settings(max_examples=20, deadline=None)
@given(MAPS)
def test_info_nce_is_symmetric(values: np.ndarray) -> None:
    """Pictures and sounds change places without changing the pooled objectives."""
    maps = torch.tensor(values)
    for function in (objectives.max_pool, objectives.mean_pool):
        swapped = function(maps.transpose(0, 1), 0.07)
        assert function(maps, 0.07, None).item() == pytest.approx(swapped.item(), rel=1e-4)


def test_maps_without_any_difference_cost_the_logarithm_of_the_batch() -> None:
    """Where nothing is told apart, InfoNCE is ln(batch)."""
    flat = torch.full((8, 8, 3, 3), 0.3)
    assert objectives.max_pool(flat).item() == pytest.approx(math.log(8), rel=1e-5)


def test_an_unknown_objective_lists_the_known_ones() -> None:
    """An unknown name is one line with the choices."""
    with pytest.raises(VggssError, match="lvs, lvs-paper, max-pool, mean-pool"):
        objective("triplet")


def test_the_nearest_sounds_are_no_negatives() -> None:
    """Two clips with one sound are found alike, and do not push each other apart."""
    sounds = torch.nn.functional.normalize(torch.eye(6)[[0, 0, 1, 1, 2, 2]] + 0.01, dim=1)
    near = objectives.nearest_sounds(sounds, 0.2)
    assert near is not None
    expected = torch.block_diag(*[torch.ones(2, 2) - torch.eye(2)] * 3).bool()
    assert torch.equal(near, expected)
    assert objectives.nearest_sounds(sounds, 0.0) is None
    maps = torch.rand(6, 6, 3, 3)
    for function in (objectives.lvs, objectives.max_pool, objectives.mean_pool):
        changed = torch.where(near[:, :, None, None], 1.0, maps)
        assert function(maps, 0.07, near) == pytest.approx(function(changed, 0.07, near).item())
        assert function(maps, 0.07, near) < function(maps, 0.07, None)
