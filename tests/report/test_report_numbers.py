"""What else the page says: sound, leaks, sizes; and results that are not as they should be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import deepcopy
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report.html_page import parse
from report.report_case import Case

from vggss_tools.errors import InvalidInput
from vggss_tools.evaluate.metrics import CURVE_THRESHOLDS
from vggss_tools.evaluate.protocols import PROTOCOLS
from vggss_tools.report.named_values import named_values
from vggss_tools.report.page import render
from vggss_tools.report.runs import Run
from vggss_tools.report.scores import gathered_warnings
from vggss_tools.report.sources import read_benchmark

Invoke = Callable[..., Result]

SCORE = {"ciou": 0.25, "auc": 0.5}
CURVE = [{"t": round(float(t), 2), "share": 1 - round(float(t), 2)} for t in CURVE_THRESHOLDS]


def result_of(name: str, **more: Any) -> dict[str, Any]:
    """A result with every key that the benchmark writes."""
    group = {"n": 3, "ciou": 0.25, "mean_ciou": 0.3125}
    return {
        "protocol": name,
        "family": str(PROTOCOLS[name].family),
        "rules": dict.fromkeys(("resize", "normalise", "threshold", "source"), "by a rule")
        | {"success": "cIoU >= t"},
        "ogl": None,
        "annotations": {
            "name": "mine", "sha256": "0" * 64, "stand_in": False, "errata": "kept", "subset": []
        },
        "n_scored": 3, "n_total": 4, "missing": ["clip0"], "unknown": 0,
        **SCORE, "mean_ciou": 0.375,
        "ci95": {"ciou": [0.125, 0.375], "auc": [0.4375, 0.5625]},
        "bounds": {"ciou": [0.1875, 0.4375], "auc": [0.3125, 0.5625]},
        "baselines": {"ones": {"ciou": 0.0625, "auc": 0.3125}},
        "ceiling": {"ciou": 0.75, "auc": 0.875},
        "best_trivial": {"name": "ones", "ciou": 0.0625},
        "skill": 0.273, "own_hit_rate": 0.5, "swap_rate": None, "swap_stay_rate": None,
        "swap_n": 0, "ties": 0.0, "n_constant": 0,
        "truth_area": {"median": 0.25, "under_quarter": 0.5, "n_empty": 0},
        "success": CURVE, "curves": {"ones": CURVE, "ceiling": CURVE},
        "by_class": {"owl hooting": group, "playing cello": group},
        "by_area": {"huge": group, "small": group}, "by_boxes": {"10": group, "2": group},
        "leakage": None, "extra": {}, "per_clip": {"clip1": 0.1, "clip2": 0.2, "clip3": 0.3},
        "warnings": [], **more,
    }  # fmt: skip


def benchmark_of(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A whole file."""
    return {
        "schema": "vggss-benchmark/1",
        "tool": {"name": "vggss-tools", "version": "0"},
        "environment": {"numpy": "2"},
        "predictions": {"name": "maps.npz", "sha256": "1" * 64, "n_rows": 3,
                        "map_shape": [3, 7, 7], "dtype": "float32"},
        "notes": [], "seed": 0, "results": list(results), **more,
    }  # fmt: skip


def text_of(benchmark: dict[str, Any]) -> str:
    return parse(render([Run("mine", benchmark)])).text


def test_families_have_tables_of_their_own() -> None:
    """One table a family; protocols of one's own are never in one."""
    names = ["lvs", "ezvsl", "paper", "acl", "vggss"]
    text = text_of(benchmark_of(*(result_of(name) for name in names)))
    tables = [text.index(f"Family {f}") for f in ("own vggss", "median", "fixed", "sweep")]
    assert tables == sorted(tables)
    assert text.count("Family ") == 4
    assert "chosen on the test set" in text


def test_bounds_stand_where_clips_are_missing() -> None:
    """What the score would be if all of them were wrong, and if all were right."""
    assert "18.75 to 43.75" in text_of(benchmark_of(result_of("lvs")))
    complete = result_of("lvs", n_scored=4, missing=[])
    assert "18.75 to 43.75" not in text_of(benchmark_of(complete))


def test_sizes_and_numbers_are_in_order() -> None:
    """Small before huge, 2 boxes before 10."""
    text = text_of(benchmark_of(result_of("lvs")))
    assert text.index("small: below 32²") < text.index("huge: 144² and more")
    (boxes,) = re.findall(r"By number of boxes(.*?)Find a class", text, re.DOTALL)
    assert boxes.index("\n2") < boxes.index("\n10")


def test_warnings_name_who_gave_them() -> None:
    """Nobody where all did, the protocols where it is some, the run where it is one of several."""
    names = ["lvs", "ezvsl", "htf", "vcs", "paper", "vggss"]
    some = benchmark_of(*(result_of(n, warnings=[] if n == "vggss" else ["odd"]) for n in names))
    every = benchmark_of(*(result_of(n, warnings=["odd"]) for n in names))
    few = benchmark_of(*(result_of(n, warnings=["odd"] if n == "lvs" else []) for n in names))
    clean = benchmark_of(*(result_of(n) for n in names))
    for runs, who in (
        ([every], ""),
        ([some], "all but vggss"),
        ([few], "lvs"),
        ([some, some], "all but vggss"),
        ([every, clean], "0"),
        ([clean, few], "1: lvs"),
    ):
        found = gathered_warnings([Run(str(i), one) for i, one in enumerate(runs)])
        assert found == [(who, "odd")]


def test_leaks_are_on_top() -> None:
    """How many test clips the training list holds is a warning, and a table; the ids are not."""
    leak = {
        "schema": "vggss-leakage/1", "list": "ezvsl_144k.txt", "n_list": 144000,
        "test_set": "vggss.json", "n_test": 5158, "n_leaked": 3709, "n_same_video": 5,
        "leaked": ["leaked_clip"],
    }  # fmt: skip
    text = text_of(benchmark_of(result_of("lvs", leakage=leak), result_of("paper", leakage=leak)))
    assert text.count("3,709 of the 5,158 test clips are in the training list") == 1
    assert "3,709 of 5,158 (71.91%)" in text
    assert "leaked_clip" not in text
    warned = ["3709 test clips are in the training list ezvsl_144k.txt"]
    text = text_of(benchmark_of(result_of("lvs", leakage=leak, warnings=warned)))
    assert "Trained on test clips" not in text  # once is enough
    clean = {**leak, "n_leaked": 0, "n_same_video": 0, "leaked": []}
    text = text_of(benchmark_of(result_of("lvs", leakage=clean)))
    assert "Trained on test clips" not in text
    assert "0 of 5,158 (0.00%)" in text


def test_dependence_on_the_sound() -> None:
    """How far maps move, what lights up on negatives, and that a model is deaf."""
    moved = {"n": 9, "moved_mask": 0.125, "moved_correlation": 0.25, "equal": 0.5,
             "own_higher": 0.75}  # fmt: skip
    at = {
        "threshold": 0.375, "pia": {"other": 0.0625, "silence": 0.1875}, "aoc": {},
        "pia_mean": 0.125, "aoc_mean": 0.875, "mean_ciou": None, "auc": None, "f": None,
        "f_auc": None,
    }  # fmt: skip
    found = {
        "other": moved, "other_class": None, "silence": moved, "noise": None, "deaf": True,
        "n_no_own": 2, "n_not_negative": 0,
        "false_activation": {"peaks": {}, "at": {"q3": at}, "exact": False},
    }  # fmt: skip
    text = text_of(benchmark_of(result_of("lvs"), dependence=found))
    assert "Deaf. The maps are the same whatever sounds" in text
    assert "another clip's sound90.1250.25050.0075.00" in re.sub(r"\s*\n\s*", "", text)
    assert "other 6.25, silence 18.75" in text
    assert "third quartile of the negatives' maxima" in text
    assert "Estimated on reduced maps." in text
    assert "their picture has no map with its own sound: 2." in text


def test_extra_numbers_have_names() -> None:
    """Shares in percent, thresholds as they are, nested ones with their owner; a sweep's table."""
    extra = {
        "pixel_ap": 0.625, "pixel_ap_by_area": {"small": 0.125}, "skill_over_blind": None,
        "threshold_ciou": 0.35, "n_groups": 1200, "another": "word", "flag": True,
        "sweep": [{"t": 0.35, "ciou": 0.5625, "auc": 0.4375}],
    }  # fmt: skip
    found = {value.name: value.value for value in named_values(extra)}
    assert found["of size, small"] == "12.50%"
    assert found["threshold with the highest cIoU"] == "0.35"
    assert found["groups"] == "1,200"
    assert found["another"] == "word"
    text = text_of(benchmark_of(result_of("acl", extra=extra)))
    assert "62.50%" in text
    assert "0.3556.2543.75" in text


def test_full_size_page(tmp_path: Path) -> None:
    """All protocols over 5,158 clips of 221 classes, two runs: a page of a few megabytes."""
    clips = {f"clip{i:07d}_000000": i / 5158 for i in range(5158)}
    classes = {
        f"class of sounds number {i}": {"n": 23, "ciou": i / 300, "mean_ciou": 0.5}
        for i in range(221)
    }
    missing = [f"gone{i:07d}_000000" for i in range(1000)]
    result = {"per_clip": clips, "by_class": classes, "n_scored": 5158, "missing": missing}
    whole = benchmark_of(*(result_of(name, **result) for name in PROTOCOLS))
    del whole["results"][0]["rules"]  # nothing is paired: the bootstrap has its own tests
    for value in whole["results"]:
        value.pop("rules", None)
    html = render([Run("one", whole, {"lvs": clips}), Run("two", whole, {"lvs": clips})])
    assert len(html.encode()) < 8_000_000  # and twelve clips, half a megabyte each at most
    assert "clip0000007_000000" not in html
    assert html.count('<table class="sortable"') == len(PROTOCOLS)


# Anything that JSON can hold where something else is expected.
junk = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(-2, 2), st.text(max_size=3),
    st.lists(st.integers(0, 1), max_size=2), st.dictionaries(st.text(max_size=2), st.none()),
    st.just({"lvs": [1]}), st.just([{"t": 0.5}]), st.just({"": {"n": 1}}),
)  # fmt: skip


def paths_of(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a nested value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, inner in items:
        found.append((*above, key))
        if isinstance(inner, (dict, list)):
            found += paths_of(inner, (*above, key))
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.data())
def test_a_wrong_value_is_refused_or_shown(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever stands where something else should: one clear refusal, or a page; no crash."""
    at = {"threshold": 0.5, "pia": {"other": 0.5}, "pia_mean": 0.5}
    moved = {"n": 1, "moved_mask": 0.5, "moved_correlation": 0.5}
    paired = {"ours": 0.5, "theirs": 0.5, "difference": 0.0, "ci95": [-0.5, 0.5], "holds": False}
    leak = {"list": "a", "n_list": 1, "test_set": "b", "n_test": 1, "n_leaked": 1,
            "n_same_video": 0}  # fmt: skip
    whole = benchmark_of(
        result_of("lvs", leakage=leak, extra={"ap": 0.5, "sweep": [{"t": 0.1, **SCORE}]}),
        dependence={"other": moved, "false_activation": {"at": {"q3": at}}},
        comparisons=[{"other": "o", "protocol": "lvs", "n_common": 1, "n_only_ours": 0,
                      "n_only_theirs": 0, "ciou": paired, "auc": paired}],
        proposals={"precision": 0.5, "recall": 0.5, "n_proposals": 1, "n_truth": 1, "iou": 0.5},
        model={"name": "m.pth", "sha256": "2" * 64},
    )  # fmt: skip
    changed = deepcopy(whole)
    *above, key = data.draw(st.sampled_from(paths_of(whole)))
    place: Any = changed
    for step in above:
        place = place[step]
    if data.draw(st.booleans()):
        place[key] = data.draw(junk)
    else:
        del place[key]
    path = tmp_path / "scores.json"
    path.write_text(json.dumps(changed))
    refusal = ""
    try:
        benchmark = read_benchmark(path)
    except InvalidInput as error:
        refusal = error.message
    else:
        parse(render([Run("mine", benchmark)]))
    assert not refusal or (refusal.startswith(f"{path}: ") and "\n" not in refusal)


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("by_class", [], "'by_class' is not as the benchmark writes it"),
        ("per_clip", {"clip1": 2}, "'per_clip' is not as the benchmark writes it"),
        ("ci95", {"ciou": [0.1]}, "'ci95' is not as the benchmark writes it"),
        ("ciou", 40.5, "'ciou' is not a fraction 0..1"),
    ],
)
def test_wrong_values_are_named(
    case: Case, invoke: Invoke, key: str, value: object, complaint: str
) -> None:
    """The file, the result and the key; nothing is written."""
    scores = case.scores
    scores["results"][1][key] = value
    path = case.folder / "scores.json"
    path.write_text(json.dumps(scores))
    out = case.folder / "none.html"
    result = invoke("report", "--benchmark", path, "--out", out)
    assert result.exit_code == 6
    assert f"scores.json: result 1: {complaint}" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not out.exists()


def test_colours_can_be_told_from_their_ground() -> None:
    """Text has a contrast of 4.5 at least, lines and bars of 3, light and dark (WCAG 2.1 AA)."""
    html = render([Run("mine", benchmark_of(result_of("lvs")))])
    light = dict(re.findall(r"--([\w]+(?:-\w+)?): (#[0-9a-f]{6})", html.split("@media")[0]))
    rest = re.findall(r"prefers-color-scheme: dark\) \{\s*:root \{(.*?)\}", html, re.DOTALL)[0]
    dark = light | dict(re.findall(r"--([\w]+(?:-\w+)?): (#[0-9a-f]{6})", rest))
    assert light["paper"] != dark["paper"]
    for colours, ground in product((light, dark), ("paper", "card")):
        for text in ("ink", "soft", *(f"run{i}" for i in range(6))):
            assert contrast(colours[text], colours[ground]) >= 4.5, text
        for line in ("ceiling", "ones", "disc", "mean_box", "blind_union", "blind_largest"):
            assert contrast(colours[line], colours[ground]) >= 3, line
        assert contrast(colours["ink"], colours["note"]) >= 4.5


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, as WCAG 2.1 defines it."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
