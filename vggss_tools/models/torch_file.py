"""Reading files that torch wrote, without running any code in them."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vggss_tools.errors import InvalidInput, VggssError, not_readable

# First bytes of a zip archive, which is what torch writes.
ZIP_START = b"PK\x03\x04"

# Most published checkpoints keep their best score as a NumPy number. What makes one is let
# through: it takes a type and some bytes, and runs nothing.
_NUMPY_NUMBER = np.float64(0).__reduce__()[0]
PLAIN_NUMBERS: list[Any] = [
    (_NUMPY_NUMBER, "numpy.core.multiarray.scalar"),  # written by NumPy 1
    (_NUMPY_NUMBER, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("f8", "f4", "f2", "i8", "i4", "?")),
]

# What to run, where the file is trusted, on a file that holds more than tensors.
KEEP_TENSORS = (
    "import torch; c = torch.load('{name}', 'cpu', weights_only=False); "
    "torch.save(c.get('model') or c.get('state_dict') or c.get('model_state_dict') or c, "
    "'weights.pth')"
)

_FOREIGN = re.compile(r"GLOBAL ([\w.]+)|Unsupported class ([\w.]+)|function ([\w.]+)")


def read_torch_file(path: Path) -> dict[str, Any]:
    """Read a dict that torch saved, without running any code in it; other files are one line.

    Tensors, plain containers, numbers and strings are read, and NumPy's numbers.

    Raises
    ------
    VggssError
        If there is no such file, or it may not be read.
    InvalidInput
        If torch did not write it, it was cut off, it holds no dict, or more than such values: then
        the message has the line that keeps its tensors alone.
    """
    if path.is_dir():
        raise InvalidInput(f"{path}: is a folder; give the checkpoint file in it")
    if not path.is_file():
        raise VggssError(f"{path}: no such file; give a checkpoint made by `vggss train`")
    try:
        with torch.serialization.safe_globals(PLAIN_NUMBERS), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of pickles that torch did not write
            content = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise not_readable(path, error) from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, pickle.UnpicklingError) as error:
        needed = _code_needed(error)
        if needed:
            raise InvalidInput(
                f"{path}: would run code to be read ({needed}), which is not done here; where you "
                f'trust it, run python -c "{KEEP_TENSORS.format(name=path.name)}" and give '
                "weights.pth"
            ) from None
        # torch's message for a file that was cut off is "Invalid argument", an OSError.
        if zipfile.is_zipfile(path):
            reason = "damaged"
        elif _starts_as_zip(path):
            reason = "cut off"
        else:
            reason = "no file that torch wrote"
        # torch's words on a pickle that it does not know are advice to run it.
        words = "" if isinstance(error, pickle.UnpicklingError) else " ".join(str(error).split())
        raise InvalidInput(
            f"{path}: not a readable checkpoint ({reason}: {words[:80] or type(error).__name__}); "
            "copy it again, or give another checkpoint.pth"
        ) from None
    if not isinstance(content, dict):
        raise InvalidInput(f"{path}: holds no named tensors; give a checkpoint.pth")
    return content


def _code_needed(error: Exception) -> str | None:
    """Return what a file asks to import or call, None where that is not what is wrong."""
    if not isinstance(error, pickle.UnpicklingError):
        return None
    found = _FOREIGN.search(str(error))
    return next(name for name in found.groups() if name) if found else None


def _starts_as_zip(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(len(ZIP_START)) == ZIP_START
