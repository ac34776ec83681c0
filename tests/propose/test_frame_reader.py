"""Reading frames ahead."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.propose.frame_reader import FrameReader, read_frame


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Seven frames, each of its own grey, of which the fourth is broken."""
    found = []
    for i in range(7):
        path = tmp_path / f"{i}.png"
        cv2.imwrite(str(path), np.full((4, 5, 3), 20 * i, np.uint8))
        found.append(path)
    found[3].write_bytes(b"no picture")
    return found


def greys(reader: FrameReader, paths: list[Path]) -> list[int | None]:
    """Return the grey of each frame, None for one that failed."""
    frames = reader.read(paths)
    return [None if isinstance(f, ClipFailure) else int(f[0, 0, 0]) for f in frames]


@pytest.mark.parametrize("ahead", [0, 1, 2, 100])
def test_frames_come_as_asked_whatever_was_planned(paths: list[Path], ahead: int) -> None:
    """In the planned order, in another, with gaps, and twice."""
    wanted = [0, 20, 40, None, 80, 100, 120]
    reader = FrameReader(paths, ahead)
    assert greys(reader, paths[:2]) + greys(reader, paths[2:5]) == wanted[:5]
    assert greys(reader, [paths[6], paths[0]]) == [120, 0]
    assert greys(reader, paths) == wanted
    assert greys(FrameReader(), paths) == wanted
    reader.close()


def test_only_so_many_are_decoded_ahead(paths: list[Path]) -> None:
    """What comes after the last one asked for, and no more, stays in memory."""
    reader = FrameReader(paths, ahead=2)
    reader.read(paths[:2])
    assert list(reader._coming) == paths[2:4]
    reader.read(paths[4:6])
    assert list(reader._coming) == paths[6:]
    reader.close()


def test_a_grey_picture_has_three_channels(tmp_path: Path) -> None:
    """As every other."""
    cv2.imwrite(str(tmp_path / "grey.jpg"), np.full((9, 9), 77, np.uint8))
    frame = read_frame(tmp_path / "grey.jpg")
    assert not isinstance(frame, ClipFailure)
    assert frame.shape == (9, 9, 3)


def test_what_is_no_frame_says_why(tmp_path: Path) -> None:
    """Missing, empty, and a folder."""
    for name, kind in (("none.jpg", FailureKind.NOT_FOUND), ("empty.jpg", FailureKind.CORRUPT)):
        (tmp_path / "empty.jpg").touch()
        failure = read_frame(tmp_path / name)
        assert isinstance(failure, ClipFailure)
        assert failure.kind is kind
        assert name in failure.message
    (tmp_path / "folder.jpg").mkdir()
    failure = read_frame(tmp_path / "folder.jpg")
    assert isinstance(failure, ClipFailure)
    assert "folder.jpg" in failure.message
