"""Objectives against the code that published them (values by ``make_objective_golden.py``)."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the extra `models` is not installed")

from objective_inputs import digest, raw_features, unit  # noqa: E402

from vggss_tools.models.objectives import TEMPERATURE, Pairs, objective  # noqa: E402

# Loss, then sums over the gradients of pictures and of sounds, weighted and absolute.
GOLDEN = {
    "lvs-a": [1.8070967, -0.011804785, 0.34712412, 7.7388638, 1.1128534],
    "lvs-b": [1.9285458, -0.016776356, 0.29999526, 6.8541353, 1.2785311],
    "lvs-c": [1.9285223, -0.016781071, 0.29990542, 6.854196, 1.2788193],
    "lvs-d": [1.9283634, -0.017036089, 0.29790635, 6.8388662, 1.2778124],
    "lvs-e": [1.9283632, -0.017036115, 0.29790585, 6.8388669, 1.277814],
    "lvs-f": [1.9275743, -0.018288089, 0.28848721, 6.7766765, 1.2730425],
    "ez-vsl": [3.6718078, 0.83254715, -0.52929012, 49.190623, 9.3326369],
    "fnac": [43.22321, 27.668179, -8.915206, 358.24379, 306.1877],
}
# What is ours under another name, with a factor, and the sign of the features.
CASES = {
    **{name: (name, 1, False) for name in GOLDEN if name.startswith("lvs-")},
    "lvs": ("lvs-e", 1, False),
    "max-pool": ("ez-vsl", 2, True),  # EZ-VSL sums the two directions, this takes their mean
    "fnac": ("fnac", 1, True),
}


@pytest.mark.parametrize("name", CASES)
def test_the_original_gives_the_same_loss_and_gradient(name: str) -> None:
    """In double precision, where both are exact: to a millionth."""
    golden, factor, signed = CASES[name]
    pictures, sounds = raw_features(signed)
    loss = objective(name)(Pairs(*unit(pictures, sounds), TEMPERATURE)) * factor
    assert digest(loss, pictures, sounds) == pytest.approx(GOLDEN[golden], rel=1e-6)
