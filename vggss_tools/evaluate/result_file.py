"""Reading a benchmark's result back, as far as every reader of one agrees."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vggss_tools.errors import InvalidInput, VggssError, not_readable
from vggss_tools.evaluate.results import SCHEMA

REMEDY = "make it with `vggss benchmark --json FILE`"


def read_result(path: Path | str, fault: Callable[[object], str | None]) -> dict[str, Any]:
    """Read the JSON of ``vggss benchmark``.

    Parameters
    ----------
    fault : what keeps one of its results from being of use to the reader, None if nothing does

    Raises
    ------
    VggssError
        If the file is missing or may not be read.
    InvalidInput
        If it is something else, or a result has a fault.
    """
    path = Path(path)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise VggssError(f"{path}: no such file; {REMEDY}") from None
    except IsADirectoryError:
        raise VggssError(f"{path}: a folder; give the benchmark's JSON in it") from None
    except OSError as error:
        raise not_readable(path, error) from None
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InvalidInput(f"{path}: not JSON ({reason}); {REMEDY}") from None
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise InvalidInput(f"{path}: not a benchmark result ({SCHEMA}); {REMEDY}")
    results = value.get("results")
    if not isinstance(results, list) or not results:
        raise InvalidInput(f"{path}: holds no results; {REMEDY}")
    for index, result in enumerate(results):
        found = fault(result)
        if found is not None:
            raise InvalidInput(f"{path}: result {index}: {found}; {REMEDY}")
    return value
