"""What the page is made from: the benchmark's JSON, and what it was scored from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vggss_tools.errors import InvalidInput, VggssError, not_readable
from vggss_tools.evaluate.result_file import REMEDY, read_result
from vggss_tools.report.result_shape import ANNOTATIONS, BENCHMARK, RESULT, is_share, misshapen

# What every result has; the rest is shown where it is there, so that other tools' files do.
KEYS = ("protocol", "ciou", "auc", "n_scored", "n_total", "missing", "annotations", "baselines")


def read_benchmark(path: Path | str) -> dict[str, Any]:
    """Read the JSON of ``vggss benchmark``.

    Raises
    ------
    VggssError
        If the file is missing or may not be read.
    InvalidInput
        If it is something else, or a result lacks one of its keys.
    """
    value = read_result(path, _fault)
    odd = misshapen(value, BENCHMARK)
    if odd:
        raise InvalidInput(f"{path}: {odd!r} is not as the benchmark writes it; {REMEDY}")
    protocols = [result["protocol"] for result in value["results"]]
    twice = next((name for name in protocols if protocols.count(name) > 1), None)
    if twice:
        raise InvalidInput(f"{path}: protocol {twice!r} has two results; {REMEDY}")
    return value


def _fault(result: object) -> str | None:
    """Say what keeps a result from being shown, if anything does."""
    if not isinstance(result, dict):
        return "not an object"
    for key in (*KEYS, "ceiling"):
        if key not in result:
            return f"no {key!r}"
    scores = {"": result, " of the ceiling": result["ceiling"]}
    if not isinstance(result["baselines"], Mapping):
        return "'baselines' is not an object"
    scores |= {f" of baseline {name}": score for name, score in result["baselines"].items()}
    for owner, score in scores.items():
        for key in ("ciou", "auc"):
            if not isinstance(score, Mapping) or not is_share(score.get(key)):
                return f"{key!r}{owner} is not a fraction 0..1"
    annotations = result["annotations"]
    if not ANNOTATIONS(annotations):
        return "'annotations' has no name and sha256"
    odd = misshapen(result, RESULT)
    return f"{odd!r} is not as the benchmark writes it" if odd else None


def read_per_clip(path: Path | str) -> dict[str, dict[str, float]]:
    """Read the clips' cIoU: protocol → clip id → cIoU.

    Raises
    ------
    VggssError
        If the file is missing or may not be read.
    InvalidInput
        If it is not the table that ``vggss benchmark --per-clip`` writes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    if not path.is_file():
        raise VggssError(f"{path}: no such file; make it with `vggss benchmark --per-clip FILE`")
    try:
        table = pq.read_table(path, columns=["protocol", "clip_id", "ciou"])
    except PermissionError as error:
        raise not_readable(path, error) from None
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise InvalidInput(
            f"{path}: not a table of protocol, clip_id and ciou ({reason}); "
            "make it with `vggss benchmark --per-clip FILE`"
        ) from None
    scores: dict[str, dict[str, float]] = {}
    for row in table.to_pylist():
        scores.setdefault(row["protocol"], {})[row["clip_id"]] = row["ciou"]
    return scores
