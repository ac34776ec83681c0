"""Predictions files: what is written is read, and what would spoil a score is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.evaluate import predictions as module
from vggss_tools.evaluate.predictions import (
    Predictions,
    predictions_from_arrays,
    read_predictions,
    write_prediction_shards,
    write_predictions,
)

IDS = ["a_000001", "b_000002", "c_000003"]
MAPS = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)


def read_maps(predictions: Predictions) -> np.ndarray:
    return np.stack(list(predictions.maps()))


HALVES = st.floats(-100, 100, width=16)
SHAPES = array_shapes(min_dims=3, max_dims=3, max_side=5)


@given(arrays(np.float16, SHAPES, elements=HALVES) | arrays(np.float32, SHAPES, elements=HALVES))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, maps: Any) -> None:
    """Ids, values and type survive the file, bit by bit."""
    path = tmp_path_factory.getbasetemp() / "round-trip.npz"
    ids = [f"clip-{i}_é_{i:06d}" for i in range(len(maps))]
    write_predictions(path, ids, maps)
    predictions = read_predictions(path)
    assert predictions.clip_id == predictions.image_id == predictions.audio_id == tuple(ids)
    assert predictions.shape == maps.shape
    assert predictions.dtype == str(maps.dtype)
    np.testing.assert_array_equal(read_maps(predictions), maps.astype(np.float32))


def test_large_files_are_read_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pieces join without a seam, also when compressed or stored column by column."""
    monkeypatch.setattr(module, "CHUNK_BYTES", 170)  # two maps of 5 x 4 float32
    maps = np.random.default_rng(1).random((7, 5, 4), dtype=np.float32)
    ids = [str(i) for i in range(7)]
    np.savez(tmp_path / "plain.npz", clip_id=ids, map=maps)
    np.savez_compressed(tmp_path / "small.npz", clip_id=ids, map=maps)
    np.savez(tmp_path / "fortran.npz", clip_id=ids, map=np.asfortranarray(maps))
    np.savez(tmp_path / "big-endian.npz", clip_id=ids, map=maps.astype(">f4"))
    for path in tmp_path.iterdir():
        np.testing.assert_array_equal(read_maps(read_predictions(path)), maps)


def test_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    """A predictions file does not hold the time at which it was written."""
    for name in ("one.npz", "two.npz"):
        write_predictions(tmp_path / name, IDS, MAPS)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_pictures_and_sounds_of_other_clips(tmp_path: Path) -> None:
    """A clip may stand there with several sounds, and only its own is its own."""
    path = tmp_path / "swap.npz"
    write_predictions(
        path, ["a", "a", "b"], MAPS, image_id=["a", "a", "b"], audio_id=["a", "b", "c"]
    )
    predictions = read_predictions(path)
    assert [predictions.own_sound(row) for row in range(3)] == [True, False, False]
    assert predictions.row_name(1) == "a with the sound of b"


def test_optional_arrays_are_kept_and_strange_ones_noted(tmp_path: Path) -> None:
    """`object_map` and `confidence` belong to the format; anything else is ignored with a note."""
    path = tmp_path / "all.npz"
    write_predictions(path, IDS, MAPS, object_map=MAPS, confidence=[0.1, 0.2, 0.3])
    assert read_predictions(path).notes == ()
    np.savez(path, clip_id=IDS, map=MAPS.astype(float), speed=np.array([object()], dtype=object))
    notes = read_predictions(path).notes
    assert len(notes) == 2
    assert "'speed'" in notes[0]
    assert "float64" in notes[1]


def test_the_folder_form(tmp_path: Path) -> None:
    """An index and shards hold what one file would."""
    folder = tmp_path / "maps"
    write_prediction_shards(folder, [(IDS[:2], MAPS[:2]), (IDS[2:], MAPS[2:])])
    predictions = read_predictions(folder)
    assert predictions.clip_id == tuple(IDS)
    assert predictions.shape == MAPS.shape
    np.testing.assert_array_equal(read_maps(predictions), MAPS)
    before = predictions.sha256
    np.save(folder / "map-00001.npy", MAPS[:1])
    assert read_predictions(folder).sha256 != before


def break_folder(folder: Path, how: str) -> None:
    """Spoil a good folder."""
    if how == "no index":
        (folder / "index.parquet").unlink()
    elif how == "not Parquet":
        (folder / "index.parquet").write_text("clip_id")
    elif how == "no clip_id":
        pq.write_table(pa.table({"clip": IDS}), folder / "index.parquet")
    elif how == "rows":
        (folder / "map-00001.npy").unlink()
    elif how == "shapes":
        np.save(folder / "map-00001.npy", MAPS[2:, :3])
    elif how == "not npy":
        (folder / "map-00001.npy").write_text("maps")
    elif how == "dimensions":
        np.save(folder / "map-00001.npy", MAPS[2])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("no index", "no index.parquet"),
        ("not Parquet", "not a readable Parquet"),
        ("no clip_id", "no column clip_id"),
        ("rows", "2 rows of map for 3 clip ids"),
        ("shapes", "all shards are alike"),
        ("not npy", "not a readable .npy"),
        ("dimensions", r"maps are \(N, h, w\)"),
    ],
)
def test_spoilt_folders_are_refused(tmp_path: Path, how: str, message: str) -> None:
    """Each way to spoil a folder gives one line that names it."""
    folder = tmp_path / "maps"
    write_prediction_shards(folder, [(IDS[:2], MAPS[:2]), (IDS[2:], MAPS[2:])])
    break_folder(folder, how)
    with pytest.raises(InvalidInput, match=message) as caught:
        read_predictions(folder)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"clip_id": IDS}, "no array 'map', it holds clip_id"),
        ({"map": MAPS}, "no array 'clip_id', it holds map"),
        ({"clip_id": IDS[:2], "map": MAPS}, "3 rows of map for 2 clip ids"),
        ({"clip_id": IDS, "map": MAPS, "audio_id": IDS[:1]}, "1 rows of audio_id"),
        ({"clip_id": [IDS], "map": MAPS}, "clip_id has shape"),
        ({"clip_id": [1, 2, 3], "map": MAPS}, "strings"),
        ({"clip_id": IDS, "map": MAPS[0]}, "without channels"),
        ({"clip_id": IDS, "map": MAPS[:, None]}, "without channels"),
        ({"clip_id": IDS, "map": MAPS[:, :0]}, "map has shape"),
        ({"clip_id": IDS, "map": MAPS.astype(np.uint8)}, "type uint8; save them as float16"),
        ({"clip_id": ["a", "b", "a"], "map": MAPS}, "a stands there twice"),
        ({"clip_id": np.array(IDS, dtype=object), "map": MAPS}, "save plain arrays"),
        ({"clip_id": IDS, "map": MAPS.astype(object)}, "pickled objects"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    """Arrays that are missing, misshapen, repeated or pickled each give one line, exit 6."""
    path = tmp_path / "wrong.npz"
    np.savez(path, **arrays)
    with pytest.raises(InvalidInput, match=message) as caught:
        read_predictions(path)
    assert "wrong.npz" in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (np.nan, np.float32, "b_000002 holds NaN"),
        (np.nan, np.float16, "b_000002 holds NaN"),
        (np.inf, np.float32, "b_000002 holds an infinity"),
        (-np.inf, np.float16, "b_000002 holds an infinity"),
        (1e300, np.float64, "b_000002 holds values too large"),
        (3.4e38, np.float32, "b_000002 holds values too large"),
    ],
)
def test_maps_without_an_order_are_refused_by_name(
    tmp_path: Path, value: float, dtype: type, message: str
) -> None:
    """One NaN, infinity or overflow in one map is refused with the clip's name."""
    maps: np.ndarray = MAPS.astype(dtype)
    maps[1, 2, 2], maps[1, 0, 0] = value, -np.float32(3e38) if dtype == np.float32 else 0
    path = tmp_path / "maps.npz"
    np.savez(path, clip_id=IDS, map=maps)
    with pytest.raises(InvalidInput, match=message):
        list(read_predictions(path).maps())
    with pytest.raises(InvalidInput):
        write_predictions(tmp_path / "never.npz", IDS, maps)
    assert not (tmp_path / "never.npz").exists()


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    """Nothing there, text, an empty file, a single array, a truncated file: one line each."""
    with pytest.raises(VggssError, match="no such predictions file"):
        read_predictions(tmp_path / "nothing.npz")
    path = tmp_path / "some.npz"
    for content in (b"", b"not a zip file"):
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match=r"not a readable \.npz"):
            read_predictions(path)
    with path.open("wb") as handle:
        np.save(handle, MAPS)
    with pytest.raises(InvalidInput, match=r"not a readable \.npz"):
        read_predictions(path)
    write_predictions(path, IDS, MAPS)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InvalidInput, match=r"not a readable \.npz"):
        read_predictions(path)


def test_damage_inside_a_file_is_found(tmp_path: Path) -> None:
    """A flipped byte among the maps does not pass as a map."""
    path = tmp_path / "maps.npz"
    maps = np.random.default_rng(0).random((3, 99, 99), dtype=np.float32)
    write_predictions(path, IDS, maps)
    content = bytearray(path.read_bytes())
    content[content.index(maps[2].tobytes()) + 9] ^= 1
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="damaged"):
        list(read_predictions(path).maps())


NAN_MAPS = np.where(np.arange(3)[:, None, None] == 1, np.nan, MAPS)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("confidence", [1.0, 0.5], "2 rows of confidence for 3 clip ids"),
        ("confidence", [1.0, np.nan, 0.5], "the confidence of b_000002 holds NaN"),
        ("confidence", [1.0, -np.inf, 0.5], "the confidence of b_000002 holds an infinity"),
        ("confidence", ["high", "low", "low"], "confidence of type <U4"),
        ("confidence", [1, 2, 3], "confidence of type int64"),
        ("confidence", np.array([1.0, None, 0.5], dtype=object), "confidence of type object"),
        ("confidence", [[1.0]] * 3, r"confidence has shape \(3, 1\)"),
        ("object_map", MAPS[:2], "2 rows of object_map for 3 clip ids"),
        ("object_map", NAN_MAPS, "the object_map of b_000002 holds NaN"),
        ("object_map", np.asfortranarray(NAN_MAPS), "the object_map of b_000002 holds NaN"),
        ("object_map", MAPS.astype(np.uint8), "object_map of type uint8"),
        ("object_map", MAPS[0], "object_map has shape"),
        ("object_map", MAPS[:, :0], "object_map has shape"),
    ],
)
def test_optional_arrays_are_held_to_the_rules_of_maps(
    tmp_path: Path, name: str, values: Any, message: str
) -> None:
    """Wrong length, shape, type, NaN and infinities are refused, when read and when written."""
    path = tmp_path / "maps.npz"
    np.savez(path, **{"clip_id": IDS, "map": MAPS, name: values})
    for attempt in (read_predictions, lambda p: write_predictions(p, IDS, MAPS, **{name: values})):
        with pytest.raises(InvalidInput, match=message) as caught:
            attempt(path)
        assert "maps.npz" in caught.value.message
        assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.5, None, 1.0], "confidence of b_000002 holds NaN"),
        (["high", "low", "low"], "confidence of type object"),
    ],
)
def test_the_confidence_of_a_folder_is_checked(
    tmp_path: Path, values: list[Any], message: str
) -> None:
    """The column of the index is held to the same rules as the array."""
    folder = tmp_path / "maps"
    write_prediction_shards(folder, [(IDS, MAPS)])
    pq.write_table(pa.table({"clip_id": IDS, "confidence": values}), folder / "index.parquet")
    with pytest.raises(InvalidInput, match=message):
        read_predictions(folder)


def test_arrays_in_memory_have_the_checksum_of_their_file(tmp_path: Path) -> None:
    """Maps that never were in a file can be compared with one, and other maps differ."""
    write_predictions(tmp_path / "maps.npz", IDS, MAPS, audio_id=IDS[::-1])
    stored = read_predictions(tmp_path / "maps.npz").sha256
    assert predictions_from_arrays(IDS, MAPS, audio_id=IDS[::-1]).sha256 == stored
    assert predictions_from_arrays(IDS, MAPS).sha256 != stored
    assert predictions_from_arrays(IDS, -MAPS, audio_id=IDS[::-1]).sha256 != stored


def test_a_file_without_rights_is_not_called_damaged(tmp_path: Path) -> None:
    """Predictions that may not be read are exit code 1, in both forms."""
    write_prediction_shards(tmp_path / "maps", [(IDS, MAPS)])
    write_predictions(tmp_path / "maps.npz", IDS, MAPS)
    for spoilt in ("maps.npz", "maps/map-00000.npy", "maps/index.parquet"):
        path = tmp_path / spoilt
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read everything")
        with pytest.raises(VggssError, match=r"cannot be read.*check its rights") as caught:
            read_predictions(tmp_path / spoilt.partition("/")[0])
        assert caught.value.exit_code == 1


def test_arrays_in_memory_are_checked_as_a_file_is() -> None:
    """Predictions need not pass through a file, and are held to the same rules."""
    np.testing.assert_array_equal(read_maps(predictions_from_arrays(IDS, MAPS)), MAPS)
    with pytest.raises(InvalidInput, match="2 clip ids"):
        predictions_from_arrays(IDS[:2], MAPS)
    with pytest.raises(InvalidInput, match="rows of confidence"):
        write_predictions("never.npz", IDS, MAPS, confidence=[0.5])
