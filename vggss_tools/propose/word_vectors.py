"""Word vectors: reading them from a file, and fetching the default ones.

gensim reads them, and is imported only here and only when vectors are used.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vggss_tools.checksums import sha256_of
from vggss_tools.errors import InvalidInput, VggssError, import_extra, not_readable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_VECTORS = "word2vec-google-news-300"

# Files hold their commonest words first; all 3 million of GoogleNews need 3.6 GB of memory.
MOST_WORDS = 1_000_000


class WordVectors:
    """Vectors of words, of length 1, from one or several files.

    A word is looked for in each file in turn, as it is, as its plural and with a capital letter;
    vectors of different files are never compared.

    Parameters
    ----------
    models : sequence of gensim.models.KeyedVectors
    names : sequence of str
        Names of the files, for messages and settings.
    checksums : sequence of str
    """

    def __init__(
        self, models: Sequence[Any], names: Sequence[str], checksums: Sequence[str] = ()
    ) -> None:
        self.models = tuple(models)
        self.names = tuple(names)
        self.checksums = tuple(checksums)
        self._vectors: dict[tuple[str, int], NDArray[np.floating[Any]] | None] = {}

    def vector(self, word: str, model: int = 0) -> NDArray[np.floating[Any]] | None:
        """Return the unit vector of a word in one file, or None where the file lacks it."""
        key = (word, model)
        if key not in self._vectors:
            self._vectors[key] = self._look_up(word, model)
        return self._vectors[key]

    def _look_up(self, word: str, model: int) -> NDArray[np.floating[Any]] | None:
        import numpy as np

        found = self.models[model]
        for form in (word, f"{word}s", f"{word}es", word.capitalize()):
            if form in found.key_to_index:
                value = np.asarray(found[form], dtype=np.float64)
                length = float(np.linalg.norm(value))
                if length > 0 and np.isfinite(length):
                    return value / length
        return None

    def settings(self) -> dict[str, Any]:
        """Return the names and checksums of the files."""
        return {"vectors": list(self.names), "sha256": list(self.checksums)}


def read_vectors(paths: Sequence[Path]) -> WordVectors:
    """Read files of word vectors.

    word2vec's binary form, its text form with or without the header line (GloVe's files have
    none), both also gzipped (``.gz``), and gensim's own, which is a pickle: load only those that
    you trust. The form is told by the content.

    Raises
    ------
    InvalidInput
        If a file does not hold word vectors, or none.
    MissingExtra
        If gensim is not installed.
    """
    if not paths:
        raise VggssError("word vectors: no file is named; give --vectors PATH")
    models = [read_keyed_vectors(path) for path in paths]
    return WordVectors(models, [path.name for path in paths], [sha256_of(path) for path in paths])


def read_keyed_vectors(path: Path) -> Any:
    """Read one file of word vectors as gensim's ``KeyedVectors``; see :func:`read_vectors`."""
    import numpy as np

    check_vectors(path)
    keyed: Any = import_extra("gensim.models", extra="models").KeyedVectors
    try:
        form = _form(path)
        if form == "gensim":
            model = keyed.load(str(path))
            model = getattr(model, "wv", model)
        else:
            model = keyed.load_word2vec_format(
                str(path), binary=form == "binary", no_header=form == "plain", limit=MOST_WORDS
            )
        if not len(model.key_to_index):
            raise ValueError("no words in it")
        if model.vectors.ndim != 2 or not np.isfinite(model.vectors).all():
            raise ValueError("its numbers are not all finite")
    except PermissionError as error:
        raise not_readable(path, error) from None
    except MemoryError:
        raise VggssError(
            f"{path}: does not fit into memory; use fewer or shorter vectors"
        ) from None
    except Exception as error:  # noqa: BLE001 - gensim and pickle raise what they like
        cause = " ".join(str(error).split()) or type(error).__name__
        raise InvalidInput(
            f"{path}: not word vectors ({cause[:120]}); word2vec's binary and text forms are read, "
            "GloVe's text and gensim's KeyedVectors"
        ) from None
    return model


def check_vectors(path: Path) -> None:
    """Refuse what cannot be a file of word vectors, before anything is read.

    Raises
    ------
    VggssError
        If there is no such file.
    """
    if not path.exists():
        raise VggssError(f"{path}: no such file; give --vectors a file of word vectors")
    if path.is_dir():
        raise VggssError(f"{path}: is a folder; give --vectors a file of word vectors")


def cached_default_vectors() -> Path | None:
    """Return the file of the default vectors if gensim's downloader has them; no download."""
    import os

    base = Path(os.environ.get("GENSIM_DATA_DIR", Path.home() / "gensim-data"))
    path = base / DEFAULT_VECTORS / f"{DEFAULT_VECTORS}.gz"
    return path if path.is_file() else None


def download_default_vectors() -> Path:
    """Return the file of the default vectors; gensim's downloader fetches it (1.6 GB) if need be.

    Raises
    ------
    VggssError
        If it cannot be fetched.
    """
    cached = cached_default_vectors()
    if cached is not None:
        return cached
    try:
        downloader: Any = import_extra("gensim.downloader", extra="models")
        with redirect_stdout(sys.stderr):  # its progress; stdout is for results
            path = Path(downloader.load(DEFAULT_VECTORS, return_path=True))
    except VggssError:
        raise
    except Exception as error:  # noqa: BLE001 - the network fails in many ways
        cause = " ".join(str(error).split()) or type(error).__name__
        raise VggssError(
            f"{DEFAULT_VECTORS}: cannot be downloaded ({cause[:160]}); connect to the network, or "
            "give word vectors of your own with --vectors PATH"
        ) from None
    return path


def _form(path: Path) -> str:
    """Tell the form of a file by its beginning: ``binary``, ``text``, ``plain`` or ``gensim``."""
    import gzip

    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as handle:
        start = handle.read(1 << 16)
    if not start:
        raise ValueError("it is empty")
    if start.startswith(b"\x80"):  # a pickle
        return "gensim"
    first, _, rest = start.partition(b"\n")
    numbers = first.split()
    if len(numbers) == 2 and all(part.isdigit() for part in numbers):
        row = rest.partition(b"\n")[0].split()
        is_text = len(row) == 1 + int(numbers[1]) and all(map(_is_number, row[1:]))
        return "text" if is_text or not int(numbers[0]) else "binary"
    if len(numbers) > 2 and all(map(_is_number, numbers[1:])):
        return "plain"
    raise ValueError("it begins with neither a word2vec header nor a word and its numbers")


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
