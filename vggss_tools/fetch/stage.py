"""Stage ``fetch``: one clip from a source into ``clips/<clip_id>.mp4``, looked at before it counts.

The name is the same whatever came: VP9, AV1 and other streams that MP4 can hold are put into an
MP4 by copying them; what it cannot hold (VP8, Theora, FLV's codecs) keeps its own container under
that name, which every reader here recognises by its content.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from vggss_tools.clips import CLIP_SECONDS, Clip
from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.fetch.media_check import check_media
from vggss_tools.fetch.session import MAX_PAUSE_S, Session
from vggss_tools.fetch.source import MARGIN_S, TIME_LIMIT_S, FetchRequest, Source
from vggss_tools.ledger import Ledger, settings_text
from vggss_tools.media.probe import decoder_versions
from vggss_tools.media.stream_copy import rewrap_as_mp4
from vggss_tools.stages import Parts, Stage
from vggss_tools.workspace import Workspace

_SETUP = threading.Lock()


@dataclass
class FetchStage(Stage):
    """Writes ``clips/<clip_id>.mp4``; a context manager, which ends its source at the end.

    A clip that is there is not fetched again from another source; one that failed for good is
    tried again once another source is given.

    Attributes
    ----------
    rate : float or None
        Clips an hour that are asked of the source's host; None: as quick as it answers.
    time_limit : float
        Seconds that one try of a clip may last.
    max_pause : float
        The longest pause, in seconds, for a host that asks for one; if it asks for more, the run
        ends with exit code 5.
    margin : float
        Seconds that are kept before and after where only a section is taken.
    """

    name: ClassVar[str] = "fetch"
    workers_are: ClassVar[Literal["processes", "threads"]] = "threads"  # one pace and one pause
    workspace: Workspace
    source: Source
    rate: float | None = None
    time_limit: float = TIME_LIMIT_S
    max_pause: float = MAX_PAUSE_S
    margin: float = MARGIN_S
    _session: Session | None = field(default=None, init=False, repr=False, compare=False)
    _had: dict[str, Any] | None = field(default=None, init=False, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None, "_had": {}}

    def __enter__(self) -> FetchStage:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def settings(self) -> dict[str, Any]:
        """Return what the files depend on: nothing that a user can choose."""
        return {"seconds": CLIP_SECONDS}

    def clip_settings(self, clip: Clip) -> dict[str, Any]:
        """Return where the clip comes from: where it came from, if it is there."""
        if self._had is None:
            self._had = _done_elsewhere(self.workspace, self.source.settings())
        return {"source": self._had.get(clip.clip_id) or self.source.settings()}

    def share(self, workers: int) -> None:
        """Give each of several processes its part of the rate."""
        if self.rate is not None:
            self.rate /= max(workers, 1)

    def versions(self) -> dict[str, str]:
        """Return the versions of the source's tools and of the decoder that looks at the file."""
        return {**decoder_versions(), **self.source.versions()}

    def outputs(self, clip: Clip) -> list[Path]:
        """Return the video."""
        return [self.workspace.clip_path(clip.clip_id)]

    def setup(self) -> None:
        """Get the source ready; threads share it, and one pace."""
        with _SETUP:
            if self._session is None:
                self.source.setup()
                self._session = Session(self.source.host, self.rate, max_pause=self.max_pause)

    def stop(self) -> None:
        """End every wait, and what is in flight."""
        self.close()

    def close(self) -> None:
        """End every wait, and what the source started."""
        if self._session is not None:
            self._session.stop()
            self._session = None
        self.source.close()

    def process(self, clip: Clip, parts: Parts) -> dict[str, Any]:
        """Fetch one clip, check it, and return its facts."""
        session = self._session
        if session is None:  # closed, or not set up
            raise ClipFailure(FailureKind.ERROR, "interrupted before it was asked for")
        (final,) = self.outputs(clip)
        part = parts[final]
        request = FetchRequest(
            clip.clip_id,
            clip.youtube_id,
            float(clip.start),
            margin=self.margin,
            time_limit=self.time_limit,
        )
        try:
            fetched, tries = session.run(lambda: self.source.fetch(request, part))
            container, shift = rewrap_as_mp4(part)
            offset = fetched.offset + shift
            media = check_media(part, start=offset, seconds=request.seconds)
        except ClipFailure as failure:
            failure.facts = {"source": self.source.name, **failure.facts}
            raise
        return {
            **fetched.facts,
            "source": self.source.name,
            "url": fetched.url,
            "offset": round(offset, 6),
            "bytes": fetched.bytes,
            "tries": tries,
            "container": container,
            **media.as_json(),
        }


def _done_elsewhere(workspace: Workspace, source: dict[str, Any]) -> dict[str, Any]:
    """Return where those clips came from that are there, but from another source."""
    if not workspace.ledger_path.is_file():
        return {}
    here = settings_text({"source": source})[1:-1]  # as it stands among other settings
    with Ledger(workspace.ledger_path, for_reading=True) as ledger:
        return {
            row.clip_id: json.loads(row.settings).get("source")
            for row in ledger.rows("fetch")
            if row.status == "done" and here not in row.settings
        }
