from __future__ import annotations

from pathlib import Path

import pytest

from vggss_tools.atomic import atomic_path, write_json_atomic, write_text_atomic


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
