"""WebDataset: tar shards with four files a clip.

``<clip>.jpg`` is the frame, ``<clip>.wav`` the sound (left out where there is none),
``<clip>.json`` boxes and decision, and ``<clip>.cls`` the class's place, from 0, in VGG-Sound's
list (left out for a class that is not in it; its name is in the json). Equal clips give equal
bytes.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vggss_tools.annotate.events import EventBox
from vggss_tools.annotate.formats.exchange import Answer, Item, Media, Refused
from vggss_tools.annotate.formats.field_checks import (
    MAX_BOXES,
    base_of,
    decision_of,
    fraction_box,
    known_clip,
    parse_json,
    same_class,
    sounding_of,
    text_of,
)
from vggss_tools.annotate.json_values import cause, shown
from vggss_tools.classes import vggsound_classes

CLIPS_A_SHARD = 1000
_SHARD = "vggss-{:06d}.tar"
_JSON_LIMIT = 1 << 20
_MEMBERS_LIMIT = 10_000_000


class WebDatasetFormat:
    """See the module."""

    name = "webdataset"
    suffix = ""
    needs = ("frame",)
    cannot_hold = ("the video (frame and sound are inside)",)
    precision = 0.0
    holds_broken = True
    holds_if_there = ("audio",)

    def write(self, items: Sequence[Item], path: Path, media: Media) -> None:
        """Write shards of 1,000 clips into the folder."""
        classes = {name: index for index, name in enumerate(vggsound_classes())}
        path.mkdir()
        for number, start in enumerate(range(0, max(len(items), 1), CLIPS_A_SHARD)):
            shard = path / _SHARD.format(number)
            with tarfile.open(shard, "x:", format=tarfile.USTAR_FORMAT) as tar:
                for item in items[start : start + CLIPS_A_SHARD]:
                    for suffix, data in _members(item, classes):
                        info = tarfile.TarInfo(f"{item.clip_id}.{suffix}")
                        info.size, info.mode = len(data), 0o644
                        tar.addfile(info, io.BytesIO(data))

    def read(self, path: Path, known: Mapping[str, Item]) -> list[Answer]:
        """Read a folder of shards, or one; nothing is unpacked."""
        shards = sorted(path.glob("*.tar")) if path.is_dir() else [path]
        if not shards:
            raise Refused(path.name, "no *.tar in the folder")
        answers: dict[str, Answer] = {}
        for shard in shards:
            for name, data in _json_members(shard):
                where = f"{shard.name}: {name}"
                answer = _answer(parse_json(data, where), name, where, known)
                if answer.clip_id in answers:
                    raise Refused(
                        where,
                        f"stands there already, as {answers[answer.clip_id].where}",
                        answer.clip_id,
                    )
                answers[answer.clip_id] = answer
        return list(answers.values())


def _members(item: Item, classes: Mapping[str, int]) -> Iterator[tuple[str, bytes]]:
    boxes = [{"bbox": one.box.as_list(), "sounding": one.sounding} for one in item.boxes]
    for place, raw in item.broken:
        boxes.insert(place, {"bbox": list(raw), "sounding": True})
    about = {
        "clip_id": item.clip_id,
        "class": item.label,
        "split": item.split,
        "decision": str(item.decision),
        "boxes": boxes,
        "width": item.width,
        "height": item.height,
        "last_reviewer": item.reviewer,
        "last_event": item.event_id or "",
    }
    if item.label in classes:
        yield "cls", str(classes[item.label]).encode()
    if item.frame is not None:
        yield "jpg", item.frame.read_bytes()
    yield "json", json.dumps(about, ensure_ascii=False, allow_nan=False).encode()
    if item.audio is not None:
        yield "wav", item.audio.read_bytes()


def _json_members(shard: Path) -> Iterator[tuple[str, bytes]]:
    """Read the small files alone; what is compressed, linked or named like a path is refused."""
    count = 0
    _check_end(shard)
    try:
        with tarfile.open(shard, "r:") as tar:
            for info in tar:
                count += 1
                where = f"{shard.name}: {shown(info.name)}"
                if not info.isreg() or info.issparse():
                    raise Refused(where, "not a plain file")
                if "/" in info.name or "\\" in info.name or info.name.startswith("."):
                    raise Refused(where, "a name with folders, or a hidden one")
                if count > _MEMBERS_LIMIT:
                    raise Refused(shard.name, "too many files in it")
                if info.name.endswith(".json"):
                    if info.size > _JSON_LIMIT:
                        raise Refused(where, f"{info.size:,} bytes are too many")
                    file = tar.extractfile(info)
                    data = file.read() if file else b""
                    if len(data) != info.size:
                        raise Refused(where, "the shard is cut off")
                    yield info.name, data
                tar.members = []  # type: ignore[attr-defined]  # it would keep them all
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(shard.name, f"not a readable tar file ({cause(error)})") from None


def _check_end(shard: Path) -> None:
    """Refuse a shard that was cut off between two files: it would be taken in part."""
    with shard.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(size - 2 * tarfile.BLOCKSIZE, 0))
        if size < 2 * tarfile.BLOCKSIZE or any(file.read()):
            raise Refused(shard.name, "not a tar file with its end (or a compressed one)")


def _answer(value: Any, name: str, where: str, known: Mapping[str, Item]) -> Answer:
    if not isinstance(value, dict):
        raise Refused(where, "not an object")
    item = known_clip(value.get("clip_id", name.removesuffix(".json")), known, where)
    rows = value.get("boxes")
    if not isinstance(rows, list) or len(rows) > MAX_BOXES:
        raise Refused(where, f"boxes is not a list of at most {MAX_BOXES}", item.clip_id)
    boxes = []
    for place, row in enumerate(rows):
        here = f"{where}, box {place}"
        if not isinstance(row, dict):
            raise Refused(here, f"{shown(row)} is not an object", item.clip_id)
        box = fraction_box(row.get("bbox"), item, here)
        boxes.append(EventBox(box, sounding_of(row.get("sounding"), here, item.clip_id)))
    return Answer(
        where=where,
        clip_id=item.clip_id,
        label=same_class(value.get("class"), item, where),
        decision=decision_of(value.get("decision"), where, item.clip_id),
        boxes=tuple(boxes),
        reviewer=text_of(value.get("reviewer"), "reviewer", where, item.clip_id),
        base=base_of(value.get("last_event"), where, item.clip_id),
    )


FORMAT = WebDatasetFormat()
