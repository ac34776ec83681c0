"""What may be the name of a picture or a sound: it becomes a file's name."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

# No separators, no dot at the start, no space at either end. IS3 has names with spaces within.
_ID = re.compile(r"[A-Za-z0-9_-]([A-Za-z0-9_. -]{0,199}[A-Za-z0-9_.-])?")


def is_sample_id(name: str) -> bool:
    """Whether ``name`` has letters, digits, ``_``, ``-``, ``.`` and inner spaces only."""
    return _ID.fullmatch(name) is not None


def stem_of(path: str) -> str:
    """Return the last part of a path of any system, without its last suffix."""
    return PurePosixPath(path.replace("\\", "/")).stem
