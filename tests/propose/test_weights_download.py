from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vggss_tools.errors import VggssError
from vggss_tools.propose.weights_download import (
    TRIES,
    PublishedWeights,
    get_weights,
    weights_folder,
)

CONTENT = np.random.default_rng(0).bytes(700_000)
START = hashlib.sha256(CONTENT).hexdigest()[:8]


class Server:
    """A web server on this machine, and how it behaves."""

    def __init__(self) -> None:
        self.content = CONTENT
        self.kind = "application/octet-stream"
        self.ranges = True  # whether it can go on from the middle
        self.status = 200
        self.cut_after: list[int] = []  # bytes sent in the next answers before it hangs up
        self.asked: list[str | None] = []  # the Range of each request
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    def weights(self, name: str = f"net-{START}.pth") -> PublishedWeights:
        return PublishedWeights(f"http://127.0.0.1:{self.http.server_port}/some/{name}")

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers.get("Range")
                server.asked.append(asked)
                if server.status != 200:
                    self.send_error(server.status)
                    return
                start = 0
                if asked and server.ranges:
                    start = int(asked.removeprefix("bytes=").rstrip("-"))
                    if start >= len(server.content):
                        self.send_error(416)
                        return
                body = server.content[start:]
                self.send_response(206 if start else 200)
                self.send_header("Content-Type", server.kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: server.cut_after.pop(0)] if server.cut_after else body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("VGGSS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    yield server
    server.stop()


def others(path: Path) -> set[str]:
    """What is in the folder beside the file and its lock."""
    lock = f".part-{path.name}.lock"
    return {p.name for p in path.parent.iterdir()} - {path.name, lock}


def test_downloads_once(server: Server) -> None:
    """The file comes whole under its name, and the second call asks nobody."""
    path = get_weights(server.weights())
    assert path.read_bytes() == CONTENT
    assert path == weights_folder() / f"net-{START}.pth"
    assert get_weights(server.weights()) == path
    assert server.asked == [None]
    assert not others(path)


def test_a_broken_connection_is_taken_up_where_it_broke(server: Server) -> None:
    """Within one call, the rest is asked for by Range."""
    server.cut_after = [300_000]
    assert get_weights(server.weights()).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]


def test_another_run_goes_on(server: Server) -> None:
    """What came before the command gave up is kept under another name, and not fetched again."""
    server.cut_after = [100_000] * TRIES
    with pytest.raises(VggssError, match="300,000 of 700,000 bytes"):
        get_weights(server.weights())
    assert not server.weights().path.exists()
    assert get_weights(server.weights()).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=300000-"


def test_a_server_without_ranges_starts_again(server: Server) -> None:
    """Where the server sends the whole file again, the first part is not doubled."""
    server.ranges = False
    server.cut_after = [300_000]
    assert get_weights(server.weights()).read_bytes() == CONTENT


def test_a_wrong_file_never_gets_the_name(server: Server) -> None:
    """A file with another checksum than its name says is removed, and said."""
    server.content = b"other" * 1000
    weights = server.weights()
    with pytest.raises(VggssError, match=f"does not start with {START}") as caught:
        get_weights(weights)
    assert not weights.path.exists()
    assert not others(weights.path)
    assert weights.url in caught.value.message


def test_the_rest_of_another_file_is_fetched_anew(server: Server) -> None:
    """A beginning that does not belong to the file is given up, and the download succeeds."""
    weights = server.weights()
    weights.path.parent.mkdir(parents=True)
    weights.path.with_name(f".part-{weights.name}").write_bytes(b"x" * 1000)
    assert get_weights(weights).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-", None]


def test_a_beginning_that_is_whole_is_used(server: Server) -> None:
    """A run that was killed before the last step needs nothing more from the server."""
    weights = server.weights()
    weights.path.parent.mkdir(parents=True)
    weights.path.with_name(f".part-{weights.name}").write_bytes(CONTENT)
    assert get_weights(weights).read_bytes() == CONTENT


@pytest.mark.parametrize(("status", "said"), [(404, "404"), (503, "503"), (403, "403")])
def test_a_refusal_is_one_line(server: Server, status: int, said: str) -> None:
    """The message has the server's answer, the address, the file's place and the option."""
    server.status = status
    weights = server.weights()
    with pytest.raises(VggssError, match=said) as caught:
        get_weights(weights)
    for part in (weights.url, str(weights.path), "--weights PATH"):
        assert part in caught.value.message
    assert "\n" not in caught.value.message
    assert not weights.path.exists()


def test_a_web_page_is_no_file(server: Server) -> None:
    """The page of a login or a proxy is not taken for weights."""
    server.kind = "text/html; charset=utf-8"
    with pytest.raises(VggssError, match="a web page came"):
        get_weights(server.weights())
    assert not others(server.weights().path)


def test_offline_is_one_line(server: Server) -> None:
    """Where nobody answers, the message says so and what to do."""
    weights = server.weights()
    server.http.socket.close()
    with pytest.raises(VggssError, match="refused") as caught:
        get_weights(weights, way_out="coco:PATH")
    assert "coco:PATH" in caught.value.message


def test_a_dead_proxy_is_one_line(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's proxy is used, and its failure is told like any other."""
    monkeypatch.delenv("no_proxy")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(VggssError, match="cannot be downloaded"):
        get_weights(server.weights())
    assert not server.asked


def test_a_folder_that_cannot_be_made_is_one_line(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A cache that is a file is told, with the variable that names another."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("VGGSS_CACHE", str(tmp_path / "file"))
    with pytest.raises(VggssError, match="VGGSS_CACHE"):
        get_weights(server.weights())


def test_the_cache_is_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without VGGSS_CACHE, weights are in the cache folder that the platform has for it."""
    monkeypatch.delenv("VGGSS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert weights_folder() == tmp_path / "vggss-tools" / "weights"
    monkeypatch.setattr("sys.platform", "darwin")
    assert weights_folder().parts[-4:] == ("Library", "Caches", "vggss-tools", "weights")


def test_a_name_without_a_checksum_is_a_mistake() -> None:
    """Weights that cannot be checked are not offered."""
    with pytest.raises(ValueError, match="no checksum"):
        _ = PublishedWeights("http://example.org/net.pth").sha256_start
