"""Sounds of the page: an extracted sound as MP3 in a ``data:`` address.

MP3, because every browser plays it from a file: Chromium and Firefox bring their own decoder in
every build, while AAC is missing from builds without licensed codecs and older Safari plays no
Opus in Ogg. At 32 kbit/s three seconds are 12 kB, as much as with Opus at that rate.
"""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

from vggss_tools.errors import InvalidInput
from vggss_tools.media.encode import ffmpeg_path

BIT_RATE = "32k"
SECONDS_MOST = 10  # of whatever was extracted; 40 kB


def sound_uri(path: Path) -> str:
    """Return an extracted sound as a ``data:`` address; the WAV itself if ffmpeg has no MP3.

    Raises
    ------
    InvalidInput
        If it is not a readable sound.
    """
    # fmt: off
    done = subprocess.run(
        [
            ffmpeg_path(), "-hide_banner", "-loglevel", "error", "-nostdin",
            "-i", str(path), "-t", str(SECONDS_MOST),
            "-map", "0:a:0", "-ac", "1", "-codec:a", "libmp3lame", "-b:a", BIT_RATE,
            # Neither tags nor versions: equal sounds give equal bytes.
            "-map_metadata", "-1", "-fflags", "+bitexact", "-id3v2_version", "0",
            "-write_xing", "0", "-threads", "1", "-f", "mp3", "pipe:1",
        ],
        capture_output=True, check=False,
    )
    # fmt: on
    said = " ".join(done.stderr.decode(errors="replace").split())
    if done.returncode == 0 and done.stdout:
        return _uri("audio/mpeg", done.stdout)
    if "Unknown encoder" in said or "Encoder not found" in said:
        return _uri("audio/wav", path.read_bytes())
    raise InvalidInput(
        f"{path}: not a readable sound ({said or 'no message'}); make it again with "
        "`vggss extract`, or leave the sounds out with --no-sound"
    )


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64," + base64.b64encode(data).decode("ascii")
