"""The size of a picture from its header alone."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.annotate.frame_sizes import NotAJpeg, jpeg_size


@given(width=st.integers(1, 300), height=st.integers(1, 300), progressive=st.booleans())
def test_the_size_is_that_of_the_decoded_picture(
    width: int, height: int, progressive: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Baseline and progressive files of any size."""
    path = tmp_path_factory.getbasetemp() / "sized.jpg"
    flags = [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    path.write_bytes(
        cv2.imencode(".jpg", np.zeros((height, width, 3), np.uint8), flags)[1].tobytes()
    )
    assert jpeg_size(path) == (width, height)


def test_damaged_files_are_said_to_be_none(tmp_path: Path) -> None:
    """Random damage gives a size or a cause, never another error."""
    jpeg = cv2.imencode(".jpg", np.zeros((30, 40, 3), np.uint8))[1].tobytes()
    path = tmp_path / "damaged.jpg"
    rng = random.Random(0)
    for _ in range(500):
        data = bytearray(jpeg[: rng.randrange(len(jpeg))])
        for _ in range(rng.randrange(4)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            width, height = jpeg_size(path)
        except NotAJpeg:
            continue
        assert width > 0
        assert height > 0
    path.write_bytes(b"\x89PNG\r\n")
    with pytest.raises(NotAJpeg, match="not a JPEG"):
        jpeg_size(path)
