"""Clips a second: this package, video2dataset 1.3.0, a loop over yt-dlp's API, and curl.

    python tests/perf/bench_fetch.py [ENVIRONMENT] [--clips N] [--workers N] [--repeat N]

ENVIRONMENT is the folder of a virtual environment with video2dataset, which is made if it is not
there (``pip install video2dataset==1.3.0``); without it that comparison is left out.
One server on the loopback interface, in a process of its own, serves all of them in turn, without
pacing; the best of the repetitions counts.

1. Ten seconds out of videos of five minutes, which is VGG-Sound's job: ``mirror:`` against
   video2dataset, which downloads the whole and cuts; ``youtube`` against a loop over yt-dlp's API.
2. Clips that lie on the server as such: ``mirror:`` against curl, which neither looks at a clip
   nor flushes it to the disk; as quick as the loopback interface is, and over a slow link.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parents[1]))
from fetch.videos import H264, make_video

from vggss_tools.clips import Clip
from vggss_tools.fetch.mirror import MirrorSource
from vggss_tools.fetch.source import Source
from vggss_tools.fetch.stage import FetchStage
from vggss_tools.fetch.youtube import YouTubeSource
from vggss_tools.ledger import Ledger
from vggss_tools.media.encode import ffmpeg_path
from vggss_tools.stages import run_stage
from vggss_tools.workspace import Workspace

VIDEO_S = 300
BLOCK = 1 << 16
# About 15 MB, as YouTube's 240 to 360 lines.
NOISE = ("-vf", "scale=426:240,noise=alls=8:allf=t", "-movflags", "+faststart")
VIDEO2DATASET = "video2dataset==1.3.0"

_V2D = """
import sys
from video2dataset import video2dataset
if __name__ == "__main__":
    table, out, workers, job = sys.argv[1:]
    video2dataset(url_list=table, input_format=table.rpartition(".")[2],
        output_folder=out, output_format="files",
        url_col="url", caption_col="caption", clip_col="clips" if job == "cut" else None,
        encode_formats={"video": "mp4"}, config={
            "subsampling": {"ClippingSubsampler": {"args": {"precision": "low"}}},
            "reading": {"yt_args": {}, "timeout": 60, "sampler": None},
            "storage": {"number_sample_per_shard": 50, "oom_shard_count": 5,
                        "captions_are_subtitles": False},
            "distribution": {"processes_count": 2, "thread_count": int(workers) // 2,
                             "subjob_size": 1000, "distributor": "multiprocessing"}})
"""


class _Handler(BaseHTTPRequestHandler):
    """Files by the first part of their address, with ranges; pages that name a file."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    files: dict[str, str]
    link: float = 0.0  # bytes a second of one connection; 0: as quick as it goes

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        if kind == "watch":
            name = self.path.rpartition("/")[2]
            host = self.headers["Host"]
            page = f'<html><video src="http://{host}/whole/{name}.mp4"></video></html>'.encode()
            self._start(200, "text/html", len(page))
            self.end_headers()
            self.wfile.write(page)
            return
        with open(self.files[kind], "rb") as file:
            total = os.fstat(file.fileno()).st_size
            asked = (self.headers.get("Range") or "").removeprefix("bytes=").partition("-")
            first = int(asked[0] or 0)
            last = min(int(asked[2] or total), total - 1)
            self._start(206 if asked[1] else 200, "video/mp4", last - first + 1)
            if asked[1]:
                self.send_header("Content-Range", f"bytes {first}-{last}/{total}")
            self.end_headers()
            self.wfile.flush()
            if self.command == "HEAD":
                return
            block = BLOCK if self.link else last - first + 1
            for at in range(first, last + 1, block):
                amount = min(block, last + 1 - at)
                self.connection.sendfile(file, at, amount)
                if self.link:
                    time.sleep(amount / self.link)

    do_HEAD = do_GET  # noqa: N815 - the base class's name

    def _start(self, status: int, kind: str, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


def serve(files: dict[str, str], link: float, ports: Any) -> None:
    """Run the server, in a process of its own."""
    _Handler.files = files
    _Handler.link = link
    server = _Server(("127.0.0.1", 0), _Handler)
    ports.put(server.server_address[1])
    server.serve_forever()


def start_server(files: dict[str, str], link: float) -> str:
    """Start a server that ends with this process; its address."""
    ports: Any = multiprocessing.Queue()
    multiprocessing.Process(target=serve, args=(files, link, ports), daemon=True).start()
    return f"http://127.0.0.1:{ports.get()}"


def ours(source: Source, clips: list[Clip], workers: int, folder: Path) -> Workspace:
    """Fetch all clips with this package: checked, recorded, flushed to the disk."""
    workspace = Workspace.create(folder)
    with FetchStage(workspace, source) as stage:
        summary = run_stage(stage, clips, workspace, workers=workers)
    assert summary.done == len(clips), summary.failures[:3]
    return workspace


def video2dataset(python: Path, table: Path, workers: int, folder: Path, job: str) -> None:
    """Fetch all clips with video2dataset, as its documentation says."""
    tools = folder.with_name(folder.name + "-bin")
    tools.mkdir()
    (tools / "ffmpeg").symlink_to(ffmpeg_path())
    script = folder.with_suffix(".py")
    script.write_text(_V2D)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "WANDB_MODE": "disabled"}
    done = subprocess.run(
        [python, script, table, folder, str(max(workers, 2)), job],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    came = len(list(folder.rglob("*.mp4")))
    wanted = pq.read_metadata(table).num_rows
    assert came == wanted, f"{came} of {wanted}\n{done.stdout[-800:]}\n{done.stderr[-800:]}"


def yt_dlp_loop(pages: list[str], folder: Path) -> None:
    """Download each video as a short script does: one after the other, and whole."""
    import yt_dlp

    folder.mkdir()
    for number, page in enumerate(pages):
        options = {
            "quiet": True,
            "no_warnings": True,
            "noprogress": True,
            "outtmpl": str(folder / f"{number}.mp4"),
        }
        with yt_dlp.YoutubeDL(options) as downloader:
            downloader.download([page])


def curl(addresses: list[str], workers: int, folder: Path) -> None:
    """Download all with one curl, several at a time."""
    folder.mkdir()
    names = [f'url = "{a}"\noutput = "{folder / str(n)}"\n' for n, a in enumerate(addresses)]
    # fmt: off
    subprocess.run(["curl", "--silent", "--fail", "--parallel", "--parallel-max", str(workers),
                    "--config", "-"], input="".join(names), text=True, check=True,
                   stderr=subprocess.DEVNULL)
    # fmt: on
    assert len(list(folder.iterdir())) == len(addresses)


def curl_each(addresses: list[str], workers: int, folder: Path) -> None:
    """Download all with a curl a clip, several at a time, as scripts do."""
    folder.mkdir()
    text = "".join(f"{address}\0{folder / str(n)}\0" for n, address in enumerate(addresses))
    command = ["xargs", "-0", "-n", "2", "-P", str(workers), "sh", "-c",
               'exec curl --silent --fail -o "$1" "$0"']  # fmt: skip
    subprocess.run(command, input=text, text=True, check=True)
    assert len(list(folder.iterdir())) == len(addresses)


def best_seconds(repeat: int, folder: Path, work: Callable[[Path], object]) -> float:
    """Return the shortest time of several runs, each into a folder of its own."""
    times = []
    for number in range(repeat):
        target = folder / f"run{number}"
        started = time.perf_counter()
        work(target)
        times.append(time.perf_counter() - started)
        if number < repeat - 1:
            shutil.rmtree(target)
            shutil.rmtree(folder / f"run{number}-bin", ignore_errors=True)
    return min(times)


def environment_python(environment: str) -> Path | None:
    """Return the Python of video2dataset's environment, after making it if need be."""
    if environment == "-":
        return None
    python = Path(environment) / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", VIDEO2DATASET, "setuptools<80"]
        subprocess.run(pip, check=True)
    return python.absolute()


def lookup_share(workspace: Workspace, seconds: float, workers: int) -> str:
    """Say how much of a clip's time is yt-dlp's."""
    with Ledger(workspace.ledger_path) as ledger:
        lookups = sorted(o.facts["lookup_seconds"] for o in ledger.outcomes("fetch"))
    each = seconds * workers / len(lookups)
    share = sum(lookups) / (seconds * workers)
    median = lookups[len(lookups) // 2]
    return f"yt-dlp's own share {100 * share:.0f} % ({median:.3f} s of {each:.3f} s a clip)"


def main() -> None:
    """Run all of them and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environment", nargs="?", default="-")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--link", type=float, default=4.0, help="MB/s of a slow connection")
    chosen = parser.parse_args()
    n, workers = chosen.clips, chosen.workers
    python = environment_python(chosen.environment)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        whole = make_video(folder / "whole.mp4", seconds=VIDEO_S, codec=H264, options=NOISE)
        clip = make_video(
            folder / "clip.mp4", options=("-vf", "scale=640:360,noise=alls=10:allf=t")
        )
        files = {"whole": str(whole), "clip": str(clip)}
        url, slow_url = start_server(files, 0.0), start_server(files, chosen.link * 1e6)
        clips = [Clip(f"v{k:04d}_{(k * 37) % 280:06d}", "dog barking", "test") for k in range(n)]
        print(f"{n} clips, {workers} at a time; video {whole.stat().st_size / 1e6:.1f} MB, "
              f"clip {clip.stat().st_size / 1e6:.2f} MB")  # fmt: skip

        def rate(name: str, work: Callable[[Path], object], count: int = n) -> float:
            parts = folder / name.replace(" ", "-").replace("/", "-")
            parts.mkdir()
            seconds = best_seconds(chosen.repeat, parts, work)
            print(f"  {name:<44} {count / seconds:8.1f} clips/s")
            return count / seconds

        print("ten seconds out of five minutes")
        mirror = MirrorSource(f"{url}/whole/{{youtube_id}}.mp4")
        sections = rate("mirror, sections", lambda to: ours(mirror, clips, workers, to))
        if python is not None:
            table = folder / "table.parquet"
            columns = {
                "url": [f"{url}/whole/{one.youtube_id}.mp4" for one in clips],
                "caption": [one.label for one in clips],
                "clips": [[[float(one.start), one.start + 10.0]] for one in clips],
            }
            pq.write_table(pa.table(columns), table)
            theirs = rate(
                "video2dataset 1.3.0, cut",
                lambda to: video2dataset(python, table, workers, to, "cut"),
            )
            print(f"    {sections / theirs:.1f} times video2dataset")
        few = clips[: max(n // 5, 1)]
        tube = YouTubeSource(watch_url=f"{url}/watch/{{youtube_id}}")
        kept: list[Workspace] = []

        def from_pages(to: Path) -> None:
            kept.append(ours(tube, clips, workers, to))

        paged = rate("youtube, sections", from_pages)
        print(f"    {lookup_share(kept[-1], n / paged, workers)}")
        loop = rate(
            "loop over yt-dlp's API, whole videos",
            lambda to: yt_dlp_loop([f"{url}/watch/{one.youtube_id}" for one in few], to),
            len(few),
        )
        print(f"    {paged / loop:.1f} times the loop")

        print("clips as such")
        addresses = [f"{url}/clip/{one.clip_id}.mp4" for one in clips]
        copies = MirrorSource(f"{url}/clip/{{clip_id}}.mp4")
        plain = rate("mirror, clips", lambda to: ours(copies, clips, workers, to))
        if python is not None:
            table = folder / "clips.parquet"
            columns = {"url": addresses, "caption": ["dog barking"] * n}
            pq.write_table(pa.table(columns), table)
            theirs = rate(
                "video2dataset 1.3.0", lambda to: video2dataset(python, table, workers, to, "keep")
            )
            print(f"    {plain / theirs:.1f} times video2dataset")
        for name, way in (("curl --parallel", curl), ("a curl a clip", curl_each)):
            peer = rate(name, lambda to, way=way: way(addresses, workers, to))  # type: ignore[misc]
            print(f"    {plain / peer:.2f} times {name}")

        print(f"clips as such, over connections of {chosen.link:g} MB/s")
        addresses = [f"{slow_url}/clip/{one.clip_id}.mp4" for one in clips]
        copies = MirrorSource(f"{slow_url}/clip/{{clip_id}}.mp4")
        plain = rate("mirror, slow link", lambda to: ours(copies, clips, workers, to))
        peer = rate("curl --parallel, slow link", lambda to: curl(addresses, workers, to))
        print(f"    {plain / peer:.2f} times curl --parallel")


if __name__ == "__main__":
    main()
