"""Word vectors of a dozen words, small enough to be read by eye."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

# Directions: canine, feline, farm animal, wheels, music, and two to tell sisters apart.
VECTORS = {
    "dog": (1.0, 0.2, 0.1, 0, 0, 0, 0),
    "cat": (0.2, 1.0, 0.1, 0, 0, 0, 0),
    "puppies": (0.95, 0.25, 0.1, 0, 0, 0, 0),
    "cow": (0, 0, 1.0, 0, 0, 0.6, 0),
    "sheep": (0, 0, 1.0, 0, 0, 0, 0.6),
    "truck": (0, 0, 0, 1.0, 0, 0, 0),
    "lorry": (0, 0, 0.05, 1.0, 0, 0, 0),
    "clarinet": (0, 0, 0, 0, 1.0, 0, 0),
    "trombone": (0, 0, 0, 0, 1.0, 0.8, 0),
    "cello": (0, 0, 0, 0, 1.0, 0, 0.8),
    "Volvo": (0, 0, 0, 1.0, 0.1, 0, 0),
}


def write_vectors(path: Path, *, binary: bool = False, header: bool = True) -> Path:
    """Write them in one of word2vec's forms."""
    models = pytest.importorskip("gensim.models")
    keyed = models.KeyedVectors(7)
    keyed.add_vectors(list(VECTORS), np.array(list(VECTORS.values()), dtype=np.float32))
    keyed.save_word2vec_format(str(path), binary=binary, write_header=header)
    return path
