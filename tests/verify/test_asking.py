"""Which clips a reviewer is asked about."""

from __future__ import annotations

from pathlib import Path

import pytest
from clip_folder import LABELS, make_clip_folder

from vggss_tools.annotate.events import Event, new_event
from vggss_tools.annotate.items import WorkspaceItems
from vggss_tools.annotate.log import append_events
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.verify.asking import choose, read_doubtful


def said(clip_id: str, index: int, decision: str, reviewer: str) -> Event:
    return new_event(
        clip_id, LABELS[index % 3], decision, stage="verify", reviewer=reviewer, tool="test"
    )


def test_each_choice_finds_its_clips(tmp_path: Path) -> None:
    """To verify, not sure, disagreements, doubtful and a class, among five clips."""
    workspace = make_clip_folder(tmp_path, train=0, test=5)
    ids = [clip.clip_id for clip in workspace.clips("test")]
    append_events(
        workspace.annotations_log,
        [
            said(ids[0], 0, "yes", "ann"),
            said(ids[1], 1, "not_sure", "ann"),
            said(ids[2], 2, "yes", "ann"),
            said(ids[2], 2, "no", "bob"),
            said(ids[3], 3, "yes", "sample-world"),
        ],
    )
    items = WorkspaceItems(workspace, "test")

    def chosen(only: str | None) -> list[str]:
        return choose(only, items, items.states, {ids[1]: "voice-over", "gone_000000": ""})

    assert chosen(None) == ids
    assert chosen("to-verify") == [ids[3], ids[4]]
    assert chosen("not-sure") == [ids[1]]
    assert chosen("disagreements") == [ids[2]]
    assert chosen("doubtful") == [ids[1]]
    assert chosen(f"class:{LABELS[0]}") == [ids[0], ids[3]]
    with pytest.raises(VggssError, match="no clip of it"):
        chosen("class:Helicopter")


def test_nothing_to_do_is_said(tmp_path: Path) -> None:
    """An empty choice ends with one line, not with an empty App."""
    items = WorkspaceItems(make_clip_folder(tmp_path, train=0, test=1), "test")
    with pytest.raises(VggssError, match="--only not-sure: no clip"):
        choose("not-sure", items, items.states, {})


def test_a_list_of_doubtful_clips_has_reasons_and_comments(tmp_path: Path) -> None:
    """An id a line, perhaps a tab and a reason."""
    path = tmp_path / "doubtful.txt"
    path.write_text("# from the audit\nabc_000010\tstatic image\n\ndef_000020\n")
    assert read_doubtful(path) == {"abc_000010": "static image", "def_000020": ""}
    path.write_text("abc_000010\nno clip\n")
    with pytest.raises(InvalidInput, match="line 2"):
        read_doubtful(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="UTF-8"):
        read_doubtful(path)
    with pytest.raises(VggssError, match="no list of doubtful clips"):
        read_doubtful(tmp_path / "none.txt")
