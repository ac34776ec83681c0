"""HTTP requests of one source: kept connections, proxy, cookies, and a limit to waiting."""

from __future__ import annotations

import threading
import time
import urllib.request
import warnings
from collections.abc import Mapping
from http.cookiejar import MozillaCookieJar
from io import StringIO
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3

from vggss_tools import __version__
from vggss_tools.errors import ClipFailure, FailureKind, InvalidInput, VggssError
from vggss_tools.fetch.deadline import STALL_S, Deadline
from vggss_tools.fetch.failures import public_address, status_failure

USER_AGENT = f"vggss-tools/{__version__}"
PROXY_SCHEMES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_PAGE_BYTES = 4096
# A redirect is followed, but not in circles; nothing else is tried again here.
REDIRECTS = 5


def cookie_jar(text: str) -> MozillaCookieJar:
    """Return the cookies of a text in Netscape's format, kept in memory alone.

    Raises
    ------
    http.cookiejar.LoadError
        If it is no such text.
    """
    jar = MozillaCookieJar()
    # The only way in without a file.
    jar._really_load(StringIO(text), "cookies", True, True)  # type: ignore[attr-defined]
    for cookie in jar:
        if cookie.expires == 0:  # how browsers' extensions write a cookie of the session
            cookie.expires = None
    return jar


def check_proxy(proxy: str) -> str:
    """Return a proxy's address, or say what is wrong with it.

    Raises
    ------
    InvalidInput
        If it is no address of a proxy.
    """
    parts = urlsplit(proxy)
    try:
        possible = parts.port is None or parts.port > 0
    except ValueError:
        possible = False
    if parts.scheme not in PROXY_SCHEMES or not parts.hostname or not possible:
        raise InvalidInput(
            f"--proxy {public_address(proxy)}: not a proxy; give http://HOST:PORT or "
            "socks5://HOST:PORT"
        )
    return proxy


class Connection:
    """Makes requests, from several threads at once.

    Parameters
    ----------
    proxy : str, optional
        Address of a proxy; default: that of the environment (``http_proxy``, ``no_proxy``…).
    cookies : str, optional
        Text of a cookie file.
    threads : int
        Connections to keep.
    """

    def __init__(
        self, proxy: str | None = None, cookies: str | None = None, threads: int = 32
    ) -> None:
        self._proxy = None if proxy is None else check_proxy(proxy)
        self._cookies = cookie_jar(cookies) if cookies else None
        self._threads = threads
        self._pools: dict[str, Any] = {}
        self._closed = threading.Event()
        self._of_environment: dict[str, str | None] = {}  # address of a server → its proxy
        self._lock = threading.Lock()
        if self._proxy is not None:
            self._pools[self._proxy] = _make_pool(self._proxy, threads)

    def ask(
        self, url: str, *, deadline: Deadline, first: int | None = None, last: int | None = None
    ) -> HttpReply:
        """Ask for a file, or for its bytes first to last, both included.

        Parameters
        ----------
        deadline : Deadline
            When the clip's time is over.

        Raises
        ------
        ClipFailure
            If the answer is an error, or none comes.
        """
        headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
        if first is not None:
            headers["Range"] = f"bytes={first}-{'' if last is None else last}"
        if self._cookies is not None:
            request = urllib.request.Request(url)
            with self._lock:
                self._cookies.add_cookie_header(request)
            headers.update(request.unredirected_hdrs)
        name = public_address(url)
        url, login = _without_login(url)
        if login is not None:
            headers.update(urllib3.make_headers(basic_auth=login))
        if deadline.over:
            raise deadline.failure(name)
        patience = deadline.patience
        try:
            response = self._pool(url).request(
                "GET",
                url,
                headers=headers,
                preload_content=False,
                retries=urllib3.Retry(
                    total=None,  # 0 would forbid redirects as well
                    connect=0,
                    read=0,
                    status=0,
                    other=0,
                    redirect=REDIRECTS,
                    raise_on_status=False,
                ),
                timeout=urllib3.Timeout(connect=patience, read=patience),
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            failure = network_failure(error, name)
            timed_out = failure.kind is FailureKind.TIMEOUT and deadline.over
            raise (deadline.failure(name) if timed_out else failure) from None
        reply = HttpReply(response, name, deadline, self._closed)
        if response.status in (200, 206):
            return reply
        try:
            body = reply.read(_PAGE_BYTES)
        except ClipFailure:
            body = b""  # the status says enough
        finally:
            reply.close()
        if response.status == 416 and first == 0 and _has_no_bytes(response.headers):
            raise ClipFailure(FailureKind.CORRUPT, f"{name}: is empty (zero bytes)")
        reason = response.reason or ""
        raise status_failure(response.status, reason, url, response.headers, body)

    def wait(self, seconds: float, *, deadline: Deadline) -> bool:
        """Let time pass; False, at once, if the clip's time would be over or all is closed."""
        if self._closed.is_set() or time.monotonic() + seconds >= deadline.moment:
            return False
        return not self._closed.wait(seconds)

    def close(self) -> None:
        """Close the connections; who reads from one is interrupted."""
        self._closed.set()
        with self._lock:
            for pool in self._pools.values():
                pool.clear()
            self._pools.clear()

    def _pool(self, url: str) -> Any:
        parts = urlsplit(url)
        server = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            if server not in self._of_environment:  # looked up once: it is slow
                found = _proxy_of_environment(parts.scheme, parts.netloc)
                self._of_environment[server] = found
            proxy = self._proxy or self._of_environment[server]
            key = proxy or ""
            if key not in self._pools:
                self._pools[key] = _make_pool(proxy, self._threads)
            return self._pools[key]


class HttpReply:
    """An answer whose body is read as it comes."""

    def __init__(
        self, response: Any, name: str, deadline: Deadline, closed: threading.Event
    ) -> None:
        self._response = response
        self._name = name
        self._deadline = deadline
        self._closed = closed

    @property
    def status(self) -> int:
        """HTTP status."""
        return int(self._response.status)

    @property
    def headers(self) -> Mapping[str, str]:
        """Header fields."""
        fields: Mapping[str, str] = self._response.headers
        return fields

    def read(self, amount: int) -> bytes:
        """Return what has come, at most ``amount`` bytes; none at the end."""
        if self._closed.is_set():
            self._response.close()
            raise ClipFailure(FailureKind.ERROR, f"{self._name}: interrupted")
        if self._deadline.over:
            self._response.close()
            raise self._deadline.failure(self._name)
        try:
            socket = _socket_of(self._response)
            if socket is not None:  # what was allowed when it was asked for is more than is left
                socket.settimeout(self._deadline.patience)
            data: bytes = self._response.read1(amount)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            failure = network_failure(error, self._name)
            if failure.kind is FailureKind.TIMEOUT and self._deadline.over:
                failure = self._deadline.failure(self._name)
            raise failure from None
        return data

    def close(self) -> None:
        """Keep the connection if all was read, else close it."""
        if self._response.isclosed():
            self._response.release_conn()
        else:
            self._response.close()


def network_failure(error: Exception, name: str) -> ClipFailure:
    """Return the failure of a request that was not answered, or not to the end."""
    cause: BaseException = error
    while isinstance(cause, urllib3.exceptions.MaxRetryError) and cause.reason is not None:
        cause = cause.reason
    text = " ".join(str(cause).split()) or type(cause).__name__
    refused = isinstance(cause, urllib3.exceptions.NewConnectionError)  # by name a kind of timeout
    if not refused and isinstance(cause, (urllib3.exceptions.TimeoutError, TimeoutError)):
        return ClipFailure(FailureKind.TIMEOUT, f"{name}: nothing came for {STALL_S:g} s ({text})")
    if isinstance(cause, urllib3.exceptions.ResponseError) and "redirects" in text:
        return ClipFailure(
            FailureKind.NOT_FOUND,
            f"{name}: redirected more than {REDIRECTS} times, or in a circle ({text})",
        )
    if isinstance(cause, urllib3.exceptions.ProxyError) and "407" in str(cause.original_error):
        return ClipFailure(FailureKind.PERMISSION, f"{name}: the proxy asks for a login ({text})")
    if isinstance(cause, urllib3.exceptions.IncompleteRead):
        return ClipFailure(FailureKind.TRUNCATED, f"{name}: the connection ended early ({text})")
    if isinstance(cause, urllib3.exceptions.LocationParseError | ValueError):
        return ClipFailure(FailureKind.NOT_FOUND, f"{name}: not an address ({text})")
    if isinstance(cause, urllib3.exceptions.ProtocolError) and "IncompleteRead" in text:
        return ClipFailure(FailureKind.TRUNCATED, f"{name}: the connection ended early ({text})")
    return ClipFailure(FailureKind.NETWORK, f"{name}: {text}")


def _without_login(url: str) -> tuple[str, str | None]:
    """Return an address without its login, and the login as ``user:password``."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    return parts._replace(netloc=host).geturl(), unquote(login if ":" in login else f"{login}:")


def _has_no_bytes(headers: Mapping[str, str]) -> bool:
    """Whether a refused range is one of an empty file (RFC 9110, 14.4)."""
    return (headers.get("Content-Range") or "bytes */0").strip().endswith("*/0")


def _socket_of(response: Any) -> Any:
    """Return the socket that an answer is read from; None once it is read."""
    connection = getattr(response, "connection", None)
    socket = getattr(connection, "sock", None)
    if socket is not None:
        return socket
    # A connection that the server will close is let go by http.client before it is read.
    stream = getattr(getattr(response, "_fp", None), "fp", None)
    return getattr(getattr(stream, "raw", None), "_sock", None)


def _proxy_of_environment(scheme: str, host: str) -> str | None:
    if urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(scheme) or proxies.get("all")


def _make_pool(proxy: str | None, threads: int) -> Any:
    options: dict[str, Any] = {"num_pools": 16, "maxsize": threads, "block": False}
    if proxy is None:
        return urllib3.PoolManager(**options)
    if proxy.startswith("socks"):
        try:
            with warnings.catch_warnings():  # the error says it
                warnings.simplefilter("ignore")
                from urllib3.contrib.socks import SOCKSProxyManager
        except ImportError:
            raise VggssError(
                "--proxy socks…: needs PySocks; install it with: pip install pysocks"
            ) from None
        return SOCKSProxyManager(proxy, **options)
    parts = urlsplit(proxy)
    headers = None
    if parts.username:
        headers = urllib3.make_headers(
            proxy_basic_auth=unquote(f"{parts.username}:{parts.password or ''}")
        )
    return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)
