"""What every source of clips offers: one clip, written to one path.

Sources: ``youtube`` (:mod:`~vggss_tools.fetch.youtube`), ``mirror``
(:mod:`~vggss_tools.fetch.mirror`), ``dir`` (:mod:`~vggss_tools.fetch.directory`) and ``archive``
(:mod:`~vggss_tools.fetch.archive`). :class:`~vggss_tools.fetch.stage.FetchStage` asks one of them
for each clip, paces those that have a host, tries again what may clear, and looks at the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vggss_tools.clips import CLIP_SECONDS, Clip

# Kept before and after the ten seconds, so that a cut at a key frame never lacks a picture or the
# start of a sound.
MARGIN_S = 1.0
# Wall clock for one clip with all its tries; what is slower has stalled.
TIME_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """One clip that is wanted.

    Attributes
    ----------
    clip_id, youtube_id : str
    start : float
        Where the clip starts in the whole video, in seconds.
    seconds : float
        How much of it is wanted, in seconds.
    margin : float
        What to keep before and after where only a section is taken, in seconds.
    time_limit : float
        Seconds that the clip may take, all tries together.
    time_left : float, optional
        Seconds of that which are left for this try; default: all of them.
    """

    clip_id: str
    youtube_id: str
    start: float
    seconds: float = CLIP_SECONDS
    margin: float = MARGIN_S
    time_limit: float = TIME_LIMIT_S
    time_left: float | None = None

    @property
    def try_limit(self) -> float:
        """Seconds that this try may take."""
        return self.time_limit if self.time_left is None else self.time_left

    @classmethod
    def of(cls, clip: Clip, *, time_limit: float = TIME_LIMIT_S) -> FetchRequest:
        """Return the request for a clip."""
        return cls(clip.clip_id, clip.youtube_id, float(clip.start), time_limit=time_limit)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was written, and how it came; becomes the facts of the clip's outcome.

    Attributes
    ----------
    offset : float
        Seconds into the written file at which the clip's ten seconds start. 0 for a file that is
        the clip itself.
    bytes : int
        Bytes of media that came over the wire, or were read from the local source.
    url : str
        Where it came from: an address without credentials and query, or a local path.
    facts : dict
        Anything else that is worth keeping, as JSON: ``mode`` (whole, section, full), ``format``…
    """

    offset: float = 0.0
    bytes: int = 0
    url: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


class Source(Protocol):
    """A place that clips come from; picklable until :meth:`setup` was called.

    Attributes
    ----------
    name : str
        ``youtube``, ``mirror``, ``dir`` or ``archive``.
    host : str or None
        Requests are paced and paused by host; None for local files, which are not.
    """

    @property
    def name(self) -> str:
        """Short name, as in ``--source NAME:…``."""

    @property
    def host(self) -> str | None:
        """Host that is asked; None where nobody is."""

    def settings(self) -> dict[str, Any]:
        """Return what identifies the source, as JSON, without secrets: its address or folder.

        A clip that failed for good is tried again when this changes; one that is there is not.
        """

    def versions(self) -> dict[str, str]:
        """Return the versions of the tools that take part."""

    def setup(self) -> None:
        """Get ready, once a process; called again, it does nothing."""

    def fetch(self, request: FetchRequest, target: Path) -> Fetched:
        """Write the clip's video, in any container, to ``target`` (a temporary name in clips/).

        Called from several threads at once. More temporary files may stand beside ``target`` if
        their names start with its name: a later run removes what a kill leaves of them. The file
        may be linked rather than copied. It need not be checked: the stage does that.

        Raises
        ------
        ClipFailure
            If the clip cannot be had, of the kind that says why.
        """

    def close(self) -> None:
        """End what :meth:`setup` began: processes, connections, private copies."""
