"""Stage ``fetch``: one clip from a source into ``clips/<clip_id>.mp4``, looked at before it counts.

The name is the same whatever came: VP9, AV1 and other streams that MP4 can hold are put into an
MP4 by copying them; what it cannot hold (VP8, Theora, FLV's codecs) keeps its own container under
that name, which every reader here recognises by its content.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from vggss_tools.clips import CLIP_SECONDS, Clip
from vggss_tools.errors import ClipFailure
from vggss_tools.fetch.clip_clock import ClipClock
from vggss_tools.fetch.history import FOUND, History
from vggss_tools.fetch.media_check import check_media
from vggss_tools.fetch.session import MAX_PAUSE_S, Session, not_asked
from vggss_tools.fetch.source import MARGIN_S, TIME_LIMIT_S, Fetched, FetchRequest, Source
from vggss_tools.ledger import Outcome
from vggss_tools.media.probe import decoder_versions
from vggss_tools.media.rewrap import rewrap_as_mp4
from vggss_tools.stages import Parts, Stage
from vggss_tools.workspace import Workspace

_SETUP = threading.Lock()


@dataclass
class FetchStage(Stage):
    """Writes ``clips/<clip_id>.mp4``; a context manager, which ends its source at the end.

    A clip that is there is not fetched again from another source; one that failed for good is
    tried again once another source is given. A file that somebody has put there is looked at and
    recorded, and never asked for nor replaced.

    Attributes
    ----------
    rate : float or None
        Clips an hour that are asked of the source's host; None: as quick as it answers.
    time_limit : float
        Seconds that a clip may take with all its tries; waiting for its turn does not count.
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
    _known: History | None = field(default=None, init=False, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None, "_known": None}

    def __enter__(self) -> FetchStage:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def settings(self) -> dict[str, Any]:
        """Return what the files depend on: nothing that a user can choose."""
        return {"seconds": CLIP_SECONDS}

    @property
    def history(self) -> History:
        """What was known of the clips when the run began."""
        if self._known is None:
            self._known = History(self.workspace, self.source.settings())
        return self._known

    def clip_settings(self, clip: Clip) -> dict[str, Any]:
        """Return where the clip comes from: where it came from, if it is there."""
        return {"source": self.history.source_of(clip.clip_id)}

    def is_there(self, clip: Clip) -> bool:
        """Whether a file that nobody has fetched lies in the clip's place, so that none is."""
        return bool(self.history.source_of(clip.clip_id).get("name") == FOUND)

    def gave_up(self, clip: Clip) -> bool:
        """Whether this source has said before that the clip is not to be had."""
        return self.history.has_refused(clip.clip_id)

    def recorded(self, outcome: Outcome) -> Outcome:
        """Keep what other sources have said for good, also where this one answers differently."""
        source = outcome.settings.get("source", self.source.settings())
        earlier = self.history.refusals(outcome.clip_id, other_than=source)
        if not earlier:
            return outcome
        return replace(outcome, facts={**outcome.facts, "earlier_sources": earlier})

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
        """Fetch one clip, check it, and return its facts; or look at the file that is there."""
        (final,) = self.outputs(clip)
        if final.is_file():
            return _found(final)
        session = self._session
        if session is None:  # closed, or not set up
            raise not_asked("interrupted before it was asked for")
        part = parts[final]
        request = FetchRequest(
            clip.clip_id,
            clip.youtube_id,
            float(clip.start),
            margin=self.margin,
            time_limit=self.time_limit,
        )
        clock = ClipClock(self.time_limit)

        def attempt() -> Fetched:
            with clock.running():
                return self.source.fetch(clock.request(request), part)

        url = ""
        try:
            fetched, tries = session.run(attempt, clock)
            url = fetched.url
            container, shift = rewrap_as_mp4(part)
            offset = fetched.offset + shift
            media = check_media(part, start=offset, seconds=request.seconds)
        except ClipFailure as failure:
            failure.facts = {"source": self.source.name, **failure.facts}
            if url:  # the file is not kept, so its own name would say nothing
                failure.message = failure.message.replace(str(part), url)
            raise
        facts = dict(fetched.facts)
        size = part.stat().st_size
        if facts.get("mode") in ("linked", "symlinked") and size != facts.get("size", size):
            facts["mode"] = "rewrapped"  # no link any more, but a file of its own
        return {
            **facts,
            "source": self.source.name,
            "url": fetched.url,
            "offset": round(offset, 6),
            "bytes": size if facts.get("mode") == "rewrapped" else fetched.bytes,
            "tries": tries,
            "container": container,
            **media.as_json(),
        }


def _found(path: Path) -> dict[str, Any]:
    """Return the facts of a file that somebody has put there.

    Raises
    ------
    ClipFailure
        If it is unfit; it stays where it is.
    """
    try:
        media = check_media(path, start=0.0, seconds=CLIP_SECONDS)
    except ClipFailure as failure:
        failure.message += "; it was there already and is left as it is: move it away to fetch it"
        failure.facts = {**failure.facts, "source": FOUND}
        raise
    return {
        "in_place": True,
        "source": FOUND,
        "url": "",
        "offset": 0.0,
        "bytes": 0,
        "tries": 0,
        **media.as_json(),
    }
