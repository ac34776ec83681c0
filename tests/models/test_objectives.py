"""Objectives: equal to their formulas, stable, and pulling the right way."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `models` is not installed")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.extra.numpy import arrays  # noqa: E402
from objective_inputs import raw_features, unit  # noqa: E402
from torch import Tensor  # noqa: E402

from vggss_tools.errors import VggssError  # noqa: E402
from vggss_tools.models.objectives import (  # noqa: E402
    OBJECTIVES,
    Pairs,
    nearest_sounds,
    objective,
)

# These see nothing but the maps; the others look at the features as well.
OF_MAPS = sorted(set(OBJECTIVES) - {"dmc", "fnac"})

MAPS = arrays(np.float32, (4, 4, 3, 3), elements=st.floats(0, 1, width=32))


def batch_of(maps: Tensor, ignored: Tensor | None = None) -> Pairs:
    """Return a batch whose maps are these, for objectives that see nothing else."""
    batch = len(maps)
    pairs = Pairs(torch.zeros(batch, 1, 1, 1), torch.zeros(batch, 1), ignored=ignored)
    vars(pairs)["maps"] = maps
    return pairs


def cost(name: str, maps: Tensor, ignored: Tensor | None = None) -> Tensor:
    """Return an objective of given maps."""
    return objective(name)(batch_of(maps, ignored))


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
    loss = cost("lvs", torch.tensor(s, dtype=torch.float32))
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
    loss = cost("lvs-paper", torch.tensor(s, dtype=torch.float32))
    assert loss.item() == pytest.approx(total / 4, rel=1e-3, abs=1e-4)


def test_lvs_paper_falls_to_zero_when_everything_is_dissimilar() -> None:
    """With features of either sign the printed form is minimal where nothing is localised."""
    nothing = torch.full((64, 64, 4, 4), -1.0)
    assert cost("lvs-paper", nothing).item() < 1e-12


@pytest.mark.parametrize("name", OF_MAPS)
def test_the_right_pairing_costs_less_than_the_wrong_one(name: str) -> None:
    """Maps that respond in one place to their own sound only beat maps that do so to another's."""
    maps = torch.full((4, 4, 5, 5), 0.2)
    for i in range(4):
        maps[i, i, i, 2] = 0.9
    wrong = maps.roll(1, dims=1)
    assert cost(name, maps) < cost(name, wrong)


@pytest.mark.parametrize("name", OF_MAPS)
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_gradients_are_finite_and_alive(name: str, level: float) -> None:
    """Also where every similarity is at an end of the range, training is not frozen."""
    torch.manual_seed(0)
    maps = (level + 1e-3 * torch.randn(4, 4, 3, 3)).requires_grad_()
    cost(name, maps).backward()
    assert torch.isfinite(maps.grad).all()
    assert maps.grad.abs().max() > 1e-6


@settings(max_examples=20, deadline=None)
@given(MAPS, st.permutations(range(4)))
def test_the_order_of_the_batch_does_not_matter(values: np.ndarray, order: list[int]) -> None:
    """Reordering the clips of a batch leaves every objective as it was."""
    maps = torch.tensor(values)
    again = maps[order][:, order]
    for name in OF_MAPS:
        assert cost(name, maps).item() == pytest.approx(cost(name, again).item(), abs=1e-3)


@settings(max_examples=20, deadline=None)
@given(MAPS)
def test_info_nce_is_symmetric(values: np.ndarray) -> None:
    """Pictures and sounds change places without changing the pooled objectives."""
    maps = torch.tensor(values)
    for name in ("max-pool", "mean-pool", "attention", "coarse-to-fine"):
        swapped = cost(name, maps.transpose(0, 1))
        assert cost(name, maps).item() == pytest.approx(swapped.item(), rel=1e-4)


def test_maps_without_any_difference_cost_the_logarithm_of_the_batch() -> None:
    """Where nothing is told apart, InfoNCE is ln(batch)."""
    flat = torch.full((8, 8, 3, 3), 0.3)
    assert cost("max-pool", flat).item() == pytest.approx(math.log(8), rel=1e-5)


def test_an_unknown_objective_lists_the_known_ones() -> None:
    """An unknown name is one line with the choices."""
    with pytest.raises(VggssError, match=r"lvs, lvs-paper, .*max-pool, mean-pool, attention"):
        objective("triplet")


def test_the_nearest_sounds_are_no_negatives() -> None:
    """Two clips with one sound are found alike, and do not push each other apart."""
    sounds = torch.nn.functional.normalize(torch.eye(6)[[0, 0, 1, 1, 2, 2]] + 0.01, dim=1)
    near = nearest_sounds(sounds, 0.2)
    assert near is not None
    expected = torch.block_diag(*[torch.ones(2, 2) - torch.eye(2)] * 3).bool()
    assert torch.equal(near, expected)
    assert nearest_sounds(sounds, 0.0) is None
    maps = torch.rand(6, 6, 3, 3)
    for name in ("lvs", "max-pool", "mean-pool", "attention", "av-object"):
        changed = torch.where(near[:, :, None, None], 1.0, maps)
        assert cost(name, maps, near) == pytest.approx(cost(name, changed, near).item())
        assert cost(name, maps, near) < cost(name, maps)


def cross_entropy(logits: np.ndarray) -> float:
    """Mean over rows of -log softmax at the diagonal, in double precision."""
    top = logits.max(axis=1, keepdims=True)
    normaliser = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
    return float((normaliser - logits.diagonal()).mean())


def info_nce(similarity: np.ndarray) -> float:
    """Mean of both directions at temperature 0.07."""
    return (cross_entropy(similarity / 0.07) + cross_entropy(similarity.T / 0.07)) / 2


def softmax(values: np.ndarray) -> np.ndarray:
    """Over the last axis, in double precision."""
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@settings(max_examples=25, deadline=None)
@given(MAPS)
def test_pooled_objectives_are_their_formulas(values: np.ndarray) -> None:
    """Each against NumPy in double precision, written from its paper."""
    s = values.astype(np.float64).reshape(4, 4, 9)
    attended = (softmax(s) * s).sum(axis=-1)
    pointed = (softmax(s / 0.07) * s).sum(axis=-1)
    expected = {
        "max-pool": info_nce(s.max(axis=-1)),
        "mean-pool": info_nce(s.mean(axis=-1)),
        "attention": info_nce(attended),
        "av-object": cross_entropy(s.max(axis=-1) / 0.07),
        "coarse-to-fine": info_nce(s.mean(axis=-1)) + info_nce(pointed),
    }
    for name, value in expected.items():
        assert cost(name, torch.tensor(values)).item() == pytest.approx(value, rel=1e-4, abs=1e-4)


def test_dmc_is_its_formula() -> None:
    """Two clusters of places a pair, moved twice, in NumPy and double precision."""
    pictures, sounds = (side.detach().numpy() for side in unit(*raw_features(signed=True)))
    n, c = sounds.shape
    u = pictures.reshape(n, c, -1)
    best = np.empty((n, n))

    def centre(places: np.ndarray, share: np.ndarray) -> np.ndarray:
        mean = places @ share
        return mean / np.linalg.norm(mean)

    for i in range(n):
        for j in range(n):
            level = sounds[j] @ u[i]
            share = 1 / (1 + np.exp(-(level - level.mean()) / 0.07))
            for _ in range(2):
                sides = (centre(u[i], share) - centre(u[i], 1 - share)) @ u[i]
                share = 1 / (1 + np.exp(-sides / 0.07))
            best[i, j] = max(centre(u[i], s) @ sounds[j] for s in (share, 1 - share))
    loss = objective("dmc")(Pairs(*unit(*raw_features(signed=True))))
    assert loss.item() == pytest.approx(info_nce(best), rel=1e-5)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
@pytest.mark.parametrize("signed", [False, True])
def test_the_gradient_is_the_slope_of_the_loss(name: str, signed: bool) -> None:
    """Along a direction, to the precision of a difference of two losses."""
    pictures, sounds = (side.detach() for side in unit(*raw_features(signed)))
    place = torch.cos(torch.arange(pictures.numel()) * 0.7).view_as(pictures).double()
    voice = torch.cos(torch.arange(sounds.numel()) * 0.9).view_as(sounds).double()

    def loss_at(step: Tensor) -> Tensor:
        return objective(name)(Pairs(pictures + step * place, sounds + step * voice))

    step = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(loss_at(step), step)
    small = torch.tensor(1e-6, dtype=torch.float64)
    if name == "coarse-to-fine":  # its places are held fixed: the slope is of that alone
        assert torch.isfinite(slope)
        return
    measured = (loss_at(small) - loss_at(-small)) / (2 * small)
    assert slope.item() == pytest.approx(measured.item(), rel=1e-4, abs=1e-5)
