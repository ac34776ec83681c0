"""Published checkpoints: told apart by the names of their weights alone, and checked name by name.

Nothing is skipped in silence. What a family is known to carry without use is counted as such; any
other unexpected name, or a missing one, is an error that lists them, unless it is asked to go on.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.models.families import FAMILIES, Family, family_of, stranger_of
from vggss_tools.models.torch_file import read_torch_file
from vggss_tools.models.two_stream import TwoStream

# Where the weights lie: LVS and SSL-Align; SSL-TIE; EZ-VSL and its descendants.
CONTAINERS = ("model_state_dict", "state_dict", "model")
PARALLEL = "module."  # what DataParallel puts before every name
TWINS = ("online", "momentum")
# Counts batches in training; files older than it, and it has no part in a map.
COUNTER = "num_batches_tracked"
SHOWN = 4  # names in a message


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A published network with its weights.

    Attributes
    ----------
    family : Family
    twin : str
        Which copy of the network: ``online`` or, of SLAVC, ``momentum``.
    network : TwoStream
        In float32 on the CPU, ready to predict.
    unused : tuple of str
        Names that such checkpoints carry and that play no part in a map.
    missing, unexpected : tuple of str
        Names that are absent, and others that are not known; none unless ``allow_partial``.
    """

    family: Family
    twin: str
    network: TwoStream
    unused: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    def notes(self) -> tuple[str, ...]:
        """Say what has to be known beside a score of this model."""
        notes: list[str] = []
        if self.family.momentum:
            notes.append(f"{self.family.title}: the {self.twin} copy of the network")
        if self.missing:
            notes.append(
                f"PARTIAL: {_counted(self.missing)} missing in the checkpoint, and random from a "
                f"fixed seed {_names(self.missing)}"
            )
        if self.unexpected:
            notes.append(
                f"PARTIAL: {_counted(self.unexpected)} of the checkpoint not known to "
                f"{self.family.title}, and left out {_names(self.unexpected)}"
            )
        return tuple(notes)


def read_published(
    path: Path | str, *, allow_partial: bool = False, twin: str | None = None
) -> PublishedModel:
    """Read a checkpoint of one of ``FAMILIES``.

    Parameters
    ----------
    allow_partial : bool
        Go on with missing weights (they stay random, from a fixed seed) and unexpected ones (they
        are left out).
    twin : ``online`` or ``momentum``, optional
        Which copy of SLAVC's network. ``online`` is the default, because the released test
        commands run it, and so do the later comparisons of SSLalignment and vssl_eval.

    Raises
    ------
    VggssError
        If there is no such file, or a twin is asked for of a family that has none.
    InvalidInput
        If it is no such checkpoint, a weight has the wrong shape or type or is not finite, or
        names are missing or unexpected.
    """
    return load_published(
        read_torch_file(Path(path)), str(path), allow_partial=allow_partial, twin=twin
    )


def load_published(
    content: Mapping[str, Any], path: str, *, allow_partial: bool = False, twin: str | None = None
) -> PublishedModel:
    """Do as :func:`read_published`, with a file's content; ``path`` is for messages."""
    weights = find_weights(content, path)
    family = family_of(weights)
    if family is None:
        raise InvalidInput(_not_known(weights, path))
    if twin is not None and twin not in TWINS:
        raise VggssError(f"{twin}: no such twin; choose one of {', '.join(TWINS)}")
    if twin is not None and not family.momentum:
        raise VggssError(
            f"{path}: a checkpoint of {family.title}, which has one network; leave --twin out"
        )
    twin = twin or TWINS[0]
    width = _head_width(family, weights, twin)
    with torch.device("meta"):  # names and shapes, without drawing values that are then replaced
        network = TwoStream(family.wiring, width)
    wanted = network.state_dict()
    names = {name: family.published_name(name, twin) for name in wanted}
    missing = sorted(
        theirs
        for ours, theirs in names.items()
        if theirs not in weights and not ours.endswith(COUNTER)
    )
    rest = sorted(set(weights) - set(names.values()))
    others = {family.published_name(name, other) for name in wanted for other in TWINS}
    unused = [name for name in rest if name in others or name.startswith(family.unused)]
    unexpected = sorted(set(rest) - set(unused))
    if (missing or unexpected) and not allow_partial:
        raise InvalidInput(_does_not_fit(family, missing, unexpected, len(names), path))
    if not any(theirs in weights for theirs in names.values()):
        raise InvalidInput(f"{path}: holds none of the weights of {family.title}; give another")
    found = {ours: weights[theirs] for ours, theirs in names.items() if theirs in weights}
    for ours, value in found.items():
        _check(names[ours], value, wanted[ours], path)
    network = _drawn(family, width) if missing else network.to_empty(device="cpu")
    start = {name: torch.tensor(0) for name in wanted if name.endswith(COUNTER)}
    loaded = {ours: value.to(wanted[ours].dtype) for ours, value in found.items()}
    network.load_state_dict({**start, **loaded}, strict=not missing)
    return PublishedModel(
        family, twin, network.eval(), tuple(unused), tuple(missing), tuple(unexpected)
    )


def _drawn(family: Family, width: int) -> TwoStream:
    """Return the network with random weights, the same each time."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        return TwoStream(family.wiring, width)


def find_weights(content: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the weights by name, out of their container and without ``module.``.

    Raises
    ------
    InvalidInput
        If there are none, or two have one name.
    """
    inside: Mapping[Any, Any] = content
    for container in CONTAINERS:
        if isinstance(content.get(container), Mapping):
            inside = content[container]
            break
    if not any(isinstance(value, Tensor) for value in inside.values()):
        stranger = stranger_of([str(name) for name in content])
        if stranger is not None:
            raise InvalidInput(_is_strange(stranger, path))
        held = ", ".join(str(name) for name in list(content)[:SHOWN]) or "nothing"
        raise InvalidInput(
            f"{path}: not a checkpoint of `vggss train`, and holds no weights (it has {held}); "
            f"give a file of named tensors, alone or under {', '.join(CONTAINERS)}"
        )
    weights: dict[str, Any] = {}
    for name, value in inside.items():
        bare = str(name)
        while bare.startswith(PARALLEL):
            bare = bare.removeprefix(PARALLEL)
        if bare in weights:
            raise InvalidInput(f"{path}: {bare} stands there twice, with and without {PARALLEL}")
        weights[bare] = value
    return weights


def _head_width(family: Family, weights: Mapping[str, Any], twin: str) -> int:
    """Return the width of the heads, which the repositories make an option; 512 is theirs."""
    for name in ("image_heads.0.weight", "sound_heads.0.weight"):
        value = weights.get(family.published_name(name, twin)) if family.image_heads else None
        if isinstance(value, Tensor) and value.ndim > 1:
            return int(value.shape[0])
    return 512


def _check(name: str, value: Any, wanted: Tensor, path: str) -> None:
    """Refuse what cannot be such a weight."""
    if not isinstance(value, Tensor):
        raise InvalidInput(f"{path}: {name} is no tensor but {type(value).__name__}")
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        raise InvalidInput(f"{path}: {name} is no plain tensor; save it dense and in float32")
    if value.shape != wanted.shape:
        raise InvalidInput(
            f"{path}: {name} is {tuple(value.shape)}, the network has {tuple(wanted.shape)}; "
            "give the checkpoint of the published network"
        )
    if wanted.is_floating_point():
        if not value.is_floating_point():
            raise InvalidInput(f"{path}: {name} is of type {value.dtype}; save it as float32")
        if not value.to(wanted.dtype).isfinite().all():
            raise InvalidInput(
                f"{path}: {name} holds NaN or infinities; copy the file again, or give a "
                "checkpoint from before the training failed"
            )


def _not_known(weights: Mapping[str, Any], path: str) -> str:
    stranger = stranger_of(list(weights))
    if stranger is not None:
        return _is_strange(stranger, path)
    known = "; ".join(family.title for family in FAMILIES.values())
    return (
        f"{path}: not a checkpoint of `vggss train`, nor of {known} (it has "
        f"{_counted(weights)} {_names(sorted(weights))}); give one of these, or predict with the "
        "model's own code and score with --predictions"
    )


def _is_strange(stranger: str, path: str) -> str:
    return (
        f"{path}: not a checkpoint of `vggss train`, and looks like {stranger}; predict with its "
        "own code, and score with --predictions"
    )


def _does_not_fit(
    family: Family, missing: Sequence[str], unexpected: Sequence[str], wanted: int, path: str
) -> str:
    faults = []
    if missing:
        faults.append(f"misses {len(missing)} of {wanted} weights {_names(missing)}")
    if unexpected:
        faults.append(f"has {_counted(unexpected)} that it does not know {_names(unexpected)}")
    return (
        f"{path}: looks like {family.title}, but {' and '.join(faults)}; "
        "give the whole checkpoint, or go on with --allow-partial"
    )


def _counted(names: Collection[str]) -> str:
    return f"{len(names)} weight{'s' * (len(names) != 1)}"


def _names(names: Sequence[str]) -> str:
    """``(a, b, c, d, …)``."""
    return f"({', '.join(names[:SHOWN])}{', …' * (len(names) > SHOWN)})"
