"""Source ``dir``: clips that lie in a folder already."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from clip_maker import make_clip

from vggss_tools.clips import Clip
from vggss_tools.errors import ClipFailure, FailureKind, VggssError
from vggss_tools.fetch.directory import DirectorySource, bring
from vggss_tools.fetch.source import FetchRequest

FIRST = Clip("zpWuikVorYg_000032", "elk bugling", "test")
SECOND = Clip("zpWuikVorYg_000100", "elk bugling", "test")
OTHER = Clip("-b_c_d_e_f__000007", "dog barking", "test")


@pytest.fixture(scope="session")
def whole_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 45 s."""
    return make_clip(tmp_path_factory.mktemp("whole") / "whole.mp4", fps="5", seconds=45)


@pytest.fixture(scope="session")
def ten_seconds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 10 s."""
    return make_clip(tmp_path_factory.mktemp("ten") / "ten.mp4", fps="5")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "mine"
    made.mkdir()
    return made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target.mp4"


def fetch(folder: Path, clip: Clip, target: Path, *clips: Clip, link: str = "auto") -> object:
    source = DirectorySource(folder, clips or (clip,), link)  # type: ignore[arg-type]
    source.setup()
    return source.fetch(FetchRequest.of(clip), target)


def test_a_clip_is_linked(folder: Path, target: Path) -> None:
    """On one file system a clip is a second name of the user's file, which stays as it is."""
    path = folder / "sub" / "zpWuikVorYg_32000_42000.mkv"
    path.parent.mkdir()
    path.write_bytes(b"anything")
    before = path.stat()
    source = DirectorySource(folder, [FIRST])
    fetched = source.fetch(FetchRequest.of(FIRST), target)
    assert target.samefile(path)
    assert (fetched.offset, fetched.facts["mode"], fetched.url) == (0.0, "linked", str(path))
    after = path.stat()
    assert (after.st_mtime_ns, after.st_mode, after.st_size) == (
        before.st_mtime_ns,
        before.st_mode,
        before.st_size,
    )


@pytest.mark.parametrize(("link", "mode"), [("copy", "copied"), ("symlink", "symlinked")])
def test_other_ways_to_bring_a_file(folder: Path, target: Path, link: str, mode: str) -> None:
    """A copy is a file of its own; a symbolic link leads to the file itself, not to a link."""
    real = folder / "real.bin"
    real.write_bytes(b"anything")
    (folder / "zpWuikVorYg_000032.mp4").symlink_to(real)
    fetched = fetch(folder, FIRST, target, link=link)
    assert fetched.facts["mode"] == mode  # type: ignore[attr-defined]
    assert target.read_bytes() == b"anything"
    assert target.is_symlink() is (link == "symlink")
    assert target.resolve() == (real.resolve() if link == "symlink" else target.resolve())


def test_where_no_link_is_possible_a_copy_is_made(tmp_path: Path) -> None:
    """Two file systems cannot share a file, so its bytes are copied."""
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system to link from")
    path = tmp_path / "file"
    path.write_bytes(b"anything")
    copy = elsewhere / f"vggss-test-{os.getpid()}"
    try:
        assert bring(path, copy, "auto") == "copied"
        assert copy.read_bytes() == b"anything"
    finally:
        copy.unlink(missing_ok=True)


def test_a_whole_video_has_an_offset(folder: Path, target: Path, whole_video: Path) -> None:
    """A file with the video's id that reaches to the clip's end starts at the clip's start."""
    os.link(whole_video, folder / "zpWuikVorYg.mp4")
    assert fetch(folder, FIRST, target).offset == 32.0  # type: ignore[attr-defined]


def test_an_id_may_name_the_clip(folder: Path, target: Path, ten_seconds: Path) -> None:
    """A file with the video's id that lasts ten seconds is its one clip, cut already."""
    os.link(ten_seconds, folder / "zpWuikVorYg.mp4")
    assert fetch(folder, FIRST, target).offset == 0.0  # type: ignore[attr-defined]


def test_an_id_with_several_clips_is_not_guessed(
    folder: Path, target: Path, ten_seconds: Path
) -> None:
    """Ten seconds of a video of which two clips are asked for may be either of them."""
    os.link(ten_seconds, folder / "zpWuikVorYg.mp4")
    with pytest.raises(ClipFailure, match="several clips of the video are asked for") as caught:
        fetch(folder, FIRST, target, FIRST, SECOND)
    assert caught.value.kind is FailureKind.TOO_SHORT
    assert not target.exists()


def test_a_video_that_is_too_short_is_said_to_be(
    folder: Path, target: Path, whole_video: Path
) -> None:
    """45 s are neither ten nor do they reach a clip that ends at 110 s."""
    os.link(whole_video, folder / "zpWuikVorYg.mp4")
    with pytest.raises(ClipFailure, match=r"lasts 45\.\d s.* reaches 110 s") as caught:
        fetch(folder, SECOND, target)
    assert caught.value.kind is FailureKind.TOO_SHORT


def test_what_is_not_there_is_not_found(folder: Path, target: Path) -> None:
    """A clip without a file fails for good, one with two files until one is gone."""
    for name in ("a-b_c_d_e_f__000007.mp4", "-b_c_d_e_f__7.mkv", "-b_c_d_e_f__000007.mp4"):
        (folder / name).write_bytes(b"x")
    with pytest.raises(ClipFailure, match="no file with a name of zpWuikVorYg_000032") as caught:
        fetch(folder, FIRST, target)
    assert caught.value.kind is FailureKind.NOT_FOUND
    with pytest.raises(ClipFailure, match="2 files claim it") as caught:
        fetch(folder, OTHER, target)
    assert not caught.value.kind.permanent


def test_new_names_are_new_settings(folder: Path) -> None:
    """What failed for good is tried again once the folder holds other names."""
    before = DirectorySource(folder, [FIRST]).settings()
    assert DirectorySource(folder, [OTHER]).settings() == before
    (folder / "zpWuikVorYg_000032.mp4").write_bytes(b"x")
    assert DirectorySource(folder, [FIRST]).settings() != before


def test_links_in_a_circle_end(folder: Path, target: Path) -> None:
    """Folders that are linked into themselves are read once, and a link to nothing is no folder."""
    (folder / "again").symlink_to(folder)
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "zpWuikVorYg_000032.mp4").write_bytes(b"x")
    fetch(folder, FIRST, target)
    assert target.read_bytes() == b"x"


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """A folder that is not there, or is a file, is said before anything begins."""
    with pytest.raises(VggssError, match="no such folder"):
        DirectorySource(tmp_path / "none", [FIRST])
    (tmp_path / "file").touch()
    with pytest.raises(VggssError, match="not a folder"):
        DirectorySource(tmp_path / "file", [FIRST])


def test_it_travels_to_other_processes(folder: Path, target: Path) -> None:
    """A copy in another process finds the same clips."""
    (folder / "zpWuikVorYg_000032.mp4").write_bytes(b"x")
    source = pickle.loads(pickle.dumps(DirectorySource(folder, [FIRST])))
    source.setup()
    assert source.fetch(FetchRequest.of(FIRST), target).facts["mode"] == "linked"


def test_a_link_to_nothing_is_not_found(folder: Path, target: Path) -> None:
    """The message has its name."""
    (folder / "zpWuikVorYg_000032.mp4").symlink_to(folder / "moved.mp4")
    with pytest.raises(ClipFailure, match=r"zpWuikVorYg_000032\.mp4: a link") as caught:
        fetch(folder, FIRST, target)
    assert caught.value.kind is FailureKind.NOT_FOUND
