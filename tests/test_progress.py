"""Progress of a stage, as a line."""

from __future__ import annotations

import pytest

from vggss_tools import progress
from vggss_tools.progress import StageProgress


def test_a_line_has_rate_time_left_and_counts_by_outcome() -> None:
    """Half of the clips in a minute leave a minute."""
    with StageProgress("fetch", 200, 300) as shown:
        shown.add(["done"] * 80 + ["removed"] * 15 + ["timeout"] * 5)
        line = shown.line(60.0)
    assert line == (
        "fetch: 100 of 200 clips (50.0%), done 80, removed 15, timeout 5; "
        "1.67 clips/s, time left: 1 min 00 s"
    )


def test_lines_come_now_and_then_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A quick run prints nothing, a long one a line, on stderr."""
    with StageProgress("fetch", 2, 2) as shown:
        shown.add(["done"])
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
        shown.add(["done"])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("fetch: 2 of 2 clips (100.0%), done 2;")
