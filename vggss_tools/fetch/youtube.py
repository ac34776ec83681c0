"""Source ``youtube``: yt-dlp finds where a video's streams lie, and only the section is read.

yt-dlp works in processes of their own (:mod:`~vggss_tools.fetch.youtube_worker`): it is imported
once for many clips, and what hangs in it is killed with all that it has started. Its own section
downloads are not used: they need an ffmpeg on the PATH, hide ffmpeg's errors, ignore retries and
SOCKS proxies, and ask for open-ended ranges, which YouTube slows down.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.fetch.connection import check_proxy
from vggss_tools.fetch.failures import public_address
from vggss_tools.fetch.source import Fetched, FetchRequest
from vggss_tools.fetch.worker_process import TimeLimit, WorkerDied, WorkerProcess

WATCH_URL = "https://www.youtube.com/watch?v={youtube_id}"
WORKER = "vggss_tools.fetch.youtube_worker"


@dataclass
class YouTubeSource:
    """Clips from YouTube, or from any site that yt-dlp knows how to read.

    Attributes
    ----------
    proxy : str, optional
        Address of a proxy, SOCKS as well; default: that of the environment.
    cookies : str, optional
        Text of a cookie file; each process has a copy in memory, and none is written.
    watch_url : str
        Address of a video's page, with ``{youtube_id}``.
    """

    proxy: str | None = None
    cookies: str | None = field(default=None, repr=False)
    watch_url: str = WATCH_URL
    _idle: list[WorkerProcess] = field(default_factory=list, init=False, repr=False, compare=False)
    _all: set[WorkerProcess] = field(default_factory=set, init=False, repr=False, compare=False)
    _lock: Any = field(default_factory=threading.Lock, init=False, repr=False, compare=False)
    _closed: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.proxy is not None:
            check_proxy(self.proxy)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_idle": [], "_all": set(), "_lock": None, "_closed": False}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def name(self) -> str:
        """``youtube``."""
        return "youtube"

    @property
    def host(self) -> str:
        """``www.youtube.com``."""
        return urlsplit(self.watch_url).hostname or "www.youtube.com"

    def settings(self) -> dict[str, Any]:
        """Return the name, and the address where it is not YouTube's."""
        if self.watch_url == WATCH_URL:
            return {"name": self.name}
        return {"name": self.name, "watch_url": public_address(self.watch_url)}

    def versions(self) -> dict[str, str]:
        """Return yt-dlp's version."""
        try:
            return {"yt-dlp": version("yt-dlp")}
        except PackageNotFoundError:
            return {}

    def setup(self) -> None:
        """Open the source again after a close; processes start with the first clips."""
        self._closed = False

    def close(self) -> None:
        """End all processes, also those at work."""
        with self._lock:
            self._closed = True
            workers = list(self._all)
            self._all.clear()
            self._idle.clear()
        for worker in workers:
            worker.kill()

    def fetch(self, request: FetchRequest, target: Path) -> Fetched:
        """Write the clip to ``target``; see the protocol."""
        url = self.watch_url.format(youtube_id=quote(request.youtube_id))
        worker = self._take()
        question = {
            "url": url,
            "start": request.start,
            "seconds": request.seconds,
            "margin": request.margin,
            "target": str(target),
            "proxy": self.proxy,
            "cookies": self.cookies,
        }
        try:
            answer = worker.call(question, request.try_limit)
        except TimeLimit:
            self._drop(worker)
            raise ClipFailure(
                FailureKind.TIMEOUT,
                f"{url}: not done after {request.time_limit:g} s, the limit for one clip",
            ) from None
        except WorkerDied as error:
            self._drop(worker)
            raise ClipFailure(
                FailureKind.ERROR, f"{url}: the process of yt-dlp ended ({error or 'no message'})"
            ) from None
        except BaseException:
            self._drop(worker)  # nobody would read its answer
            raise
        with self._lock:
            if not self._closed:
                self._idle.append(worker)
        if failure := answer.get("failure"):
            raise ClipFailure(FailureKind(failure["kind"]), failure["message"], failure["facts"])
        return Fetched(**answer["fetched"])

    def _take(self) -> WorkerProcess:
        with self._lock:
            if self._closed:
                raise ClipFailure(FailureKind.ERROR, "interrupted before it was asked for")
            if self._idle:
                return self._idle.pop()
            worker = WorkerProcess(WORKER)
            self._all.add(worker)
            return worker

    def _drop(self, worker: WorkerProcess) -> None:
        with self._lock:
            self._all.discard(worker)
        worker.kill()
