"""Import a module of a repository's checkout as it is, in this process, and run it.

Packages that the scores are not made of (:data:`BESIDE`) and that are not installed are replaced by
something that takes part in everything and does nothing (:class:`Anything`). NumPy, OpenCV, torch
and the repository's own modules are the real thing.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np


class Anything(ModuleType):
    """A module, class, function or object: every attribute is another one.

    Called, it gives its first argument back, so that a wrapper gives what it wraps.
    """

    def __init__(self, name: str = "anything", *rest: Any) -> None:
        super().__init__(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything(name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return arguments[0] if arguments else self

    def __getitem__(self, key: Any) -> Any:
        return self


# Loggers, readers of sound and video, drawing, and names that newer releases have dropped.
BESIDE = (
    "clip",
    "easydict",
    "h5py",
    "ipdb",
    "kornia",
    "librosa",
    "lmdb",
    "matplotlib",
    "numpy.lib.type_check",
    "pytorch_lightning",
    "scipy.stats.stats",
    "soundfile",
    "tensorboardX",
    "timm",
    "torchaudio",
    "transformers",
    "wav2clip",
)

REAL = ("torch", "torchvision", "torchvision.models", "scipy.signal", "pandas", "PIL.Image", "cv2")


class Absent(MetaPathFinder, Loader):
    """Finds those of :data:`BESIDE` that nothing else finds, and anything below them."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not any(name == one or name.startswith(f"{one}.") for one in BESIDE):
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = Anything(spec.name)
        vars(module)["__all__"] = []
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""


def trapezoid(x: Any, y: Any) -> float:
    """Stand for ``sklearn.metrics.auc`` where scikit-learn is not installed."""
    return float(np.trapezoid(y, x))


@contextlib.contextmanager
def imported(
    folder: Path, name: str, given: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[Any]:
    """Import module ``name`` of ``folder``, in an empty working directory, for a ``with`` block.

    Parameters
    ----------
    folder : the part of a checkout that its modules are imported from
    given : for a module that is replaced, what stands in it
    """
    replaced = {"sklearn": {}, "sklearn.metrics": {"auc": trapezoid}, **(given or {})}
    if _installed("sklearn"):
        replaced = {key: value for key, value in replaced.items() if "sklearn" not in key}
    for package in REAL:  # before anything is replaced that they may look at
        importlib.import_module(package)
    before = dict(sys.modules)
    local = {entry.stem for entry in folder.iterdir() if entry.suffix == ".py" or entry.is_dir()}
    for loaded in [one for one in sys.modules if one.partition(".")[0] in local]:
        del sys.modules[loaded]
    absent = Absent()
    for module, contents in sorted(replaced.items()):  # packages first
        spec = ModuleSpec(module, absent, is_package=True)
        sys.modules[module] = stand_in = module_from_spec(spec)
        vars(stand_in).update(contents)
        parent, _, last = module.rpartition(".")
        if parent in sys.modules:
            setattr(sys.modules[parent], last, stand_in)
    here, arguments, state = Path.cwd(), sys.argv, sys.dont_write_bytecode
    with tempfile.TemporaryDirectory() as empty, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.path.insert(0, str(folder))
        sys.meta_path.append(absent)
        sys.argv, sys.dont_write_bytecode = [f"{name}.py"], True
        os.chdir(empty)
        try:
            with _processors_only(), np.errstate(invalid="ignore", divide="ignore"):
                yield importlib.import_module(name)
        finally:
            os.chdir(here)
            sys.argv, sys.dont_write_bytecode = arguments, state
            sys.meta_path.remove(absent)
            sys.path.remove(str(folder))
            for loaded in set(sys.modules) - set(before):
                # Real packages stay: most of them cannot be imported twice.
                if loaded.partition(".")[0] in local or _is_stand_in(sys.modules[loaded]):
                    del sys.modules[loaded]
            sys.modules.update(before)


@contextlib.contextmanager
def silent() -> Iterator[io.StringIO]:
    """Catch what is printed."""
    caught = io.StringIO()
    with contextlib.redirect_stdout(caught), contextlib.redirect_stderr(io.StringIO()):
        yield caught


@contextlib.contextmanager
def _processors_only() -> Iterator[None]:
    """Let ``.cuda()`` of a tensor or a network be the thing itself."""
    import torch

    kept = torch.Tensor.cuda, torch.nn.Module.cuda, torch.cuda.is_available
    torch.Tensor.cuda = lambda self, *a, **k: self  # type: ignore[method-assign]
    torch.nn.Module.cuda = lambda self, *a, **k: self  # type: ignore[method-assign]
    torch.cuda.is_available = lambda: False
    try:
        yield
    finally:
        torch.Tensor.cuda, torch.nn.Module.cuda, torch.cuda.is_available = kept  # type: ignore[method-assign]


def _is_stand_in(module: Any) -> bool:
    return isinstance(module, Anything)


def _installed(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True
