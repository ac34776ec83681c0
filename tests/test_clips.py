from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.clips import Clip, parse_clip_id, read_clips, write_clips
from vggss_tools.errors import InvalidInput, VggssError

youtube_ids = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=1, max_size=11
)


@given(youtube_ids, st.integers(0, 999_999))
def test_a_clip_id_splits_from_the_right(video: str, start: int) -> None:
    """Underscores and leading hyphens in the video's id survive."""
    assert parse_clip_id(f"{video}_{start:06d}") == (video, start)


@pytest.mark.parametrize("text", ["", "abc", "abc_12", "abc_0000301", "../x_000030", "a b_000030"])
def test_what_is_not_a_clip_id_is_refused(text: str) -> None:
    """An id that could not be a file name, or has no start second, is an error."""
    with pytest.raises(ValueError, match="not a clip id"):
        parse_clip_id(text)


def test_a_clip_knows_its_video_and_start() -> None:
    """The two halves of the id are attributes."""
    clip = Clip("-a_b_000070", "dog barking", "test")
    assert (clip.youtube_id, clip.start) == ("-a_b", 70)


def test_a_clip_table_round_trips(tmp_path: Path) -> None:
    """What was written is read back in the same order."""
    clips = [Clip("b_000001", "dog barking", "test"), Clip("a_000002", "x, y", "train")]
    write_clips(tmp_path / "clips.parquet", clips)
    assert read_clips(tmp_path / "clips.parquet") == clips


def test_a_missing_clip_table_is_one_clear_line(tmp_path: Path) -> None:
    """The error names the file and the remedy."""
    with pytest.raises(VggssError, match="vggss sample"):
        read_clips(tmp_path / "clips.parquet")


@pytest.mark.parametrize(
    ("columns", "cause"),
    [
        ({"clip_id": ["a_000001"], "label": ["x"]}, "no column split"),
        ({"clip_id": ["a"], "label": ["x"], "split": ["test"]}, "not a clip id"),
        ({"clip_id": ["a_000001"] * 2, "label": ["x"] * 2, "split": ["test"] * 2}, "twice"),
    ],
)
def test_a_bad_clip_table_is_refused(
    tmp_path: Path, columns: dict[str, list[str]], cause: str
) -> None:
    """Missing columns, malformed and repeated ids each have their line."""
    pq.write_table(pa.table(columns), tmp_path / "clips.parquet")
    with pytest.raises(InvalidInput, match=cause):
        read_clips(tmp_path / "clips.parquet")


def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path) -> None:
    """Garbage under the right name is a validation error, not a traceback."""
    (tmp_path / "clips.parquet").write_text("hello")
    with pytest.raises(InvalidInput, match="not a readable Parquet"):
        read_clips(tmp_path / "clips.parquet")


def test_a_clip_table_without_rights_is_not_called_damaged(tmp_path: Path) -> None:
    """A file that may not be read is exit code 1 with the rights, not 'make it again'."""
    path = tmp_path / "clips.parquet"
    write_clips(path, [Clip("video_000000", "dog barking", "test")])
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(VggssError, match=r"Permission denied.*check its rights") as caught:
        read_clips(path)
    assert caught.value.exit_code == 1
