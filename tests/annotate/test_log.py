"""The event log on disk: appended, merged, torn and mended, and never shortened by us."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vggss_tools.annotate.events import Event, EventBox, new_event
from vggss_tools.annotate.log import append_events, read_events
from vggss_tools.boxes import Box
from vggss_tools.errors import InvalidInput

WRITER = """
import sys
from vggss_tools.annotate.events import new_event
from vggss_tools.annotate.log import append_events
for number in range(40):
    clip = f"writer{sys.argv[2]}_{number:06d}"
    event = new_event(clip, "elk bugling", "yes", stage="verify", reviewer="r", tool="t" * 400)
    append_events(sys.argv[1], [event])
"""


def answer(number: int) -> Event:
    """Make one reviewer's answer."""
    return new_event(
        f"zpWuikVorYg_{number:06d}",
        "elk bugling",
        "yes",
        [EventBox(Box(0.1, 0.2, 0.5, 0.9))],
        stage="verify",
        reviewer="ada",
        tool="by hand",
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return where a log would lie; none is there yet."""
    return tmp_path / "annotations.jsonl"


def test_what_is_appended_is_read_in_its_order(log: Path) -> None:
    """Events come back as they were, after those that were there."""
    events = [answer(number) for number in range(5)]
    append_events(log, events[:2])
    append_events(log, [])
    append_events(log, events[2:])
    assert read_events(log) == events
    assert len(log.read_text().splitlines()) == 5


def test_a_log_that_is_not_there_is_empty(log: Path) -> None:
    """Before the first decision there is no file, and that is no error."""
    assert read_events(log) == []
    append_events(log, [])
    assert not log.exists()


def test_logs_merge_by_concatenation(tmp_path: Path) -> None:
    """Two people's logs, one after the other, are one log; blank lines and a missing end too."""
    one, two, merged = (tmp_path / name for name in ("one", "two", "merged"))
    append_events(one, [answer(1)])
    append_events(two, [answer(2)])
    merged.write_bytes(one.read_bytes() + b"\n\n" + two.read_bytes().rstrip(b"\n"))
    assert read_events(merged) == read_events(one) + read_events(two)
    append_events(merged, [answer(3)])
    assert len(read_events(merged)) == 3


@settings(max_examples=40)
@given(st.data())
def test_a_write_cut_off_anywhere_costs_only_itself(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Wherever a crash cuts the last line, reading and the next append keep all before it."""
    log = tmp_path_factory.mktemp("torn") / "annotations.jsonl"
    whole, cut_off, later = answer(1), answer(2), answer(3)
    append_events(log, [whole])
    before = log.read_bytes()
    line = cut_off.as_line().encode()
    left = data.draw(st.integers(0, len(line)))
    log.write_bytes(before + line[:left])

    notes: list[str] = []
    kept = [whole, cut_off] if left >= len(line) - 1 else [whole]
    assert read_events(log, report=notes.append) == kept
    assert log.read_bytes() == before + line[:left], "reading changes nothing"
    append_events(log, [later], report=notes.append)
    assert read_events(log) == [*kept, later]
    assert log.read_bytes().startswith(before)

    is_torn = 0 < left < len(line) - 1
    assert len(notes) == (2 if is_torn else 0)
    aside = log.with_name("annotations.jsonl.torn")
    assert aside.exists() == is_torn
    if is_torn:
        assert aside.read_bytes() == line[:left] + b"\n"


def test_a_torn_line_longer_than_a_block_is_found_whole(log: Path) -> None:
    """The start of the torn line is looked for as far back as it lies."""
    append_events(log, [answer(1)])
    torn = b'{"schema": "' + b"x" * 200_000
    with log.open("ab") as handle:
        handle.write(torn)
    append_events(log, [answer(2)], report=lambda _: None)
    assert len(read_events(log)) == 2
    assert log.with_name("annotations.jsonl.torn").read_bytes() == torn + b"\n"


def test_a_bad_line_within_the_log_is_refused_by_number(log: Path) -> None:
    """A line that is not an event is nobody's torn write: it is named, and nothing changes."""
    append_events(log, [answer(1), answer(2)])
    lines = log.read_text().splitlines()
    wrong = json.dumps({**json.loads(lines[0]), "decision": "perhaps"})
    for bad, cause in (("{", "not JSON"), (wrong, "decision 'perhaps'"), ("[" * 9999, "not JSON")):
        log.write_text("\n".join([lines[0], bad, lines[1]]) + "\n")
        before = log.read_bytes()
        with pytest.raises(InvalidInput, match=rf"annotations\.jsonl: line 2: {cause}"):
            read_events(log)
        assert log.read_bytes() == before


def test_several_writers_at_once_lose_nothing(log: Path) -> None:
    """Three processes that append at the same time leave whole lines, all of them."""
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(log), str(number)])
        for number in range(3)
    ]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    clips = [event.clip_id for event in read_events(log, report=pytest.fail)]
    assert sorted(clips) == [f"writer{w}_{n:06d}" for w in range(3) for n in range(40)]


def test_a_full_disk_leaves_the_log_as_it_was(log: Path) -> None:
    """If not all can be written, nothing of it stays, and the error is the system's own."""
    append_events(log, [answer(1)])
    before = log.read_bytes()
    program = (
        "import resource, signal, sys\n"
        "from vggss_tools.annotate.log import append_events, read_events\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "events = read_events(sys.argv[1]) * 50\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 1000},) * 2)\n"
        "try:\n"
        "    append_events(sys.argv[1], events)\n"
        "except OSError as error:\n"
        "    sys.exit(error.errno)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(log)], check=False)
    assert ended.returncode == errno.EFBIG
    assert log.read_bytes() == before


def test_a_log_that_cannot_be_written_is_the_systems_error(log: Path) -> None:
    """A folder in the log's place is reported with its path."""
    log.mkdir()
    with pytest.raises(IsADirectoryError, match=r"annotations\.jsonl"):
        append_events(log, [answer(1)])
