"""Cut a part of a clip into a small MP4 that every browser plays."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path

from vggss_tools.atomic import atomic_path
from vggss_tools.errors import ClipFailure, FailureKind
from vggss_tools.media.encode import ffmpeg_path
from vggss_tools.media.probe import audio_stream, open_media, seeks_exactly, video_stream

QUALITY = 23  # constant rate factor of H.264; lower is better and larger
AUDIO_RATE = "96k"  # bits per second


def cut_segment(
    source: Path, target: Path, start: float, seconds: float, *, height: int | None = None
) -> None:
    """Write ``seconds`` of ``source`` from ``start`` on as MP4, picture and sound.

    The result has H.264 (yuv420p) and AAC, its index first (``faststart``), is turned upright,
    has square pixels and begins at time zero. What lies outside of the file is left out, so the
    segment may be shorter than asked for. A source without sound gives a segment without.

    Parameters
    ----------
    source : Path
        Any media file that FFmpeg reads; the offset of the ledger's facts is the caller's to add.
    target : Path
        Written whole or not at all; overwritten.
    start : float
        Seconds from the file's first timestamp, at least 0.
    seconds : float
        Length, more than 0.
    height : int, optional
        Height in pixels, made even; the source's own by default and never more.

    Raises
    ------
    ClipFailure
        Of kind not_found, permission, corrupt or no_video for the source, too_short where it ends
        before ``start``, disk_full or permission for the target.
    """
    if start < 0 or seconds <= 0:
        raise ValueError(f"no segment of {seconds} s at {start} s")
    with open_media(source) as container:
        picture = video_stream(container).index
        try:
            track = audio_stream(container)
            # Surround sound becomes stereo; mono stays, as making it stereo would lower it.
            sound = ["-map", f"0:{track.index}", "-ac", str(min(track.channels, 2))]
        except ClipFailure:
            sound = []
        # Elsewhere seeking lands in the middle of pictures that cannot be decoded from there.
        before_input = seeks_exactly(container)
    span = ["-ss", f"{start:.6f}", "-t", f"{seconds:.6f}"]
    # fmt: off
    command = [
        ffmpeg_path(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y", "-threads", "1",
        *(span if before_input else []),
        # `file:`, because FFmpeg would read `a:b.mp4` as a protocol's name.
        "-i", f"file:{source}",
        *([] if before_input else span),
        "-map", f"0:{picture}", *sound,
        "-vf", _square_and_even(height),
        "-c:v", "libx264", "-preset", "veryfast", "-crf", str(QUALITY), "-pix_fmt", "yuv420p",
        "-threads", "1",
        "-c:a", "aac", "-b:a", AUDIO_RATE,
        "-map_metadata", "-1", "-map_chapters", "-1", "-sn", "-dn",
        "-movflags", "+faststart", "-f", "mp4",
    ]
    # fmt: on
    with atomic_path(target) as part:
        done = subprocess.run(
            [*command, f"file:{part}"],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            raise _failure(source, target, done.stderr)
        _refuse_empty(part, source, start)


def _square_and_even(height: int | None) -> str:
    """Return the filters that make pixels square and sides even, as H.264's yuv420p wants them.

    ffmpeg has turned the picture upright before them.
    """
    tall = "ih" if height is None else f"min(ih\\,{height})"
    scale = f"scale=w='max(2\\,2*round(iw*sar*({tall})/ih/2))':h='max(2\\,2*round(({tall})/2))'"
    return f"{scale}:flags=bicubic,setsar=1"


def _refuse_empty(part: Path, source: Path, start: float) -> None:
    """Refuse a segment without a single picture: ffmpeg calls that a success."""
    try:
        with open_media(part) as container:
            n_frames = video_stream(container).frames
    except ClipFailure:
        n_frames = 0  # a file without any stream
    if n_frames == 0:
        raise ClipFailure(FailureKind.TOO_SHORT, f"{source}: its picture ends before {start:.2f} s")


def _failure(source: Path, target: Path, words: str) -> ClipFailure:
    """Give ffmpeg's complaint its kind."""
    text = " ".join(words.split()) or "no message"
    if "No space left on device" in words:
        return ClipFailure.from_exception(
            OSError(errno.ENOSPC, "No space left on device", str(target))
        )
    if "Permission denied" in words or "Read-only file system" in words:
        return ClipFailure(FailureKind.PERMISSION, f"{target}: cannot be written ({text})")
    if "Unknown encoder" in words:
        return ClipFailure(FailureKind.TOOL_MISSING, f"ffmpeg: cannot write H.264 and AAC ({text})")
    return ClipFailure(FailureKind.CORRUPT, f"{source}: cannot be cut ({text})")
