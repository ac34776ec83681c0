"""What a checkpoint says of its classes, read without torch and without running any code in it."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from vggss_tools.errors import InvalidInput, VggssError, not_readable

# First pickle of the files of torch before 1.6, which MMDetection's published ones still are.
_OLD_MAGIC = 0x1950A86A20F9469CFC6C
_HEADERS = 3  # magic number, version, properties of the machine; then comes the content


class CheckpointClasses(NamedTuple):
    """How many classes the class scores of a checkpoint have, and their names if it has them."""

    rows: int
    names: tuple[str, ...] | None


class _Anything:
    """Stands for every object that a checkpoint would make; takes what it is given and forgets."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, _: Any, __: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> _Anything:
        return self

    def append(self, _: Any) -> None:
        pass

    def extend(self, _: Any) -> None:
        pass


class _Shape(tuple[int, ...]):
    """Shape of a tensor."""


def _shape(_: Any, __: Any, shape: tuple[int, ...], *___: Any) -> _Shape:
    """Stand in for torch's function that makes a tensor of storage, offset and shape."""
    return _Shape(shape)


class _Reader(pickle.Unpickler):
    """Makes nothing but dicts, lists, plain values and shapes of tensors."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a stand-in of our own; nothing is imported."""
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        return _shape if name == "_rebuild_tensor_v2" else _Anything

    def persistent_load(self, _: Any) -> None:
        """Leave the numbers where they are."""


def read_classes(path: Path, key: str) -> CheckpointClasses:
    """Read the rows of the tensor ``key``, and the names in MMDetection's ``meta``.

    Raises
    ------
    VggssError
        If there is no such file, or it may not be read.
    InvalidInput
        If it is no checkpoint of torch, or has no such tensor.
    """
    if not path.is_file():
        raise VggssError(f"{path}: no such file; give the path of a checkpoint")
    try:
        with path.open("rb") as file:
            content = _read(file)
    except PermissionError as error:
        raise not_readable(path, error) from None
    except (
        *(ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, TypeError),
        *(ValueError, pickle.UnpicklingError, zipfile.BadZipFile),
    ):
        raise InvalidInput(
            f"{path}: not a checkpoint of torch, or cut off; copy it again, or give another"
        ) from None
    state = content.get("state_dict", content) if isinstance(content, dict) else {}
    shape = state.get(key) if isinstance(state, dict) else None
    if not isinstance(shape, _Shape) or not shape:
        raise InvalidInput(f"{path}: no {key} in it; give a Faster R-CNN R50-FPN of MMDetection")
    return CheckpointClasses(int(shape[0]), _names(content.get("meta")))


def _read(file: IO[bytes]) -> Any:
    if not zipfile.is_zipfile(file):
        file.seek(0)
        headers = [_Reader(file).load() for _ in range(_HEADERS)]
        if headers[0] != _OLD_MAGIC:
            raise ValueError("not of torch")
        return _Reader(file).load()
    with zipfile.ZipFile(file) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("/data.pkl"))
        with archive.open(name) as content:
            return _Reader(content).load()


def _names(meta: Any) -> tuple[str, ...] | None:
    """Return the class names of a ``meta`` of MMDetection 2 or 3."""
    if not isinstance(meta, Mapping):
        return None
    dataset = meta.get("dataset_meta")
    names = meta.get("CLASSES")
    if isinstance(dataset, Mapping):
        names = dataset.get("classes", dataset.get("CLASSES", names))
    if isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names):
        return tuple(names)
    return None
