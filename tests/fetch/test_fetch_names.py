"""Recognising clips in people's file names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vggss_tools.clips import Clip
from vggss_tools.fetch.names import Holding, recognise

youtube_ids = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=11, max_size=11
)
folders = st.sampled_from(["", "train/", "a b/ü/", "x/30_40/"])
suffixes = st.sampled_from([".mp4", ".mkv", ".webm", ".MP4", ".avi", ".flv"])


def clip(clip_id: str) -> Clip:
    return Clip(clip_id, "dog barking", "test")


@given(youtube_ids, st.integers(0, 99_999), folders, suffixes)
def test_every_form_of_a_name_is_the_clip(video: str, start: int, folder: str, suffix: str) -> None:
    """Seconds with and without zeros, and both ends in milliseconds, say the same."""
    wanted = clip(f"{video}_{start:06d}")
    for stem in (
        f"{video}_{start:06d}",
        f"{video}_{start}",
        f"{video}_{start}.0",
        f"{video}_{start * 1000}_{start * 1000 + 10_000}",
    ):
        found = recognise([f"{folder}{stem}{suffix}"], [wanted])
        assert found.clips[wanted.clip_id].holding is Holding.CLIP, stem
        assert not found.ambiguous


@given(youtube_ids, youtube_ids, st.integers(0, 999), folders, suffixes)
def test_a_name_is_never_another_clip(
    asked: str, other: str, start: int, folder: str, suffix: str
) -> None:
    """A file of another video is not taken, however much the ids look alike."""
    if asked == other:
        return
    names = [f"{folder}{other}_{start:06d}{suffix}", f"{folder}{other}{suffix}"]
    found = recognise(names, [clip(f"{asked}_{start:06d}")])
    assert not found.clips
    assert found.not_asked_for == 2


def test_an_id_alone_is_its_video() -> None:
    """A file with the video's id serves each clip of it, and says whether there are several."""
    found = recognise(
        ["zpWuikVorYg.mkv", "-b_c_d_e_f_.mp4"],
        [clip("zpWuikVorYg_000032"), clip("zpWuikVorYg_000100"), clip("-b_c_d_e_f__000007")],
    )
    assert {c: (h.holding, h.only) for c, h in found.clips.items()} == {
        "zpWuikVorYg_000032": (Holding.VIDEO, False),
        "zpWuikVorYg_000100": (Holding.VIDEO, False),
        "-b_c_d_e_f__000007": (Holding.VIDEO, True),
    }


def test_a_clip_of_its_own_goes_before_the_whole_video() -> None:
    """Where both are there, the file with the clip's name is taken."""
    found = recognise(
        ["zpWuikVorYg.mp4", "clips/zpWuikVorYg_000032.mp4"], [clip("zpWuikVorYg_000032")]
    )
    assert found.clips["zpWuikVorYg_000032"].name == "clips/zpWuikVorYg_000032.mp4"


def test_two_files_for_one_clip_are_reported() -> None:
    """Nothing is chosen between two files that both have the clip's name."""
    found = recognise(
        ["a/zpWuikVorYg_000032.mp4", "b/zpWuikVorYg_32.mkv"], [clip("zpWuikVorYg_000032")]
    )
    assert not found.clips
    (reason,) = found.ambiguous.values()
    assert "2 files claim it (a/zpWuikVorYg_000032.mp4, b/zpWuikVorYg_32.mkv)" in reason


def test_a_name_with_two_meanings_is_reported() -> None:
    """Ids that hold another id's clip make a name ambiguous, and it is not guessed."""
    asked = [clip("ab_000030"), clip("ab_000030_000040")]
    found = recognise(["ab_30_40.mp4", "ab_000030.mp4"], asked)
    assert "ab_000030" in found.ambiguous
    assert "may be any of ab_000030, ab_000030_000040" in found.ambiguous["ab_000030"]


@pytest.mark.parametrize(
    "stem",
    [
        "zpWuikVorYg_30000_45000",  # longer than a clip
        "zpWuikVorYg_40000_30000",
        "zpWuikVorYg_30500_40500",  # not at a whole second
        "zpWuikVorYg_000031",
        "zpWuikVorYg_-30",
        "zpWuikVorYg_030_clip",
        "xzpWuikVorYg_000030",
        "zpWuikVorYg 30",
    ],
)
def test_what_is_not_the_clip_is_not_taken(stem: str) -> None:
    """Another section, another second and other words are no names of the clip."""
    found = recognise([f"{stem}.mp4"], [clip("zpWuikVorYg_000030")])
    assert not found.clips
    assert found.not_asked_for + len(found.unrecognised) == 1


def test_names_are_counted_by_what_they_are() -> None:
    """Unrecognised media are listed, other files and unfinished downloads counted."""
    found = recognise(
        ["holiday film.mp4", "zpWuikVorYg_000030.mp4.part", "readme.txt", ".hidden.mp4", "x"],
        [clip("zpWuikVorYg_000030")],
    )
    assert found.unrecognised == ("holiday film.mp4",)
    assert (found.other, len(found.clips)) == (4, 0)
    assert any("holiday film.mp4" in line for line in found.summary())


@given(st.lists(st.text(max_size=30), max_size=10))
def test_any_name_stays_one_line(names: list[str]) -> None:
    """Whatever a name holds, what is said of it is plain text on one line."""
    found = recognise([f"{name}.mp4" for name in names], [clip("zpWuikVorYg_000030")])
    for line in (*found.summary(), *found.unrecognised):
        assert line.isprintable()
        line.encode("utf-8")
