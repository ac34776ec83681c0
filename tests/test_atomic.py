from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from vggss_tools.atomic import (
    atomic_path,
    check_writable,
    write_json_atomic,
    write_text_atomic,
)
from vggss_tools.errors import VggssError


def test_a_file_appears_whole_with_its_folder(tmp_path: Path) -> None:
    """Parents are made, the content is there, and no temporary file is left."""
    write_text_atomic(tmp_path / "a" / "b.txt", "hello\n")
    assert (tmp_path / "a" / "b.txt").read_text() == "hello\n"
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.txt"]


def test_an_error_keeps_what_was_there(tmp_path: Path) -> None:
    """When the writer fails, the old file stays and nothing is left beside it."""
    target = tmp_path / "b.txt"
    target.write_text("old")

    def fail_half_way() -> None:
        with atomic_path(target) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_temporary_name_keeps_the_suffix(tmp_path: Path) -> None:
    """Writers that go by the suffix see the right one."""
    with atomic_path(tmp_path / "x.mp4") as part:
        assert part.suffix == ".mp4"
        part.touch()


def test_json_refuses_what_is_not_json(tmp_path: Path) -> None:
    """NaN never reaches a result file."""
    with pytest.raises(ValueError, match=r"not JSON compliant|Out of range"):
        write_json_atomic(tmp_path / "x.json", {"score": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "PART"),
        OSError("Error writing bytes to file. Detail: [errno 28] No space left on device"),
    ],
    ids=["without a name", "with the temporary name", "as pyarrow puts it"],
)
def test_a_write_error_names_the_final_file(tmp_path: Path, error: OSError) -> None:
    """A full disk is said of the file that was asked for, with its errno."""
    final = tmp_path / "x.parquet"

    def write() -> None:
        with atomic_path(final) as part:
            part.touch()
            if error.filename:
                error.filename = str(part)
            raise error

    with pytest.raises(OSError, match="No space left") as caught:
        write()
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(final))
    assert list(tmp_path.iterdir()) == []


def test_a_real_full_disk_under_pyarrow_is_understood(tmp_path: Path) -> None:
    """What pyarrow says of a full device gets the final name, though it removes the file."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    import pyarrow as pa
    import pyarrow.parquet as pq

    final = tmp_path / "x.parquet"

    def write() -> None:
        with atomic_path(final) as part:
            # A link, because pyarrow removes what it could not finish.
            part.symlink_to("/dev/full")
            pq.write_table(pa.table({"a": list(range(100_000))}), part)

    with pytest.raises(OSError, match="No space left") as caught:
        write()
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(final))
    assert list(tmp_path.iterdir()) == []


def test_errors_about_other_files_stay_as_they_are(tmp_path: Path) -> None:
    """A file that is read while another is written keeps its own name."""

    def write() -> None:
        with atomic_path(tmp_path / "x.txt") as part:
            part.write_text((tmp_path / "source.txt").read_text())

    with pytest.raises(FileNotFoundError) as caught:
        write()
    assert caught.value.filename == str(tmp_path / "source.txt")


def test_a_rename_onto_a_folder_keeps_its_kind(tmp_path: Path) -> None:
    """The type of the error is that of the system's, with the final name."""
    (tmp_path / "x").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        write_text_atomic(tmp_path / "x", "text")
    assert caught.value.filename == str(tmp_path / "x")


def test_a_writable_path_is_left_as_it_was(tmp_path: Path) -> None:
    """Neither a file nor the missing folders are made by asking, and nothing is changed."""
    check_writable(tmp_path / "a" / "b" / "x.json")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "y.json").write_text("old")
    check_writable(tmp_path / "y.json")
    assert (tmp_path / "y.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["y.json"]


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("folder", "a folder"),
        ("file/x.json", "Not a directory"),
        ("/dev/null", "not a regular file"),
        ("/proc/x/x.json", "cannot be written"),
        (f"{'x' * 250}.json", "too long"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path, name: str, cause: str) -> None:
    """The path, the cause and the remedy stand in one line."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(VggssError, match=cause) as caught:
        check_writable(tmp_path / name)
    assert str(tmp_path / name) in caught.value.message
    assert "; " in caught.value.message
