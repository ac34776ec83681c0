"""Files of strangers: valid ones, changed in the ways in which files are broken or hostile."""

from __future__ import annotations

import io
import json
import random
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HOSTILE: list[Any] = [
    None, True, False, 0, -1, 1e308, -2.9e16, 10**400, float("nan"), float("inf"), -float("inf"),
    "", " ", "yes", "no", "unseen", "..", "../../../../etc/passwd", "/etc/passwd", "C:\\x",
    "<script>alert(1)</script>", "\x00", "\u202e", "nul\nnext", "a" * 100_000, [], {}, [[]],
    [0, 0, 0, 0], [0.5, 0.5, 0.1, 0.1], [0.1, 0.1, 5, 5], [1, 2, 3], [float("nan")] * 4,
    {"$oid": "zz"}, {"a": {"a": {"a": {}}}}, "2999-01-01T00:00:00Z", "ﬁ𝟙", "data:,x",
]  # fmt: skip


def mutate(project: Path, rng: random.Random) -> None:
    """Change a project on disk in one to three places; a folder's files one at a time."""
    files = sorted(path for path in project.rglob("*") if path.is_file())
    path = rng.choice(files) if project.is_dir() else project
    for _ in range(rng.randint(1, 3)):
        data = path.read_bytes()
        path.write_bytes(_way(path, rng)(data, rng))


def _way(path: Path, rng: random.Random) -> Callable[[bytes, random.Random], bytes]:
    ways: list[Callable[[bytes, random.Random], bytes]] = [_flip, _cut, _repeat]
    special = {".json": _in_json, ".csv": _in_csv, ".parquet": _in_parquet, ".tar": _in_tar}
    if path.suffix in special:
        ways += [special[path.suffix]] * 6
    return rng.choice(ways)


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[max(start - rng.randint(1, 400), 0) :]


def _in_json(data: bytes, rng: random.Random) -> bytes:
    """Replace, remove, rename or repeat one value, wherever it lies."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return _flip(data, rng)
    if rng.random() < 0.03:
        return b"[" * 100_000
    places = list(_places(value))
    if not places:
        return data
    holder, key = rng.choice(places)
    way = rng.randrange(5)
    if way == 0:
        del holder[key]
    elif way == 1 and isinstance(holder, list):
        holder.append(holder[key])
    elif way == 2 and isinstance(holder, dict):
        holder[rng.choice(["x", "clip_id", "bbox", "regions"])] = holder.pop(key)
    elif way == 3 and isinstance(holder[key], (int, float)) and abs(holder[key]) < 1e9:
        holder[key] = holder[key] * rng.choice([-1, 1.01, 1000]) + rng.choice([0, 0.25, 1e-9])
    else:
        holder[key] = rng.choice(HOSTILE)
    return json.dumps(value).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if not isinstance(value, (dict, list)):
        return
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, content in list(inside):
        yield value, key
        yield from _places(content)


def _in_csv(data: bytes, rng: random.Random) -> bytes:
    rows = [line.split(b",") for line in data.split(b"\n")]
    row = rng.choice(rows)
    cell = rng.randrange(len(row))
    way = rng.randrange(4)
    if way == 0:
        del row[cell]
    elif way == 1:
        rows.insert(rng.randrange(len(rows)), row)
    else:
        row[cell] = str(rng.choice(HOSTILE)).encode("utf-8", "replace")
    return b"\n".join(b",".join(each) for each in rows)


def _in_parquet(data: bytes, rng: random.Random) -> bytes:
    """Change one cell, or a column's type, name or presence."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(data))
        name = rng.choice(table.column_names)
        column = table.column(name).to_pylist()
    except (pa.ArrowException, OSError, ValueError, KeyError, IndexError):
        return _flip(data, rng)
    at = table.column_names.index(name)
    way = rng.randrange(4)
    if way == 0:
        table = table.remove_column(at)
    elif way == 1:
        table = table.rename_columns([n + "x" if n == name else n for n in table.column_names])
    elif way == 2:
        table = pa.concat_tables([table, table.slice(0, 1)])
    else:
        column[rng.randrange(len(column))] = rng.choice(HOSTILE)
        try:
            table = table.set_column(at, name, pa.array(column))
        except (pa.ArrowException, OverflowError):
            table = table.set_column(at, name, pa.array([str(cell)[:50] for cell in column]))
    sink = io.BytesIO()
    try:
        pq.write_table(table, sink)
    except pa.ArrowException:
        return _flip(data, rng)
    return sink.getvalue()


def _in_tar(data: bytes, rng: random.Random) -> bytes:
    """Change a name, a kind or the contents of one file in it."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            members = [(info, tar.extractfile(info) if info.isreg() else None) for info in tar]
            files = [(info, file.read() if file else b"") for info, file in members]
    except (tarfile.TarError, EOFError, ValueError):
        return _flip(data, rng)
    if not files:
        return data
    at = rng.choice([i for i, (info, _) in enumerate(files) if info.name.endswith(".json")] or [0])
    info, content = files[at]
    way = rng.randrange(8)
    if way == 0:
        info.name = rng.choice(["../../x.json", "/x.json", "a/b.json", ".json", "x" * 90 + ".json"])
    elif way == 1:
        info.type, info.linkname = rng.choice([tarfile.SYMTYPE, tarfile.LNKTYPE]), "/etc/passwd"
    elif way == 2:
        files.append(files[at])
    else:
        content = _in_json(content, rng)
    files[at] = (info, content)
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for one, inside in files:
            one.size = len(inside) if one.isreg() else 0
            tar.addfile(one, io.BytesIO(inside))
    return sink.getvalue()
