"""The process in which yt-dlp works; see :mod:`vggss_tools.fetch.youtube`.

yt-dlp only finds the streams. Their section is read by ranges through yt-dlp's own connection, so
its proxy, cookies and headers hold, and is copied without encoding. Where that does not work, the
streams are downloaded whole by yt-dlp and cut then.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.fetch.deadline import STALL_S
from vggss_tools.fetch.failures import public_address
from vggss_tools.fetch.ranges import FIRST_BYTES, RangeReader
from vggss_tools.fetch.worker_process import serve
from vggss_tools.fetch.yt_dlp_failures import failure_of, without_colours
from vggss_tools.media.stream_copy import CannotCut, copy_section

# H.264 and AAC of at most 720 lines, which every reader of MP4 plays; else whatever there is.
FORMATS = (
    "bv[vcodec^=avc1][height<=?720]+ba[acodec^=mp4a]/b[vcodec^=avc1][acodec^=mp4a][height<=?720]"
    "/bv[height<=?720]+ba/b[height<=?720]/bv+ba/b"
)
# Of equal formats, those that are one file come before manifests of fragments.
FORMAT_ORDER = ("proto", "res:720")
# yt-dlp enables deno alone; the others do as well, if they are there.
JS_RUNTIMES = ("deno", "node", "bun", "quickjs")
# Sections of long videos were seen at 32 KiB/s (yt-dlp issue 17612).
SLOWEST_BYTES_PER_S = 40 * 1024
PATIENCE_S = 15.0


class _Sectionless(Exception):
    """The section cannot be had by itself; the whole video may."""


@dataclass
class _Log:
    """Takes what yt-dlp says, of which the warnings explain failures."""

    warnings: list[str] = field(default_factory=list)

    def debug(self, message: str) -> None:
        """Ignore it."""

    def info(self, message: str) -> None:
        """Ignore it."""

    def warning(self, message: str) -> None:
        """Keep it."""
        self.warnings.append(without_colours(message))

    def error(self, message: str) -> None:
        """Ignore it: it comes as an exception as well."""


@dataclass
class _Meter:
    """How quickly the media come, counted while waiting for them."""

    received: int = 0
    waited: float = 0.0

    def add(self, received: int, waited: float) -> None:
        """Count, and end a section that is throttled."""
        self.received += received
        self.waited += waited
        if self.waited > PATIENCE_S and self.received < SLOWEST_BYTES_PER_S * self.waited:
            raise _Sectionless(
                f"the section came with {self.received / self.waited / 1024:.0f} KiB/s"
            )


class _Reply:
    """yt-dlp's response as a :class:`~vggss_tools.fetch.ranges.Reply`."""

    def __init__(self, response: Any, url: str, meter: _Meter) -> None:
        self._response = response
        self._url = url
        self._meter = meter

    @property
    def status(self) -> int:
        return int(self._response.status)

    @property
    def headers(self) -> Mapping[str, str]:
        fields: Mapping[str, str] = self._response.headers
        return fields

    def read(self, amount: int) -> bytes:
        started = time.monotonic()
        try:
            data: bytes = self._response.read(amount)
        except Exception as error:  # noqa: BLE001 - yt-dlp's extractors raise anything
            raise failure_of(error, self._url) from None
        self._meter.add(len(data), time.monotonic() - started)
        return data

    def close(self) -> None:
        self._response.close()


class Downloader:
    """yt-dlp, kept from clip to clip."""

    def __init__(self, proxy: str | None, cookies: str | None) -> None:
        try:
            import yt_dlp
        except ImportError:
            raise ClipFailure(
                FailureKind.TOOL_MISSING, "yt-dlp: not installed; pip install yt-dlp"
            ) from None
        self.log = _Log()
        options: dict[str, Any] = {
            "format": FORMATS,
            "format_sort": list(FORMAT_ORDER),
            "logger": self.log,
            "quiet": True,
            "noprogress": True,
            "noplaylist": True,
            "socket_timeout": STALL_S,
            "retries": 3,
            "fragment_retries": 3,
            "nopart": True,
            "continuedl": False,
            "overwrites": True,
            "updatetime": False,
            "js_runtimes": {name: {} for name in JS_RUNTIMES},
        }
        if proxy is not None:
            options["proxy"] = proxy
        if cookies is not None:
            options["cookiefile"] = StringIO(cookies)  # a copy of its own, and no file
        self.ydl = yt_dlp.YoutubeDL(options)

    def fetch(self, job: dict[str, Any]) -> dict[str, Any]:
        """Fetch one clip; the answer to the parent's question."""
        self.log.warnings.clear()
        url = job["url"]
        target = Path(job["target"])
        meter = _Meter()
        began = time.monotonic()
        try:
            info = self._look_up(url, job)
            extraction_s = time.monotonic() - began
            formats = info.get("requested_formats") or [info]
            facts: dict[str, Any] = {
                "mode": "section",
                "format": info.get("format_id"),
                "lookup_seconds": round(extraction_s, 3),
            }
            try:
                offset, received = self._section(formats, job, target, meter)
            except (_Sectionless, ClipFailure) as error:
                if isinstance(error, ClipFailure) and not _may_come_whole(error):
                    raise
                facts |= {"mode": "full", "fallback": str(error)}
                offset, received = self._full(info, formats, job, target)
                received += meter.received
        except Exception as error:  # noqa: BLE001 - yt-dlp's extractors raise anything
            raise failure_of(error, url, self.log.warnings) from None
        return {"offset": offset, "bytes": received, "url": url, "facts": facts}

    def _look_up(self, url: str, job: dict[str, Any]) -> dict[str, Any]:
        """Return what yt-dlp knows of a video, with the formats chosen."""
        info: dict[str, Any] = self.ydl.extract_info(url, download=False)
        if "entries" in info:  # a page with a video in it
            info = next(iter(info["entries"]), {})
        if info.get("is_live"):
            raise ClipFailure(FailureKind.NOT_FOUND, f"{url}: a live stream, not a video")
        lasts = info.get("duration")
        if lasts is not None and lasts <= job["start"]:
            raise ClipFailure(
                FailureKind.TOO_SHORT,
                f"{url}: lasts {lasts:g} s, and the clip starts at {job['start']:g} s",
            )
        return info

    def _section(
        self, formats: list[dict[str, Any]], job: dict[str, Any], target: Path, meter: _Meter
    ) -> tuple[float, int]:
        """Read the section alone; offset and bytes."""
        from yt_dlp.networking import Request

        if any(one.get("protocol") not in ("http", "https") for one in formats):
            raise _Sectionless("the streams are in fragments")
        readers: list[RangeReader] = []
        stores: list[Path] = []
        try:
            for number, one in enumerate(formats):

                def ask(first: int, last: int, one: dict[str, Any] = one) -> _Reply:
                    headers = {**one.get("http_headers", {}), "Range": f"bytes={first}-{last}"}
                    started = time.monotonic()
                    try:
                        response = self.ydl.urlopen(Request(one["url"], headers=headers))
                    except Exception as error:  # noqa: BLE001 - as above
                        raise failure_of(error, one["url"]) from None
                    meter.add(0, time.monotonic() - started)
                    return _Reply(response, one["url"], meter)

                reply = ask(0, FIRST_BYTES - 1)
                if reply.status != 206:
                    reply.close()
                    raise _Sectionless("the server sends no ranges")
                store = target.with_name(f"{target.name}.{number}")
                stores.append(store)
                readers.append(RangeReader(ask, reply, store, public_address(one["url"])))
            offset = copy_section(
                readers, target, start=job["start"], seconds=job["seconds"], margin=job["margin"]
            )
            return offset, sum(reader.received for reader in readers)
        except CannotCut as error:
            raise _Sectionless(str(error)) from None
        finally:
            for reader in readers:
                reader.close()
            for store in stores:
                store.unlink(missing_ok=True)

    def _full(
        self,
        info: dict[str, Any],
        formats: list[dict[str, Any]],
        job: dict[str, Any],
        target: Path,
    ) -> tuple[float, int]:
        """Download the whole streams, then cut; offset and bytes."""
        wholes = [target.with_name(f"{target.name}.{n}") for n in range(len(formats))]
        try:
            for whole, one in zip(wholes, formats, strict=True):
                done, _ = self.ydl.dl(str(whole), {**info, "requested_formats": None, **one})
                if not done:
                    raise ClipFailure(FailureKind.TRUNCATED, f"{job['url']}: download not complete")
            received = sum(whole.stat().st_size for whole in wholes)
            offset = copy_section(
                wholes, target, start=job["start"], seconds=job["seconds"], margin=job["margin"]
            )
            return offset, received
        except CannotCut as error:
            if len(wholes) > 1:
                raise ClipFailure(FailureKind.ERROR, f"{job['url']}: {error}") from None
            wholes[0].replace(target)
            return float(job["start"]), received
        finally:
            for whole in wholes:
                whole.unlink(missing_ok=True)


def _may_come_whole(failure: ClipFailure) -> bool:
    """Whether a download from the start may succeed where a section failed."""
    return failure.kind in (
        FailureKind.ERROR,
        FailureKind.CORRUPT,
        FailureKind.NETWORK,
        FailureKind.TRUNCATED,
        FailureKind.TIMEOUT,
    )


def main() -> None:
    """Answer the parent's questions."""
    downloaders: list[Downloader] = []

    def answer(job: dict[str, Any]) -> dict[str, Any]:
        try:
            if not downloaders:
                downloaders.append(Downloader(job["proxy"], job["cookies"]))
            return {"fetched": downloaders[0].fetch(job)}
        except Exception as error:  # noqa: BLE001 - told to the parent
            failure = ClipFailure.from_exception(error)
            said = {"kind": failure.kind, "message": failure.message, "facts": failure.facts}
            return {"failure": said}

    serve(answer)


if __name__ == "__main__":
    main()
