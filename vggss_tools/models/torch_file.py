"""Reading files that torch wrote, without running any code in them."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from vggss_tools.errors import InvalidInput, VggssError, not_readable

# First bytes of a zip archive, which is what torch writes.
ZIP_START = b"PK\x03\x04"


def read_torch_file(path: Path) -> dict[str, Any]:
    """Read a dict that torch saved, without running any code in it; other files are one line."""
    if not path.is_file():
        raise VggssError(f"{path}: no such file; give a checkpoint made by `vggss train`")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise not_readable(path, error) from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, pickle.UnpicklingError) as error:
        # torch's message for a file that was cut off is "Invalid argument", an OSError.
        if zipfile.is_zipfile(path):
            reason = "damaged"
        elif _starts_as_zip(path):
            reason = "cut off"
        else:
            reason = "no file that torch wrote"
        words = " ".join(str(error).split())[:80] or type(error).__name__
        raise InvalidInput(
            f"{path}: not a readable checkpoint ({reason}: {words}); copy it again, or "
            "give another checkpoint.pth"
        ) from None
    if not isinstance(content, dict):
        raise InvalidInput(f"{path}: holds no named tensors; give a checkpoint.pth")
    return content


def _starts_as_zip(path: Path) -> bool:
    with path.open("rb") as handle:
        return handle.read(len(ZIP_START)) == ZIP_START
