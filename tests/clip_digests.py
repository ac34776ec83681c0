"""Make ``annotations/vggsound_test_clips.txt`` from VGG-Sound's published test list.

python tests/clip_digests.py DATA/vggsound/test.csv
"""

from __future__ import annotations

import sys
from pathlib import Path

from vggss_tools.annotate.audit.test_clips import TABLE, digest
from vggss_tools.clip_lists import read_clip_list

HEAD = (
    "# The first ten hexadecimal digits of the sha256 of each clip id of VGG-Sound's test split,\n"
    "# sorted. Made by tests/clip_digests.py from the published test.csv.\n"
)


def digests_of(path: Path) -> str:
    """Return the text of the table."""
    return HEAD + "".join(f"{one}\n" for one in sorted(map(digest, read_clip_list(path).ids)))


if __name__ == "__main__":
    target = Path(__file__).parents[1] / "annotations" / TABLE
    target.write_text(digests_of(Path(sys.argv[1])), encoding="ascii")
