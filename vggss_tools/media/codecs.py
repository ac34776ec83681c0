"""Which codecs the decoder that comes with PyAV knows."""

from __future__ import annotations

import av
from av.codec import Codec

# What YouTube and its mirrors send.
NEEDED_DECODERS = ("h264", "vp9", "av1", "aac", "opus")


def missing_decoders() -> list[str]:
    """Return the needed codecs that PyAV's FFmpeg cannot decode."""
    missing = []
    for name in NEEDED_DECODERS:
        try:
            Codec(name, "r")
        except av.codec.codec.UnknownCodecError:
            missing.append(name)
    return missing
