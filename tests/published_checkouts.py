"""Running the code of published repositories, from checkouts outside of this one."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import torchvision
from torch import Tensor, nn


class Unused(MetaPathFinder, Loader):
    """Finds packages that the checkouts import and that take no part: modules of Nones."""

    packages = ("ipdb", "sklearn", "matplotlib", "timm")

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name.partition(".")[0] in self.packages:
            return ModuleSpec(name, self, is_package=True)
        return None

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__getattr__"] = lambda name: None


@contextmanager
def runnable(checkout: Path) -> Iterator[None]:
    """Make a checkout importable on a machine without a GPU; afterwards all is as before."""
    cuda, network = Tensor.cuda, torchvision.models.resnet18
    before, here = dict(sys.modules), Path.cwd()
    Tensor.cuda = lambda self, *_, **__: self  # type: ignore[method-assign]

    @functools.wraps(network)
    def untrained(*_: Any, **__: Any) -> nn.Module:
        return network()

    torchvision.models.resnet18 = untrained
    unused = Unused()
    sys.meta_path.insert(0, unused)
    sys.path.insert(0, str(checkout))
    os.chdir(checkout)
    try:
        yield
    finally:
        os.chdir(here)
        sys.path.remove(str(checkout))
        torchvision.models.resnet18 = network
        Tensor.cuda = cuda  # type: ignore[method-assign]
        sys.meta_path.remove(unused)
        for name in set(sys.modules) - set(before):
            where = getattr(sys.modules[name], "__file__", None)
            ours = name.partition(".")[0] in Unused.packages
            if ours or str(where).startswith(str(checkout)):
                del sys.modules[name]
        for name in ("models", "networks"):  # folders without an __init__ have no file
            sys.modules.pop(name, None)
