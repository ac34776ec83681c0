"""Predictions files: one raw localisation map per picture and sound, from any model.

Two forms with one content:

- ``NAME.npz`` with ``clip_id`` (N, str) and ``map`` (N, h, w; float16 or float32; raw, any range,
  row 0 = top), and optionally ``image_id`` and ``audio_id`` (N, str; where picture and sound are
  not both the clip's own), ``object_map`` (N, h', w') and ``confidence`` (N), and ``notes`` (M,
  str), what has to be known beside a score;
- a folder with ``index.parquet`` (columns ``clip_id`` and, optionally, ``image_id``, ``audio_id``,
  ``confidence``) and shards ``map-00000.npy``, ``map-00001.npy``, … whose rows, one shard after
  the other in the order of their names, are the rows of the index; object maps, where there are
  any, in shards ``object-map-00000.npy``, … of the same kind.

Maps are read a few megabytes at a time, so a file may be larger than memory. Whatever would make
a score meaningless is refused, in one line that names the file and the clip.
"""

from __future__ import annotations

import hashlib
import math
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vggss_tools.atomic import atomic_path
from vggss_tools.checksums import sha256_of
from vggss_tools.errors import InvalidInput, VggssError, not_readable

INDEX_FILE = "index.parquet"
SHARD_PATTERN = "map-*.npy"
OBJECT_SHARD_PATTERN = "object-map-*.npy"
ID_ARRAYS = ("clip_id", "image_id", "audio_id")
# Optional arrays, and the dimensions that each has.
EXTRA_DIMENSIONS = {"object_map": 3, "confidence": 1}
NOTES = "notes"
KNOWN_ARRAYS = (*ID_ARRAYS, "map", *EXTRA_DIMENSIONS, NOTES)

# float64 is what NumPy gives when nobody asks; it is read, as float32.
MAP_DTYPES = (np.float16, np.float32, np.float64)

CHUNK_BYTES = 4 << 20  # 4 MiB: some 20 maps of 224 x 224 float32, or 5,000 of 14 x 14

FORMAT_HINT = (
    "a predictions file is an .npz with clip_id (N, str) and map (N, h, w), see docs/benchmark.md"
)

Map = NDArray[np.float32]
Chunks = Callable[[], Iterable[NDArray[Any]]]


@dataclass(frozen=True)
class Predictions:
    """Localisation maps, to be read in one pass.

    Attributes
    ----------
    name : str
        File name, without its folder.
    sha256 : str
        Of the file; for a folder, of its files' names and checksums; for arrays in memory, of the
        file that ``write_predictions`` makes of them.
    clip_id, image_id, audio_id : tuple of str
        One per row. ``image_id`` and ``audio_id`` are ``clip_id`` where the file has none.
    shape : tuple of int
        ``(N, h, w)`` of the maps.
    dtype : str
        As stored.
    notes : tuple of str
        What the file itself says, and what was ignored or converted.
    confidence : float64 array (N,) or None
        How sure the model is that something in the picture sounds at all.
    """

    name: str
    sha256: str
    clip_id: tuple[str, ...]
    image_id: tuple[str, ...]
    audio_id: tuple[str, ...]
    shape: tuple[int, int, int]
    dtype: str
    notes: tuple[str, ...]
    _chunks: Chunks = field(repr=False, compare=False)
    _object_chunks: Chunks | None = field(default=None, repr=False, compare=False)
    confidence: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.clip_id)

    def own_sound(self, row: int) -> bool:
        """Whether picture and sound of a row are the clip's own."""
        return self.clip_id[row] == self.image_id[row] == self.audio_id[row]

    @property
    def other_sounds(self) -> bool:
        """Whether any picture is heard with a sound that is not its own."""
        return self.image_id != self.audio_id

    def row_name(self, row: int) -> str:
        """Return the name of a row for messages: its clip, and its sound where that is another."""
        if self.own_sound(row):
            return self.clip_id[row]
        return f"{self.image_id[row]} with the sound of {self.audio_id[row]}"

    def maps(self) -> Iterator[Map]:
        """Yield the maps in the order of the rows, as float32 of shape (h, w).

        Raises
        ------
        InvalidInput
            At the first map with a NaN or an infinity (also by conversion to float32, or in the
            difference of its maximum and minimum), or when the file turns out to be damaged.
        """
        return self._read(self._chunks, "map")

    @property
    def has_object_maps(self) -> bool:
        """Whether there is an object prior for each row."""
        return self._object_chunks is not None

    def object_maps(self) -> Iterator[Map]:
        """Yield the object priors in the order of the rows, as float32 of shape (h', w').

        Raises
        ------
        InvalidInput
            If there are none, or as :meth:`maps` does.
        """
        if self._object_chunks is None:
            raise InvalidInput(
                f"{self.name}: no array object_map, which object-guided scoring mixes in; "
                "write it with `vggss predict --object-map`, or score without --ogl"
            )
        return self._read(self._object_chunks, "object map")

    def _read(self, chunks: Chunks, what: str) -> Iterator[Map]:
        row = 0
        for stored in chunks():
            with np.errstate(over="ignore", invalid="ignore"):
                chunk = np.ascontiguousarray(stored, dtype=np.float32)
                spread = chunk.max(axis=(1, 2)) - chunk.min(axis=(1, 2))
            if not np.isfinite(spread).all():
                bad = int(np.flatnonzero(~np.isfinite(spread))[0])
                raise InvalidInput(
                    f"{self.name}: the {what} of {self.row_name(row + bad)} holds "
                    f"{_culprit(stored[bad])}; correct the model or leave that clip out"
                )
            yield from chunk
            row += len(chunk)
        if row != len(self):
            raise InvalidInput(
                f"{self.name}: {row} {what}s for {len(self)} clip ids; write the file again"
            )


def _culprit(stored: NDArray[Any]) -> str:
    if np.isnan(stored).any():
        return "NaN"
    if np.isinf(stored).any():
        return "an infinity"
    return "values too large for float32"


def read_predictions(path: Path | str) -> Predictions:
    """Open a predictions file or folder; the maps themselves are read later, in one pass.

    Raises
    ------
    VggssError
        If there is nothing at ``path``, or it may not be read.
    InvalidInput
        If it is not such a file: not an ``.npz``, an array missing, of a wrong shape or type,
        pickled objects, a repeated id (clip, or picture and sound where these are given), or a
        ``confidence`` or ``object_map`` with NaN or an infinity.
    """
    path = Path(path)
    if path.is_dir():
        return _open_folder(path)
    if not path.is_file():
        raise VggssError(f"{path}: no such predictions file; write one with `vggss predict`")
    try:
        return _open_npz(path)
    except PermissionError as error:
        raise not_readable(path, error) from None


def predictions_from_arrays(
    clip_id: Sequence[str],
    map: ArrayLike,
    image_id: Sequence[str] | None = None,
    audio_id: Sequence[str] | None = None,
    name: str = "arrays in memory",
    object_map: ArrayLike | None = None,
    confidence: ArrayLike | None = None,
) -> Predictions:
    """Make predictions of arrays in memory, checked as a file would be."""
    found = _in_memory(clip_id, map, image_id, audio_id, name)
    arrays = _arrays(found, map, image_id, audio_id)
    arrays |= _extra_arrays(found, object_map, confidence)
    if "object_map" in arrays:
        found = replace(found, _object_chunks=lambda: _slices(arrays["object_map"]))
    if "confidence" in arrays:
        found = _with_confidence(found, arrays["confidence"])
    with TemporaryFile() as handle:
        _save(handle, arrays)
        handle.seek(0)
        return replace(found, sha256=hashlib.file_digest(handle, "sha256").hexdigest())


def _extra_arrays(
    predictions: Predictions, object_map: ArrayLike | None, confidence: ArrayLike | None
) -> dict[str, NDArray[Any]]:
    """Return the optional arrays that are given, checked."""
    arrays: dict[str, NDArray[Any]] = {}
    for name, values in (("object_map", object_map), ("confidence", confidence)):
        if values is not None:
            given = np.asarray(values)
            _check_extra(predictions.name, name, given.shape, given.dtype, len(predictions))
            arrays[name] = _stored(given)
            _refuse_not_finite(predictions, name, 0, arrays[name])
    return arrays


def _in_memory(
    clip_id: Sequence[str],
    map: ArrayLike,
    image_id: Sequence[str] | None,
    audio_id: Sequence[str] | None,
    name: str,
) -> Predictions:
    maps = np.asarray(map)
    ids = _ids_of_arrays({"clip_id": clip_id, "image_id": image_id, "audio_id": audio_id})
    return _checked(name, "", ids, maps.shape, maps.dtype, [], lambda: _slices(maps))


def _arrays(
    predictions: Predictions,
    map: ArrayLike,
    image_id: Sequence[str] | None,
    audio_id: Sequence[str] | None,
) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file, in its order."""
    arrays = {"clip_id": np.array(predictions.clip_id, dtype=np.str_), "map": _stored(map)}
    if image_id is not None:
        arrays["image_id"] = np.array(predictions.image_id, dtype=np.str_)
    if audio_id is not None:
        arrays["audio_id"] = np.array(predictions.audio_id, dtype=np.str_)
    return arrays


def _save(handle: IO[bytes], arrays: dict[str, NDArray[Any]]) -> None:
    np.savez(handle, allow_pickle=False, **arrays)  # type: ignore[arg-type]


def write_predictions(
    path: Path | str,
    clip_id: Sequence[str],
    map: ArrayLike,
    image_id: Sequence[str] | None = None,
    audio_id: Sequence[str] | None = None,
    object_map: ArrayLike | None = None,
    confidence: ArrayLike | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write a predictions file atomically; equal arrays give equal bytes.

    Parameters
    ----------
    path : path of the ``.npz``
    clip_id : N ids
    map : array (N, h, w)
        Raw maps of any range, row 0 = top. float16 and float32 are kept, all else becomes float32.
    image_id, audio_id : N ids, optional
        The clips that picture and sound were taken from, where they differ.
    object_map : array (N, h', w'), optional
        Object prior for object-guided protocols.
    confidence : array (N,), optional
    notes : what has to be known beside a score, in lines

    Raises
    ------
    InvalidInput
        On what :func:`read_predictions` and the scoring would refuse.
    """
    path = Path(path)
    predictions = _in_memory(clip_id, map, image_id, audio_id, path.name)
    for _ in predictions.maps():  # refuses NaN and infinities
        pass
    arrays = _arrays(predictions, map, image_id, audio_id)
    arrays |= _extra_arrays(predictions, object_map, confidence)
    if notes:
        arrays[NOTES] = np.array(list(notes), dtype=np.str_)
    with atomic_path(path) as part, part.open("wb") as handle:
        _save(handle, arrays)


def write_prediction_shards(
    folder: Path | str, batches: Iterable[tuple[Sequence[str], ArrayLike]]
) -> None:
    """Write the folder form from batches of ``(clip ids, maps)``, one shard each.

    The index is written last: a folder without one is not finished.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = Path(folder)
    ids: list[str] = []
    for number, (clip_id, maps) in enumerate(batches):
        stored = _stored(maps)
        for _ in _in_memory(clip_id, stored, None, None, folder.name).maps():
            pass
        with atomic_path(folder / f"map-{number:05d}.npy") as part, part.open("wb") as handle:
            np.save(handle, stored, allow_pickle=False)
        ids.extend(str(one) for one in clip_id)
    _refuse_repeats(folder.name, ids, ids, ids)
    with atomic_path(folder / INDEX_FILE) as part:
        pq.write_table(pa.table({"clip_id": pa.array(ids, pa.string())}), part)


def _stored(values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    return array if array.dtype in (np.float16, np.float32) else array.astype(np.float32)


def _slices(maps: NDArray[Any]) -> Iterator[NDArray[Any]]:
    step = _rows_per_chunk(maps.shape, maps.dtype)
    for start in range(0, len(maps), step):
        yield maps[start : start + step]


def _rows_per_chunk(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return max(1, CHUNK_BYTES // max(1, math.prod(shape[1:]) * dtype.itemsize))


# ---------------------------------------------------------------------------------------- .npz


def _open_npz(path: Path) -> Predictions:
    headers: dict[str, tuple[tuple[int, ...], bool, np.dtype[Any]]] = {}
    ids: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = [Path(name).stem for name in archive.namelist() if name.endswith(".npy")]
            for name in members:
                with archive.open(f"{name}.npy") as handle:
                    if name in (*ID_ARRAYS, NOTES):
                        ids[name] = np.lib.format.read_array(handle, allow_pickle=False)
                    else:
                        headers[name] = _read_header(handle)
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError) as error:
        raise InvalidInput(f"{path}: not a readable .npz ({_line(error)}); {FORMAT_HINT}") from None
    except ValueError as error:
        raise InvalidInput(
            f"{path}: {_line(error)}; save plain arrays of strings and floats, {FORMAT_HINT}"
        ) from None
    for name in ("clip_id", "map"):
        if name not in ids and name not in headers:
            held = ", ".join(sorted([*ids, *headers])) or "nothing"
            raise InvalidInput(f"{path}: no array {name!r}, it holds {held}; {FORMAT_HINT}")
    said = _as_ids(path.name, NOTES, ids.pop(NOTES)) if NOTES in ids else ()
    notes = [
        f"{path.name}: array {name!r} is not part of a predictions file and was ignored"
        for name in sorted(headers)
        if name not in KNOWN_ARRAYS
    ]
    shape, fortran, dtype = headers["map"]
    if dtype.hasobject:
        raise InvalidInput(f"{path}: array 'map' holds pickled objects; save it as float32")
    predictions = _checked(
        path.name,
        sha256_of(path),
        {name: _as_ids(path.name, name, array) for name, array in ids.items()},
        shape,
        dtype,
        [*said, *notes],
        lambda: _npz_chunks(path, "map", shape, fortran, dtype),
    )
    for name in EXTRA_DIMENSIONS:
        if name in headers:
            its_shape, its_order, its_dtype = headers[name]
            _check_extra(path.name, name, its_shape, its_dtype, len(predictions))
            pieces = partial(_npz_chunks, path, name, its_shape, its_order, its_dtype)
            row = 0
            for chunk in pieces():
                _refuse_not_finite(predictions, name, row, chunk)
                row += len(chunk)
            if name == "confidence":
                predictions = _with_confidence(predictions, np.concatenate(list(pieces())))
            else:
                predictions = replace(predictions, _object_chunks=pieces)
    return predictions


def _with_confidence(predictions: Predictions, values: NDArray[Any]) -> Predictions:
    return replace(predictions, confidence=np.asarray(values, dtype=np.float64))


def _read_header(handle: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(handle)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(handle)
    return np.lib.format.read_array_header_2_0(handle)


def _npz_chunks(
    path: Path, name: str, shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any]
) -> Iterator[NDArray[Any]]:
    """Read an array of an ``.npz`` by rows, piece by piece, also out of a compressed one."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as handle:
            if fortran:  # rows do not lie together: no way round reading it all
                yield from _slices(np.lib.format.read_array(handle, allow_pickle=False))
                return
            _read_header(handle)
            step = _rows_per_chunk(shape, dtype)
            for start in range(0, shape[0], step):
                rows = min(step, shape[0] - start)
                wanted = rows * math.prod(shape[1:]) * dtype.itemsize
                data = handle.read(wanted)
                if len(data) != wanted:
                    raise EOFError(f"array {name!r} ends early")
                yield np.frombuffer(data, dtype=dtype).reshape(rows, *shape[1:])
    except (zipfile.BadZipFile, EOFError, zlib.error, ValueError) as error:
        raise InvalidInput(
            f"{path}: damaged ({_line(error)}); write it again or restore a copy"
        ) from None


# -------------------------------------------------------------------------------------- folder


def _open_folder(folder: Path) -> Predictions:
    import pyarrow as pa
    import pyarrow.parquet as pq

    index = folder / INDEX_FILE
    if not index.is_file():
        raise InvalidInput(
            f"{folder}: no {INDEX_FILE} in this folder; "
            f"a predictions folder has one beside its {SHARD_PATTERN}, see docs/benchmark.md"
        )
    try:
        table = pq.read_table(index)
    except PermissionError as error:
        raise not_readable(index, error) from None
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput(
            f"{index}: not a readable Parquet file ({_line(error)}); write the folder again"
        ) from None
    if "clip_id" not in table.column_names:
        raise InvalidInput(f"{index}: no column clip_id, it has {', '.join(table.column_names)}")
    shards = sorted(folder.glob(SHARD_PATTERN))
    shape, dtype = _shape_of_shards(shards)
    notes = [
        f"{folder.name}: column {name!r} is not part of a predictions index and was ignored"
        for name in table.column_names
        if name not in KNOWN_ARRAYS
    ]
    ids = {
        name: tuple(str(one) for one in table.column(name).to_pylist())
        for name in ID_ARRAYS
        if name in table.column_names
    }
    digest = hashlib.sha256()
    object_shards = sorted(folder.glob(OBJECT_SHARD_PATTERN))
    for file in (index, *shards, *object_shards):
        digest.update(f"{file.name} {sha256_of(file)}\n".encode())
    predictions = _checked(
        folder.name,
        digest.hexdigest(),
        ids,
        shape,
        dtype,
        notes,
        partial(_shard_chunks, shards),
    )
    if object_shards:
        object_shape, object_dtype = _shape_of_shards(object_shards)
        _check_extra(folder.name, "object_map", object_shape, object_dtype, len(predictions))
        predictions = replace(predictions, _object_chunks=partial(_shard_chunks, object_shards))
    if "confidence" in table.column_names:
        column = table.column("confidence")
        try:
            values = column.to_numpy()  # null becomes NaN
        except (pa.ArrowException, ValueError) as error:
            raise InvalidInput(f"{index}: confidence is no numbers ({_line(error)})") from None
        _check_extra(folder.name, "confidence", values.shape, values.dtype, len(predictions))
        _refuse_not_finite(predictions, "confidence", 0, values)
        predictions = _with_confidence(predictions, values)
    return predictions


def _shape_of_shards(shards: Sequence[Path]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    shape: tuple[int, ...] = (0, 0, 0)
    dtype: np.dtype[Any] = np.dtype(np.float32)
    for shard in shards:
        part = _open_shard(shard)
        if shape[0] and (part.shape[1:] != shape[1:] or part.dtype != dtype):
            raise InvalidInput(
                f"{shard}: maps of shape {part.shape[1:]} and type {part.dtype}, in other shards "
                f"{shape[1:]} and {dtype}; all shards are alike"
            )
        shape, dtype = (shape[0] + len(part), *part.shape[1:]), part.dtype
    return shape, dtype


def _shard_chunks(shards: Sequence[Path]) -> Iterator[NDArray[Any]]:
    for shard in shards:
        yield from _slices(_open_shard(shard))


def _open_shard(path: Path) -> NDArray[Any]:
    try:
        shard = np.load(path, mmap_mode="r", allow_pickle=False)
    except PermissionError as error:
        raise not_readable(path, error) from None
    except (ValueError, EOFError, OSError) as error:
        raise InvalidInput(
            f"{path}: not a readable .npy ({_line(error)}); write the folder again"
        ) from None
    if shard.ndim != 3:
        raise InvalidInput(f"{path}: shape {shard.shape}; maps are (N, h, w)")
    return shard


# -------------------------------------------------------------------------------------- checks


def _check_extra(
    file: str, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], rows: int
) -> None:
    """Refuse an optional array of a wrong type, shape or length."""
    if dtype.newbyteorder("=") not in MAP_DTYPES:
        raise InvalidInput(f"{file}: {name} of type {dtype}; save it as float16 or float32")
    if len(shape) != EXTRA_DIMENSIONS[name] or 0 in shape[1:]:
        form = "(N,), one number" if name == "confidence" else "(N, h', w'), one map"
        raise InvalidInput(f"{file}: {name} has shape {shape}; it is {form} per clip")
    if shape[0] != rows:
        raise InvalidInput(
            f"{file}: {shape[0]} rows of {name} for {rows} clip ids; "
            "every array has one row per clip"
        )


def _refuse_not_finite(
    predictions: Predictions, name: str, first_row: int, values: NDArray[Any]
) -> None:
    """Refuse NaN and infinities in rows of an optional array."""
    fine = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not fine.all():
        bad = int(np.flatnonzero(~fine)[0])
        raise InvalidInput(
            f"{predictions.name}: the {name} of {predictions.row_name(first_row + bad)} holds "
            f"{_culprit(values[bad])}; correct the model or leave that clip out"
        )


def _checked(
    name: str,
    sha256: str,
    ids: dict[str, tuple[str, ...]],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    notes: list[str],
    chunks: Chunks,
) -> Predictions:
    if dtype.newbyteorder("=") not in MAP_DTYPES:
        raise InvalidInput(f"{name}: maps of type {dtype}; save them as float16 or float32")
    if len(shape) != 3 or 0 in shape[1:]:
        raise InvalidInput(
            f"{name}: map has shape {shape}; it is (N, h, w), one map without channels per clip"
        )
    if dtype == np.float64:
        notes = [*notes, f"{name}: maps of type float64 were read as float32"]
    clip_id = ids["clip_id"]
    for array, values in (*ids.items(), ("map", range(shape[0]))):
        if len(values) != len(clip_id):
            raise InvalidInput(
                f"{name}: {len(values)} rows of {array} for {len(clip_id)} clip ids; "
                "every array has one row per clip"
            )
    image_id = ids.get("image_id", clip_id)
    audio_id = ids.get("audio_id", clip_id)
    _refuse_repeats(name, clip_id, image_id, audio_id)
    return Predictions(
        name=name,
        sha256=sha256,
        clip_id=clip_id,
        image_id=image_id,
        audio_id=audio_id,
        shape=(shape[0], shape[1], shape[2]),
        dtype=str(dtype),
        notes=tuple(notes),
        _chunks=chunks,
    )


def _refuse_repeats(
    name: str, clip_id: Sequence[str], image_id: Sequence[str], audio_id: Sequence[str]
) -> None:
    seen: set[tuple[str, str, str]] = set()
    for key in zip(clip_id, image_id, audio_id, strict=True):
        if key in seen:
            raise InvalidInput(
                f"{name}: {key[0]} stands there twice; keep one map per clip (and sound)"
            )
        seen.add(key)


def _ids_of_arrays(arrays: dict[str, Sequence[str] | None]) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(str(value) for value in values)
        for name, values in arrays.items()
        if values is not None
    }


def _as_ids(file: str, name: str, array: NDArray[Any]) -> tuple[str, ...]:
    if array.ndim != 1 or array.dtype.kind not in "US":
        raise InvalidInput(
            f"{file}: {name} has shape {array.shape} and type {array.dtype}; it is (N,) strings"
        )
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8")
    return tuple(array.tolist())


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
