"""Every protocol against what its repository's own code computed for the same maps.

``protocol_golden.json`` holds what ``make_protocol_golden.py`` printed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from peers import inputs, ours
from peers.cases import Cases

from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.extended import extended_scores, map_confidence
from vggss_tools.evaluate.false_activation import activated_area, area_over_curve, harmonic_mean
from vggss_tools.evaluate.groups import group_scores
from vggss_tools.evaluate.protocols import PROTOCOLS
from vggss_tools.evaluate.resizing import Resize, resize_map

GOLDEN: dict[str, Any] = json.loads(
    Path(__file__).with_name("protocol_golden.json").read_text(encoding="utf-8")
)
RUNS = [
    (name, which, weight)
    for name, sets in GOLDEN.items()
    if name in PROTOCOLS
    for which, weights in sets.items()
    for weight in weights
]
TAU = 0.03

# The values are kept to nine digits, and equal to the last of them where OpenCV, NumPy and torch
# are those of this machine; another build of OpenCV or NumPy may round its last bit otherwise.
CLIP = 1e-6
CLIP_TORCH = 3e-4
CLIP_TORCH_TIED = 3e-3


def golden_cases(name: str, which: str) -> Cases:
    """The clips of the golden values, in the protocol's scale."""
    if which == "flickr":
        return inputs.flickr_cases(name, inputs.golden_photos())
    return inputs.vggss_cases(name, inputs.golden_clips())


def released(name: str, which: str, weight: str) -> np.ndarray:
    """Each clip's cIoU (thresholds, clips) in the repository; NaN where it is 0/0."""
    rows = GOLDEN[name][which][weight]
    return np.array([[np.nan if v is None else v for v in row["cious"]] for row in rows])


def test_every_protocol_of_a_repository_is_compared() -> None:
    """Golden values exist for all protocols but the paper's, which has no code, and our own."""
    assert {name for name, _, _ in RUNS} == set(PROTOCOLS) - {"paper", "vggss"}


@pytest.mark.parametrize(("name", "which", "weight"), RUNS)
def test_scores_are_those_of_the_repository(name: str, which: str, weight: str) -> None:
    """Each clip's cIoU, and the two headline numbers, with and without the object prior."""
    cases = golden_cases(name, which)
    truth = ours.truths(cases)
    alpha = None if weight == "plain" else float(weight.removeprefix("ogl "))
    cious = ours.cious(name, cases, truth, alpha)
    there = released(name, which, weight)
    protocol = PROTOCOLS[name].for_set(which != "flickr")
    for i, differences in enumerate(np.abs(cious - np.nan_to_num(there)).T):
        kind = inputs.kind_of(i)
        allowed = CLIP
        if protocol.resize.startswith("torch"):
            allowed = CLIP_TORCH_TIED if kind in inputs.TIED else CLIP_TORCH
        assert differences.max() <= allowed, f"clip {i}, {kind}"
    for row, mine, theirs in zip(GOLDEN[name][which][weight], cious, there, strict=True):
        digits = min(4, row["digits"])
        ciou = metrics.success_rate(mine, strict=protocol.strict)
        area = metrics.area_under_curve(metrics.success_curve(mine, protocol.strict))
        # There 0/0 succeeds nowhere; here it is a cIoU of 0, which succeeds at t = 0.
        area -= 0.025 * np.isnan(theirs).mean()
        assert ciou == pytest.approx(row["ciou"], abs=0.51 * 10**-digits)
        assert area == pytest.approx(row["auc"], abs=0.51 * 10**-digits)


@pytest.mark.parametrize(
    ("name", "weight"), [(name, weight) for name, which, weight in RUNS if which == "vggss"]
)
def test_the_benchmark_scores_as_the_protocol_does(name: str, weight: str) -> None:
    """One pass over a predictions file gives every clip the cIoU of the protocol itself."""
    cases = golden_cases(name, "vggss")
    alpha = None if weight == "plain" else float(weight.removeprefix("ogl "))
    expected = ours.cious(name, cases, ours.truths(cases), alpha)
    found = ours.benchmark_cious(name, cases, alpha)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", GOLDEN["slavc extended"])
def test_extended_scores_are_those_of_slavc(count: str) -> None:
    """AP, F1 and the accuracy over clips and negatives, ties and 0/0 among them."""
    table = GOLDEN["slavc extended"][count]
    clips = inputs.extended_clips(int(count))
    negative = np.array(clips["boxes"]) == 0
    cious = np.nan_to_num(clips["cious"])
    found = extended_scores(cious, negative, clips["confidences"])
    assert found["ap"] == pytest.approx(table["AP-all@50"], abs=1e-12)
    assert found["loc_acc"] == pytest.approx(table["Precision-visible@50"], abs=1e-12)
    assert found["precision_all"] == pytest.approx(table["Precision-all@50"], abs=1e-12)
    # The list of F1 is printed in percent, to one decimal.
    best = max(float(value) for value in table["F1-all@50"].split())
    assert 100 * found["max_f1"] == pytest.approx(best, abs=0.051)


def test_precision_at_50_of_slavcs_console_is_strict() -> None:
    """The number shown while it runs leaves out what is 0.5 exactly; the table's keeps it."""
    clips = inputs.extended_clips(60)
    visible = [c for c, n in zip(clips["cious"], clips["boxes"], strict=True) if n]
    table = GOLDEN["slavc extended"]["60"]
    assert metrics.success_rate(visible, strict=True) == pytest.approx(table["precision_at_50"])
    assert metrics.success_rate(visible, strict=False) > table["precision_at_50"]


@pytest.mark.parametrize("threshold", GOLDEN["acl extended"])
def test_extended_scores_are_those_of_acl(threshold: str) -> None:
    """ACL's are SLAVC's, on masks at a fixed threshold, its F1 rounded before the maximum."""
    said = GOLDEN["acl extended"][threshold]
    clips = inputs.extended_maps(60)
    negative = np.array([label == "non-sounding" for label in clips["labels"]])
    predicted = np.stack(clips["maps"]) >= float(threshold)
    cious = metrics.ciou(np.stack(clips["truths"]) > 0, predicted)
    np.testing.assert_allclose(cious, said["cious"], rtol=0, atol=1e-9)
    found = extended_scores(cious, negative, clips["confidences"])
    assert found["ap"] == pytest.approx(said["ap"], abs=1e-9)
    assert found["max_f1"] == pytest.approx(said["max_f1"], abs=5.1e-4)


@pytest.mark.parametrize("which", ["vggss", "flickr"])
def test_confidence_of_a_map_is_that_of_slavc(which: str) -> None:
    """The mean of the top quarter, which its code takes on a linear scale of its own."""
    cases = golden_cases("slavc", which)
    for case, there in zip(
        cases.items, GOLDEN["slavc"][which]["plain"][0]["confidences"], strict=True
    ):
        top = map_confidence(resize_map(case.sound, Resize.TORCH_BICUBIC_CORNERS))
        assert (top + 1 / TAU) / (2 / TAU) == pytest.approx(there, abs=1e-5)


@pytest.mark.parametrize(("values", "key"), [("cious", ""), ("adaptive", "_adap")])
def test_scores_of_groups_are_those_of_sslalign(values: str, key: str) -> None:
    """IIoU and its area: a scene counts where all of its sounds are found."""
    said = GOLDEN["sslalign groups"]
    clips = inputs.grouped_clips()
    found = group_scores(clips[values], clips["groups"])
    assert found["iiou"] == pytest.approx(said[f"iiou{key}"], abs=1e-12)
    assert found["iauc"] == pytest.approx(said[f"iauc{key}"], abs=1e-12)
    assert metrics.success_rate(clips[values], strict=False) == said[f"ciou{key}"]


def test_false_activation_is_that_of_vssl_eval() -> None:
    """PIA of each mask, AOC over all, and F with a mean cIoU of 40 percent."""
    said = GOLDEN["vssl_eval"]
    masks = inputs.negative_masks()
    areas = [activated_area(mask.astype(np.float32), 0.5) for mask in masks]
    assert areas == pytest.approx(said["pia"], abs=1e-12)
    assert area_over_curve(areas) == pytest.approx(said["aoc"], abs=1e-12)
    f = harmonic_mean(40.0, 100 - 100 * float(np.mean(areas)))
    assert f == pytest.approx(said["f"], abs=1e-9)


@pytest.mark.parametrize(
    ("rule", "mode", "corners"),
    [
        (Resize.TORCH_BILINEAR_CORNERS, "bilinear", True),
        (Resize.TORCH_BICUBIC_CORNERS, "bicubic", True),
        (Resize.TORCH_BICUBIC, "bicubic", False),
    ],
)
def test_resizing_is_that_of_torch(rule: Resize, mode: str, corners: bool) -> None:
    """Maps of any shape and scale are resized as torch does, to the last bits of float32."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (2, 3), (7, 7), (14, 14), (9, 17), (28, 28), (100, 60), (352, 352)):
        for scale in (1e-3, 1.0, 30.0):
            raw = (scale * rng.standard_normal(shape)).astype(np.float32)
            there = torch.nn.functional.interpolate(
                torch.from_numpy(raw)[None, None], (224, 224), mode=mode, align_corners=corners
            )
            found = resize_map(raw, rule)
            bound = 4e-6 * float(np.abs(raw).max())
            np.testing.assert_allclose(found, there[0, 0].numpy(), rtol=0, atol=bound)
