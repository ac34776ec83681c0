"""Networks and loaders that hand a repository's evaluator our maps as a network's output."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from numpy.typing import NDArray
from peers.cases import Case, Cases


class Network:
    """Stands for a network: ``answer`` makes its output of its inputs."""

    def __init__(self, answer: Callable[..., Any]) -> None:
        self.answer = answer

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self.answer(*arguments)

    def train(self, mode: bool = True) -> Network:
        return self

    eval = to = cuda = train


def tensor(values: NDArray[Any]) -> torch.Tensor:
    """Return a map (h, w) as a batch (1, 1, h, w)."""
    return torch.from_numpy(values.copy())[None, None]


class Clips:
    """A loader of one clip at a time, which goes through ``batch``.

    The "picture" holds the object prior and the "spectrogram" the sound's map, each (1, 1, h, w),
    so that a network that returns one of its inputs returns the map.
    """

    batch_size = 1

    def __init__(self, cases: Cases, batch: Callable[[Case], Any]) -> None:
        self.cases, self.batch = cases, batch

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[Any]:
        return map(self.batch, self.cases.items)


def sound_of_ezvsl() -> Network:
    """Return a network whose second output is the map (1, h, w), as those of EZ-VSL's family."""
    return Network(lambda image, spec: (None, spec[:, 0]))


def prior() -> Network:
    """Return an object network, whose output is the prior (1, 1, h, w)."""
    return Network(lambda image: image)
