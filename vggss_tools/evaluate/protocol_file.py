"""A protocol of one's own, as a YAML file.

::

    name: top-quarter
    summary: predicted where the map is above three quarters of its own values
    resize: opencv-linear
    normalise: min-max
    threshold: {kind: rank, rank: 37632}
    success: ">="

docs/python-api.md says what each key means; `docs/examples/my-protocol.yaml` has all of them.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from vggss_tools.annotate.json_values import cause, shown
from vggss_tools.errors import InvalidInput, VggssError, not_readable
from vggss_tools.evaluate.protocols import (
    HALF,
    PIXELS,
    PROTOCOLS,
    Family,
    FixedThreshold,
    MedianThreshold,
    Normalise,
    Protocol,
    RankThreshold,
    Resize,
    SweepThreshold,
    Threshold,
    TruthSizeThreshold,
)

REQUIRED = ("name", "resize", "normalise", "threshold", "success")
OPTIONAL = (
    "summary",
    "source",
    "family",
    "resize_elsewhere",
    "object_resize",
    "object_normalise",
    "scale",
    "low",
    "high",
    "errata",
    "rank_pixels",
)
# Kind of threshold → its keys.
THRESHOLDS = {
    "fixed": ("value", "inclusive"),
    "rank": ("rank", "inclusive", "ones_too"),
    "median": (),
    "truth-size": ("released",),
    "sweep": ("thresholds",),
}
# What may stand in the tables of a published family.
KINDS_OF_FAMILY: Mapping[Family, Collection[str]] = {
    Family.MEDIAN: ("rank", "median"),
    Family.ADAPTIVE: ("truth-size",),
    Family.FIXED: ("fixed",),
    Family.SWEEP: ("sweep",),
    Family.OWN: tuple(THRESHOLDS),
}
RESIZES = {str(rule): rule for rule in Resize}
NORMALISATIONS = {rule.name.lower().replace("_", "-"): rule for rule in Normalise}
FAMILIES = {str(family): family for family in Family}
SUCCESS = {">": True, ">=": False}

# Names are keys of results, rows of tables and parts of file names.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_LONGEST_TEXT = 500
_LONGEST_SWEEP = 1000

T = TypeVar("T")


def read_protocol(path: Path | str) -> Protocol:
    """Read a protocol from a YAML file, whole or not at all.

    Raises
    ------
    VggssError
        If the file is missing or may not be read.
    InvalidInput
        If it is refused: not YAML, a key missing, unknown or twice, a value of the wrong kind, a
        built-in protocol's name. The message names the file and the key.
    """
    path = Path(path)
    content = _load(path)
    fields = _Fields(str(path), content, "", (*REQUIRED, *OPTIONAL), REQUIRED)
    name = fields.text("name", "")
    if not _NAME.fullmatch(name):
        raise fields.refuse(f"name is {name!r}; it is 1 to 40 letters, digits, '.', '_' and '-'")
    if name.casefold() in {known.casefold() for known in PROTOCOLS}:
        raise fields.refuse(f"name {name!r} is a built-in protocol's; give it one of its own")
    kind, threshold = _threshold(str(path), content["threshold"])
    family = fields.one_of("family", FAMILIES) if "family" in content else Family.OWN
    if kind not in KINDS_OF_FAMILY[family]:
        raise fields.refuse(
            f"family {family} does not have thresholds of kind {kind}; leave family out, and it "
            f"is {Family.OWN}"
        )
    if (
        family is Family.MEDIAN
        and isinstance(threshold, RankThreshold)
        and abs(threshold.rank - HALF) > 1
    ):
        raise fields.refuse(
            f"family {family} is a threshold at half of the pixels, rank {HALF - 1} to {HALF + 1}, "
            f"not {threshold.rank}; leave family out, and it is {Family.OWN}"
        )
    low, high = fields.number("low", -math.inf), fields.number("high", math.inf)
    if ("low" in content) != ("high" in content) or low >= high:
        raise fields.refuse("low and high are two numbers, low < high; give both or neither")
    return Protocol(
        name=name,
        summary=fields.text("summary", str(threshold)),
        source=fields.text("source", path.name),
        family=family,
        resize=fields.one_of("resize", RESIZES),
        normalise=fields.one_of("normalise", NORMALISATIONS),
        threshold=threshold,
        strict=fields.one_of("success", SUCCESS),
        resize_elsewhere=fields.maybe_one_of("resize_elsewhere", RESIZES),
        object_resize=fields.maybe_one_of("object_resize", RESIZES),
        object_normalise=fields.maybe_one_of("object_normalise", NORMALISATIONS),
        scale=fields.text("scale", ""),
        low=low,
        high=high,
        errata=fields.flag("errata", False),
        rank_pixels=fields.flag("rank_pixels", False),
    )


def _threshold(source: str, content: Any) -> tuple[str, Threshold]:
    """Return the kind of a threshold and the rule."""
    kind = content.get("kind") if isinstance(content, dict) else None
    if not isinstance(kind, str) or kind not in THRESHOLDS:
        raise InvalidInput(
            f"{source}: threshold is not {{kind: …}} with one of the kinds {', '.join(THRESHOLDS)}"
        )
    keys = THRESHOLDS[kind]
    needed = {"fixed": ("value",), "rank": ("rank",), "sweep": ("thresholds",)}.get(kind, ())
    fields = _Fields(source, content, "threshold: ", ("kind", *keys), needed)
    if kind == "fixed":
        return kind, FixedThreshold(fields.number("value", 0.5), fields.flag("inclusive", False))
    if kind == "rank":
        inclusive, ones_too = fields.flag("inclusive", False), fields.flag("ones_too", False)
        rank = fields.number("rank", HALF)
        if not rank.is_integer() or not 0 <= rank < PIXELS:
            raise fields.refuse(
                f"rank is {content['rank']}; it is a whole number, 0 to {PIXELS - 1}, of the "
                f"pixels in rising order ({HALF} is the median rule's)"
            )
        return kind, RankThreshold(int(rank), inclusive, ones_too)
    if kind == "truth-size":
        return kind, TruthSizeThreshold(fields.flag("released", False))
    if kind == "sweep":
        return kind, SweepThreshold(fields.rising("thresholds"))
    return kind, MedianThreshold()


class _Fields:
    """The keys of a mapping in the file, each read as what it has to be."""

    def __init__(
        self,
        source: str,
        content: Mapping[Any, Any],
        where: str,
        known: Collection[str],
        required: Collection[str],
    ) -> None:
        self._source, self._content, self._where = source, content, where
        unknown = sorted(str(key) for key in content if key not in known)
        if unknown:
            raise self.refuse(f"unknown key {unknown[0]!r}; known are {', '.join(known)}")
        missing = [key for key in required if key not in content]
        if missing:
            raise self.refuse(f"no key {missing[0]!r}; needed are {', '.join(required)}")

    def refuse(self, cause: str) -> InvalidInput:
        return InvalidInput(f"{self._source}: {self._where}{cause}")

    def text(self, key: str, default: str) -> str:
        value = self._content.get(key, default)
        if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
            raise self.refuse(f"{key} is {shown(value)}; it is text of up to {_LONGEST_TEXT}")
        return " ".join(value.split())

    def flag(self, key: str, default: bool) -> bool:
        value = self._content.get(key, default)
        if not isinstance(value, bool):
            raise self.refuse(f"{key} is {shown(value)}; it is true or false")
        return value

    def number(self, key: str, default: float) -> float:
        if key not in self._content:
            return default
        return self._finite(key, self._content[key])

    def rising(self, key: str) -> tuple[float, ...]:
        values = self._content[key]
        if not isinstance(values, list) or not 1 < len(values) <= _LONGEST_SWEEP:
            raise self.refuse(f"{key} is {shown(values)}; it is a list of 2 to {_LONGEST_SWEEP}")
        found = tuple(self._finite(key, value) for value in values)
        if any(a >= b for a, b in itertools.pairwise(found)):
            raise self.refuse(f"{key} do not rise; write them in order, each once")
        return found

    def one_of(self, key: str, known: Mapping[str, T]) -> T:
        value = self._content[key]
        if not isinstance(value, str) or value not in known:
            names = ", ".join(f'"{name}"' if name in SUCCESS else name for name in known)
            raise self.refuse(f"{key} is {shown(value)}; it is one of {names}")
        return known[value]

    def maybe_one_of(self, key: str, known: Mapping[str, T]) -> T | None:
        return self.one_of(key, known) if key in self._content else None

    def _finite(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            hint = ""
            if isinstance(value, str) and _is_float(value):
                hint = " (text to YAML: write it without quotes, and 1e-3 as 1.0e-3)"
            raise self.refuse(f"{key} is {shown(value)}, not a number{hint}")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise self.refuse(f"{key} is {shown(value)}; it is a finite number")
        return number


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _load(path: Path) -> dict[Any, Any]:
    """Return the file's mapping."""
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise VggssError(f"{path}: no such protocol file; write one (docs/python-api.md)") from None
    except IsADirectoryError:
        raise VggssError(f"{path}: a folder; give a protocol file, .yaml") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise not_readable(path, error) from None
    try:
        content = yaml.load(text, Loader=_strict_loader())
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = cause(error)
        hint = ' (success is ">" or ">=", in quotes)' if "indentation indicator" in reason else ""
        raise InvalidInput(f"{path}: not valid YAML{hint}: {reason}") from None
    if not isinstance(content, dict):
        raise InvalidInput(f"{path}: not a mapping of keys; needed are {', '.join(REQUIRED)}")
    return content


def _strict_loader() -> Any:
    """Return a safe loader that refuses a key twice, where YAML would keep the last.

    And aliases: a few lines of them make a value without end.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError("an alias (*name); write the value itself")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            value = super().construct_mapping(node, deep)
            if len(value) != len(node.value):
                raise ValueError("a key stands there twice")
            return value

    construct: Callable[..., Any] = Loader.construct_yaml_map
    Loader.add_constructor("tag:yaml.org,2002:map", construct)
    return Loader
