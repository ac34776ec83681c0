"""A protocol of one's own: read whole from YAML, or refused in one line."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from map_maker import KINDS, make_map

from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.evaluate import protocol_file
from vggss_tools.evaluate.protocol_file import read_protocol
from vggss_tools.evaluate.protocols import (
    PROTOCOLS,
    Family,
    FixedThreshold,
    MedianThreshold,
    Normalise,
    Protocol,
    RankThreshold,
    Resize,
    SweepThreshold,
    TruthSizeThreshold,
)

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "my-protocol.yaml"
LEAST = {
    "name": "mine",
    "resize": "opencv-linear",
    "normalise": "min-max",
    "threshold": {"kind": "fixed", "value": 0.5},
    "success": ">",
}


def as_yaml(protocol: Protocol) -> dict[str, Any]:
    """What one would write for a protocol."""
    rule = protocol.threshold
    kind = {
        FixedThreshold: "fixed",
        RankThreshold: "rank",
        MedianThreshold: "median",
        TruthSizeThreshold: "truth-size",
        SweepThreshold: "sweep",
    }[type(rule)]
    fields: dict[str, Any] = {key: getattr(rule, key) for key in protocol_file.THRESHOLDS[kind]}
    if "thresholds" in fields:
        fields["thresholds"] = list(fields["thresholds"])
    names = {rule: name for name, rule in protocol_file.NORMALISATIONS.items()}
    content = {
        "name": f"my-{protocol.name}",
        "summary": protocol.summary,
        "source": protocol.source,
        "family": str(protocol.family),
        "resize": str(protocol.resize),
        "normalise": names[protocol.normalise],
        "threshold": {"kind": kind, **fields},
        "success": ">" if protocol.strict else ">=",
        "errata": protocol.errata,
        "rank_pixels": protocol.rank_pixels,
    }
    if protocol.scale:
        content["scale"] = protocol.scale
    if np.isfinite(protocol.low):
        content |= {"low": float(protocol.low), "high": float(protocol.high)}
    for key in ("resize_elsewhere", "object_resize"):
        if getattr(protocol, key) is not None:
            content[key] = str(getattr(protocol, key))
    if protocol.object_normalise is not None:
        content["object_normalise"] = names[protocol.object_normalise]
    return content


def read(folder: Path, content: Any, name: str = "p.yaml") -> Protocol:
    path = folder / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return read_protocol(path)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=lambda protocol: protocol.name)
def test_every_built_in_protocol_can_be_written_as_a_file(
    tmp_path: Path, protocol: Protocol
) -> None:
    """Under another name it is read back equal, to the last field."""
    assert read(tmp_path, as_yaml(protocol)) == replace(protocol, name=f"my-{protocol.name}")


def test_five_keys_are_enough(tmp_path: Path) -> None:
    """The rest has defaults: family own, no errata; summary and source say what is known."""
    assert read(tmp_path, LEAST) == Protocol(
        name="mine",
        summary="value > 0.5",
        source="p.yaml",
        family=Family.OWN,
        resize=Resize.OPENCV_LINEAR,
        normalise=Normalise.MIN_MAX,
        threshold=FixedThreshold(0.5),
        strict=True,
    )


def test_the_example_is_read_and_predicts_a_quarter() -> None:
    """docs/examples/my-protocol.yaml is valid, and does what it says."""
    protocol = read_protocol(EXAMPLE)
    assert protocol.family is Family.OWN
    assert not protocol.strict
    predicted = protocol.predict(make_map(KINDS.index("full size"), ()))
    assert predicted.sum() == protocol.pixels(1) == 224 * 224 // 4 - 1
    text = EXAMPLE.read_text(encoding="utf-8")
    for word in (
        *protocol_file.REQUIRED,
        *protocol_file.OPTIONAL,
        *protocol_file.RESIZES,
        *protocol_file.NORMALISATIONS,
        *protocol_file.FAMILIES,
        *protocol_file.THRESHOLDS,
        *(key for keys in protocol_file.THRESHOLDS.values() for key in keys),
    ):
        assert word in text, word


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        ({"kind": "fixed", "value": 0, "inclusive": True}, FixedThreshold(0.0, inclusive=True)),
        ({"kind": "rank", "rank": 25088}, RankThreshold(25088)),
        (
            {"kind": "rank", "rank": 0, "inclusive": True, "ones_too": True},
            RankThreshold(0, inclusive=True, ones_too=True),
        ),
        ({"kind": "median"}, MedianThreshold()),
        ({"kind": "truth-size"}, TruthSizeThreshold(released=False)),
        ({"kind": "truth-size", "released": True}, TruthSizeThreshold()),
        ({"kind": "sweep", "thresholds": [-1, 0.5]}, SweepThreshold((-1.0, 0.5))),
    ],
)
def test_kinds_of_thresholds(tmp_path: Path, threshold: Any, expected: Any) -> None:
    """Each kind is read with its own keys."""
    assert read(tmp_path, {**LEAST, "threshold": threshold}).threshold == expected


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"nmae": 1}, "unknown key 'nmae'; known are name, resize"),
        ({1: 2}, "unknown key '1'"),
        ({"name": "LVS"}, "'LVS' is a built-in protocol's"),
        ({"name": "a b"}, "name is 'a b'; it is 1 to 40 letters"),
        ({"name": "x" * 41}, "it is 1 to 40 letters"),
        ({"name": "../x"}, "it is 1 to 40 letters"),
        ({"name": 7}, "name is 7; it is text"),
        ({"summary": ["a"]}, r"summary is \['a'\]; it is text"),
        ({"resize": "nearest"}, "resize is 'nearest'; it is one of opencv-linear, opencv-cubic"),
        ({"resize": None}, "resize is None"),
        ({"normalise": ["min-max"]}, r"normalise is \['min-max'\]; it is one of none, min-max"),
        ({"success": "<"}, 'success is \'<\'; it is one of ">", ">="'),
        ({"success": True}, "success is True"),
        ({"family": "best"}, "family is 'best'; it is one of median, adaptive"),
        ({"family": "median"}, "family median does not have thresholds of kind fixed"),
        (
            {"family": "median", "threshold": {"kind": "rank", "rank": 37632}},
            "at half of the pixels, rank 25087 to 25089, not 37632",
        ),
        ({"errata": "yes"}, "errata is 'yes'; it is true or false"),
        ({"errata": 1}, "errata is 1; it is true or false"),
        ({"low": 0.0}, "give both or neither"),
        ({"low": 1.0, "high": 1.0}, "low < high"),
        ({"low": float("nan"), "high": 1.0}, "low is nan; it is a finite number"),
        ({"low": 0, "high": float("inf")}, "high is inf"),
        ({"low": 0, "high": 10**400}, "high is 10+.*; it is a finite number"),
        ({"threshold": 0.5}, "threshold is not {kind: …} with one of the kinds fixed, rank"),
        ({"threshold": {}}, "threshold is not {kind"),
        ({"threshold": {"kind": "mean"}}, "one of the kinds fixed, rank, median"),
        ({"threshold": {"kind": ["fixed"]}}, "one of the kinds fixed"),
        ({"threshold": {"kind": "fixed"}}, "threshold: no key 'value'"),
        ({"threshold": {"kind": "fixed", "rank": 1}}, "threshold: unknown key 'rank'; known are"),
        ({"threshold": {"kind": "fixed", "value": float("nan")}}, "threshold: value is nan"),
        ({"threshold": {"kind": "fixed", "value": True}}, "value is True, not a number"),
        ({"threshold": {"kind": "fixed", "value": "1e-3"}}, "write it without quotes"),
        ({"threshold": {"kind": "fixed", "value": "half"}}, "value is 'half', not a number$"),
        ({"threshold": {"kind": "rank", "rank": 50176}}, "rank is 50176; it is a whole number"),
        ({"threshold": {"kind": "rank", "rank": -1}}, "rank is -1"),
        ({"threshold": {"kind": "rank", "rank": 0.5}}, "rank is 0.5"),
        ({"threshold": {"kind": "median", "inclusive": True}}, "unknown key 'inclusive'"),
        ({"threshold": {"kind": "sweep", "thresholds": 0.5}}, "a list of 2 to 1000"),
        ({"threshold": {"kind": "sweep", "thresholds": [0.5]}}, "a list of 2 to 1000"),
        ({"threshold": {"kind": "sweep", "thresholds": [0.5, 0.5]}}, "do not rise"),
        ({"threshold": {"kind": "sweep", "thresholds": [0.5, float("nan")]}}, "is nan"),
    ],
)
def test_what_is_not_a_protocol_is_refused(tmp_path: Path, change: Any, cause: str) -> None:
    """One line that names the file and the key, and what could stand there."""
    with pytest.raises(InvalidInput, match=cause) as refused:
        read(tmp_path, {**LEAST, **change})
    assert str(tmp_path / "p.yaml") in refused.value.message
    assert "\n" not in refused.value.message
    assert refused.value.exit_code == 6


@pytest.mark.parametrize("key", LEAST)
def test_no_key_may_be_missing(tmp_path: Path, key: str) -> None:
    """A rule that is not written down is not guessed."""
    with pytest.raises(InvalidInput, match=f"no key '{key}'"):
        read(tmp_path, {name: value for name, value in LEAST.items() if name != key})


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "not a mapping"),
        ("- name", "not a mapping"),
        ("name: [", "not valid YAML"),
        ("name: a\nname: b\n", "a key stands there twice"),
        ("threshold: {kind: fixed, value: 1, value: 2}\n", "a key stands there twice"),
        ("a: &a [x, x]\nb: [*a, *a]\n", "an alias"),
        ("name: !!python/object/apply:os.getcwd []\n", "not valid YAML"),
        ("success: >=\n", r'not valid YAML \(success is ">" or ">=", in quotes\)'),
        ("[" * 5000, "not valid YAML"),
        ("name: a\x00b", "not valid YAML"),
    ],
)
def test_what_is_not_yaml_is_refused(tmp_path: Path, text: str, cause: str) -> None:
    """Broken YAML, keys twice, aliases and objects: one line, nothing run."""
    with pytest.raises(InvalidInput, match=cause) as refused:
        read(tmp_path, text)
    assert "\n" not in refused.value.message


def test_unquoted_signs_are_explained(tmp_path: Path) -> None:
    """To YAML a bare ``>`` begins a text; the message shows the quotes."""
    text = yaml.safe_dump({key: LEAST[key] for key in LEAST if key != "success"})
    with pytest.raises(InvalidInput, match="success is ''; it is one of \">\""):
        read(tmp_path, f"{text}success: >\n")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a folder, not UTF-8, no rights."""
    with pytest.raises(VggssError, match="no such protocol file"):
        read_protocol(tmp_path / "none.yaml")
    with pytest.raises(VggssError, match="a folder"):
        read_protocol(tmp_path)
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: é".encode("latin-1"))
    with pytest.raises(InvalidInput, match="not UTF-8"):
        read_protocol(path)
    if os.geteuid():
        path.chmod(0)
        with pytest.raises(VggssError, match="cannot be read"):
            read_protocol(path)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*LEAST, "kind", "value", "rank", "low", "errata"]), inner
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from(["", *LEAST]),
)
def test_nothing_but_one_line_comes_of_any_file(
    tmp_path_factory: pytest.TempPathFactory, value: Any, key: str
) -> None:
    """Whatever stands in the file, or under one key of a good one, it is read or refused."""
    folder = tmp_path_factory.getbasetemp()
    content = {**LEAST, key: value} if key else value
    message = ""
    try:
        read(folder, content, "any.yaml")
    except InvalidInput as refused:
        message = refused.message
    assert "\n" not in message
