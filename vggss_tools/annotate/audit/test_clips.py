"""Which clips are in VGG-Sound's test split, without carrying the list.

``annotations/vggsound_test_clips.txt`` has a digest of each of its 15,446 ids: enough to ask
whether a clip is in the split, and not to read the list from it. A foreign clip is taken for one of
them once in 70 million times.
"""

from __future__ import annotations

import hashlib
from functools import cache

from vggss_tools.resources import resource

TABLE = "vggsound_test_clips.txt"
DIGITS = 10  # hexadecimal ones, of the sha256 of the id


class TestClips:
    """VGG-Sound's test split, of which only ``in`` and ``len`` can be asked."""

    __test__ = False  # not a test, whatever pytest thinks of the name

    def __init__(self, digests: frozenset[str]) -> None:
        self._digests = digests

    def __contains__(self, clip_id: object) -> bool:
        """Whether a clip is in the split."""
        return isinstance(clip_id, str) and digest(clip_id) in self._digests

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self._digests)


def digest(clip_id: str) -> str:
    """Return what stands in the table for a clip."""
    return hashlib.sha256(clip_id.encode()).hexdigest()[:DIGITS]


@cache
def vggsound_test_clips() -> TestClips:
    """Return the split."""
    lines = resource(TABLE).read_text(encoding="ascii").splitlines()
    return TestClips(frozenset(line for line in lines if not line.startswith("#")))
