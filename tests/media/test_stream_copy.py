"""Files whose packets are copied: nothing that is extracted may change by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clip_maker import H264, ffmpeg, make_clip

from vggss_tools.media.audio import centre_audio
from vggss_tools.media.frames import frame_at
from vggss_tools.media.rewrap import rewrap_as_mp4
from vggss_tools.media.stream_copy import CannotCut, copy_section

B_FRAMES = (*H264, "-bf", "3", "-g", "60")
VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "60")
FORMS = {
    "mp4": (B_FRAMES, ("-c:a", "aac")),
    "mov": (B_FRAMES, ("-c:a", "aac")),
    "mkv": (B_FRAMES, ("-c:a", "aac")),
    "webm": (VP9, ("-c:a", "libopus")),
    "flv": (B_FRAMES, ("-c:a", "aac")),
    "avi": (("-c:v", "mpeg4", "-bf", "2", "-g", "60", "-q:v", "4"), ("-c:a", "mp3")),
    "ts": (B_FRAMES, ("-c:a", "aac")),
}


def late(folder: Path, suffix: str, seconds: float, lateness: float) -> Path:
    """Make a file whose picture begins after its sound, or before it."""
    codec, sound = FORMS[suffix]
    made = make_clip(folder / f"made.{suffix}", seconds=seconds, codec=codec, options=sound)
    if lateness == 0:
        return made
    path = folder / f"late.{suffix}"
    first, second = (("-i", made), ("-itsoffset", f"{abs(lateness)}", "-i", made))
    picture, other = ("1:v", "0:a") if lateness > 0 else ("0:v", "1:a")
    ffmpeg(*first, *second, "-map", picture, "-map", other, "-c", "copy", path)
    return path


@pytest.mark.parametrize("lateness", [0.0, 0.52, -0.37])
@pytest.mark.parametrize("suffix", FORMS)
def test_rewrapping_changes_nothing_that_is_extracted(
    tmp_path: Path, suffix: str, lateness: float
) -> None:
    """Picture and sound of the file in an MP4 are those of the file as it came."""
    source = late(tmp_path, suffix, 10, lateness)
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(source.read_bytes())
    _, shift = rewrap_as_mp4(copy)
    for time in (1.0, 4.96, 8.6):
        assert np.array_equal(frame_at(copy, time, offset=shift), frame_at(source, time))
    ours = centre_audio(copy, offset=shift)
    assert np.abs(ours - centre_audio(source)).max() < 0.002
    assert not list(tmp_path.glob("*.whole*"))


@pytest.mark.parametrize("lateness", [0.0, 0.52, -0.37])
@pytest.mark.parametrize("suffix", [name for name in FORMS if name != "avi"])
def test_a_section_is_that_part_of_the_file(tmp_path: Path, suffix: str, lateness: float) -> None:
    """Picture and sound of the section are those of the file at the same moment."""
    source = late(tmp_path, suffix, 24, lateness)
    part = tmp_path / "part.mp4"
    offset = copy_section([source], part, start=8, seconds=10, margin=1)
    for time in (0.0, 4.96, 9.0):
        ours, theirs = frame_at(part, time, offset=offset), frame_at(source, time, offset=8)
        assert np.array_equal(ours, theirs)
    # To the millisecond where the source's own times are no finer (Matroska, WebM, FLV).
    slack = 48 if suffix in ("mkv", "webm", "flv") else 0
    heard = centre_audio(part, rate=48_000, offset=offset)
    expected = centre_audio(source, rate=48_000, offset=8)
    width = len(heard) - 2 * slack
    errors = [
        np.abs(heard[slack : slack + width] - expected[k : k + width]).max()
        for k in range(2 * slack + 1)
    ]
    assert min(errors) < (0.1 if slack else 0.001)


def test_nothing_is_cut_from_avi(tmp_path: Path) -> None:
    """AVI does not say when a reordered picture is shown, so only the whole is exact."""
    source = late(tmp_path, "avi", 24, 0)
    with pytest.raises(CannotCut):
        copy_section([source], tmp_path / "part.mp4", start=8, seconds=10)
    assert not (tmp_path / "part.mp4").exists()
