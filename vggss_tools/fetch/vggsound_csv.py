"""What can be checked of VGG-Sound's own table, ``vggsound.csv``."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator

from vggss_tools.classes import vggsound_classes
from vggss_tools.errors import InvalidInput

# VGG-Sound's own table of classes (stat.csv) adds up to 199,176 clips.
VGGSOUND_ROWS = range(190_000, 210_001)
_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_START = re.compile(r"[0-9]{1,6}")


def check_vggsound(data: bytes, where: str) -> int:
    """Return the rows of ``vggsound.csv``: YouTube id, start in seconds, class, split.

    Raises
    ------
    InvalidInput
        If it has another form, an unknown class, or too few or too many rows.
    """
    classes = vggsound_classes()
    splits: Counter[str] = Counter()
    met: set[str] = set()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{where}: not UTF-8 text, so not vggsound.csv") from None
    number = 0
    for number, cells in _rows(text, where):
        video, start, label, split = cells if len(cells) == 4 else ("", "", "", "")
        if not _YOUTUBE_ID.fullmatch(video) or not _START.fullmatch(start):
            reason = "is not YouTube id, start, class and split"
        elif label not in classes:
            reason = f"has the class {label[:40]!r}, which VGG-Sound does not have"
        elif split not in ("train", "test"):
            reason = f"has the split {split[:40]!r}"
        else:
            splits[split] += 1
            met.add(label)
            continue
        raise InvalidInput(f"{where}: line {number} {reason}; this is not VGG-Sound's vggsound.csv")
    rows = splits.total()
    if rows not in VGGSOUND_ROWS or len(met) != len(classes) or len(splits) != 2:
        raise InvalidInput(
            f"{where}: {rows:,} rows of {len(met)} classes and the splits "
            f"{', '.join(sorted(splits)) or 'none'}, but vggsound.csv has about 200,000 of "
            f"{len(classes)} in train and test; get the whole file"
        )
    return rows


def _rows(text: str, where: str) -> Iterator[tuple[int, list[str]]]:
    try:
        for number, cells in enumerate(csv.reader(io.StringIO(text), skipinitialspace=True), 1):
            if cells and not cells[0].startswith("#"):
                yield number, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise InvalidInput(f"{where}: not a csv file ({error})") from None
