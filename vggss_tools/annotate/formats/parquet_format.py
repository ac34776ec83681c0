"""Parquet: one row a clip, with frame, sound, boxes and class, as Hugging Face reads it.

``datasets.load_dataset("parquet", data_files=...)`` gives the frame as a picture; the sound comes
as bytes, because decoding it needs a package of its own (``cast_column("sound", Audio())``).
Boxes are fractions of the frame.
"""

from __future__ import annotations

import json
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
    same_class,
    sounding_of,
    text_of,
)
from vggss_tools.annotate.json_values import cause, shown
from vggss_tools.annotate.vggss_json import RawBox

# Hugging Face's viewer wants groups of rows that are small in bytes; a frame and a sound are
# about 0.2 MB.
ROWS_A_GROUP = 100
MAX_ROWS = 1_000_000

_TEXTS = ("clip_id", "class", "split", "decision", "last_reviewer", "last_event")
_NEEDED = ("clip_id", "boxes")
_READ = (*_TEXTS, "reviewer", "boxes", "sounding")


class ParquetFormat:
    """See the module."""

    name = "parquet"
    suffix = ".parquet"
    needs: tuple[str, ...] = ()
    cannot_hold = ("the video (frame and sound are inside)",)
    precision = 0.0
    holds_broken = True
    holds_if_there = ("frame", "audio")

    def write(self, items: Sequence[Item], path: Path, media: Media) -> None:
        """Write the rows; frame and sound are null where there is none."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = _schema()
        with path.open("xb") as file, pq.ParquetWriter(file, schema) as writer:
            for start in range(0, len(items), ROWS_A_GROUP):
                rows = [_row(item) for item in items[start : start + ROWS_A_GROUP]]
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            if not items:
                writer.write_table(schema.empty_table())

    def read(self, path: Path, known: Mapping[str, Item]) -> list[Answer]:
        """Read it; pictures and sounds are not looked at."""
        answers: dict[str, Answer] = {}
        for index, row in enumerate(_rows(path)):
            where = f"row {index}"
            item = known_clip(row["clip_id"], known, where)
            if item.clip_id in answers:
                raise Refused(
                    where, f"stands there already, as {answers[item.clip_id].where}", item.clip_id
                )
            answers[item.clip_id] = Answer(
                where=where,
                clip_id=item.clip_id,
                label=same_class(row.get("class"), item, where),
                decision=decision_of(row.get("decision"), where, item.clip_id),
                boxes=_boxes(row, item, where),
                reviewer=text_of(row.get("reviewer"), "reviewer", where, item.clip_id),
                base=base_of(row.get("last_event"), where, item.clip_id),
            )
        return list(answers.values())


def _schema() -> Any:
    import pyarrow as pa

    media = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema(
        [(name, pa.string()) for name in _TEXTS]
        + [
            ("boxes", pa.list_(pa.list_(pa.float64()))),
            ("sounding", pa.list_(pa.bool_())),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("frame", media),
            ("sound", media),
        ]
    )
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": _features()}})})


def _features() -> dict[str, Any]:
    """Say what the columns are in the words of Hugging Face's ``datasets``."""

    def value(dtype: str) -> dict[str, Any]:
        return {"dtype": dtype, "_type": "Value"}

    def several(feature: dict[str, Any]) -> dict[str, Any]:
        return {"feature": feature, "_type": "List"}

    return {
        **{name: value("string") for name in _TEXTS},
        "boxes": several(several(value("float64"))),
        "sounding": several(value("bool")),
        "width": value("int32"),
        "height": value("int32"),
        "frame": {"_type": "Image"},
        "sound": {"decode": False, "_type": "Audio"},
    }


def _row(item: Item) -> dict[str, Any]:
    boxes: list[tuple[RawBox, bool]] = [
        ((one.box.xmin, one.box.ymin, one.box.xmax, one.box.ymax), one.sounding)
        for one in item.boxes
    ]
    for place, raw in item.broken:
        boxes.insert(place, (raw, True))
    return {
        "clip_id": item.clip_id,
        "class": item.label,
        "split": item.split,
        "decision": str(item.decision),
        "last_reviewer": item.reviewer,
        "last_event": item.event_id or "",
        "boxes": [box for box, _ in boxes],
        "sounding": [sounding for _, sounding in boxes],
        "width": item.width,
        "height": item.height,
        "frame": _media(item.frame),
        "sound": _media(item.audio),
    }


def _media(file: Path | None) -> dict[str, Any] | None:
    return {"bytes": file.read_bytes(), "path": file.name} if file else None


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
        # Dictionaries stay dictionaries: a small file cannot become large texts a million times.
        texts = [name for name in (*_TEXTS, "reviewer") if name in names]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            missing = [name for name in _NEEDED if name not in names]
            if missing:
                raise Refused(path.name, f"no column {', '.join(missing)}")
            if len(set(names)) != len(names):
                raise Refused(path.name, "a column stands there twice")
            if file.metadata.num_rows > MAX_ROWS:
                raise Refused(path.name, f"more than {MAX_ROWS:,} rows")
            _check_types(file.schema_arrow, path.name)
            columns = [name for name in _READ if name in names]
            for batch in file.iter_batches(batch_size=1000, columns=columns):
                _check_texts(batch, path.name)
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, (Refused, PermissionError, FileNotFoundError)):
            raise
        raise Refused(path.name, f"not a readable Parquet file ({cause(error)})") from None


def _check_types(schema: Any, where: str) -> None:
    import pyarrow as pa

    for name in _READ:
        if name not in schema.names:
            continue
        kind = schema.field(name).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if name in ("boxes", "sounding"):
            right = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        else:
            right = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if not (right or pa.types.is_null(kind)):
            raise Refused(where, f"column {name} is of type {shown(str(kind))}")


def _check_texts(batch: Any, where: str) -> None:
    """Refuse long texts while each stands in the dictionary only once."""
    import pyarrow as pa

    for name in batch.schema.names:
        column = batch.column(name)
        if pa.types.is_dictionary(column.type) and column.dictionary.nbytes > 1 << 26:
            raise Refused(where, f"column {name} holds too much text")


def _boxes(row: Mapping[str, Any], item: Item, where: str) -> tuple[EventBox, ...]:
    rows = row["boxes"] or []
    flags = row.get("sounding")
    if flags is None:
        flags = [None] * len(rows)
    if len(flags) != len(rows):
        raise Refused(where, f"{len(rows)} boxes, but {len(flags)} sounding", item.clip_id)
    if len(rows) > MAX_BOXES:
        raise Refused(where, f"more than {MAX_BOXES} boxes", item.clip_id)
    return tuple(
        EventBox(
            fraction_box(box, item, f"{where}, box {place}"),
            sounding_of(flag, where, item.clip_id),
        )
        for place, (box, flag) in enumerate(zip(rows, flags, strict=True))
    )


FORMAT = ParquetFormat()
