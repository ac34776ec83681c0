"""Published networks: the maps of the repositories' own code, of weights made by a rule."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `models` is not installed")

from family_checkpoints import SHAPES, as_published, family_weights, seeded_inputs  # noqa: E402

from vggss_tools.models.published import PublishedModel, load_published  # noqa: E402
from vggss_tools.models.two_stream import TwoStream, Wiring  # noqa: E402

GOLDEN: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "network_golden.json").read_text()
)


Load = Callable[..., PublishedModel]


@pytest.fixture(scope="module")
def load() -> Load:
    """Load a family's checkpoint, as its training code would have saved it."""

    @cache
    def published(family: str) -> dict[str, Any]:
        return as_published(family, family_weights(family))

    def load(family: str, twin: str | None = None) -> PublishedModel:
        return load_published(published(family), f"{family}.pth", twin=twin)

    return load


@pytest.mark.parametrize("name", GOLDEN)
def test_maps_are_those_of_the_released_code(load: Load, name: str) -> None:
    """The same weights and inputs give the maps of the repository's own network, to 1e-5."""
    golden = GOLDEN[name]
    if name.startswith("SSLalignment"):  # the LVS class, with a longer sound
        assert golden["family"] == "lvs"
    images, sounds = (torch.from_numpy(one) for one in seeded_inputs(frames=golden["frames"]))
    model = load(golden["family"], golden["twin"])
    with torch.inference_mode():
        maps = model.network(images, sounds).numpy()
    assert model.family.name == golden["family"]
    assert np.abs(maps - np.array(golden["maps"])).max() < 1e-5


@pytest.mark.parametrize(
    ("family", "used", "unused"),
    # Names in a checkpoint less those in the network; 124 of the other twin.
    [("lvs", 240, 8), ("ezvsl", 244, 0), ("slavc", 248, 248), ("ssltie", 240, 17),
     ("sslalign", 240, 21)],
)  # fmt: skip
def test_every_weight_is_accounted_for(load: Load, family: str, used: int, unused: int) -> None:
    """What a family carries without use is counted as such, and nothing else is left over."""
    model = load(family)
    assert (model.missing, model.unexpected) == ((), ())
    assert len(model.unused) == unused
    assert len(model.network.state_dict()) == used
    assert len(SHAPES[family]()) == used + unused


def test_two_heads_give_the_mean_of_their_cosines() -> None:
    """The map of a network with two heads is the mean of the maps of each."""
    torch.manual_seed(0)
    both = TwoStream(Wiring(32, heads=2, temperature=0.03), dim=16).eval()
    images, sounds = torch.randn(2, 3, 64, 64), torch.randn(2, 1, 65, 50)
    with torch.inference_mode():
        expected = torch.zeros(2, 2, 2)
        for head in range(2):
            one = TwoStream(Wiring(32, heads=1, temperature=0.03), dim=16).eval()
            one.image, one.sound = both.image, both.sound
            one.image_heads[0], one.sound_heads[0] = both.image_heads[head], both.sound_heads[head]
            expected += one(images, sounds) / 2
        assert torch.allclose(both(images, sounds), expected, atol=1e-5)


def test_the_twins_of_slavc_are_two_networks(load: Load) -> None:
    """``momentum`` is the other copy; ``online`` is the one without being asked."""
    images, sounds = (torch.from_numpy(one) for one in seeded_inputs(pairs=1))
    with torch.inference_mode():
        online, momentum, default = (
            load("slavc", twin).network(images, sounds) for twin in ("online", "momentum", None)
        )
    assert torch.equal(online, default)
    assert not torch.allclose(online, momentum, atol=0.1)
