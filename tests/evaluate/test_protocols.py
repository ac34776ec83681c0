"""Protocols and masks: against the released code, and against the field's known facts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from map_maker import KINDS, make_entries, make_map

from vggss_tools.annotate.vggss_json import Annotations, read_vggss_json
from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.baselines import disc_map
from vggss_tools.evaluate.masks import GRID, box_mask
from vggss_tools.evaluate.protocols import (
    LVS,
    PAPER,
    PIXELS,
    PROTOCOLS,
    Protocol,
    resize_map,
)

GOLDEN = Path(__file__).with_name("lvs_golden.json")

FRACTIONS = st.floats(0, 1)
BOXES = st.lists(st.tuples(FRACTIONS, FRACTIONS, FRACTIONS, FRACTIONS), max_size=4)


@pytest.fixture(scope="module")
def published(reference_data: Path) -> Annotations:
    """The published annotations of VGG-SS."""
    return read_vggss_json(reference_data / "vggss" / "vggss.json")


def scores(protocol: Protocol, cious: list[float]) -> tuple[float, float]:
    """Return cIoU and AUC in percent, to two digits."""
    curve = metrics.success_curve(cious, protocol.strict)
    ciou = metrics.success_rate(cious, strict=protocol.strict)
    return round(100 * ciou, 2), round(100 * metrics.area_under_curve(curve), 2)


def test_lvs_is_the_released_code_to_the_last_bit() -> None:
    """Every clip's cIoU equals what the released evaluator computed for the same map."""
    golden = json.loads(GOLDEN.read_text())
    entries = make_entries(len(golden["cious"]))
    ours = [
        float(metrics.ciou(box_mask(entry.boxes), LVS.predict(make_map(i, entry.boxes))))
        for i, entry in enumerate(entries)
    ]
    # An empty truth of which nothing is predicted is 0/0 there, null in the file, and 0 here.
    assert ours == [one or 0.0 for one in golden["cious"]]
    assert metrics.success_rate(ours, strict=False) == golden["ciou"]
    curve = metrics.success_curve(ours, strict=False)
    assert metrics.area_under_curve(curve) == golden["auc"]


def test_lvs_is_the_released_code_on_vgg_ss(published: Annotations) -> None:
    """On maps of every kind over the 5,158 clips, cIoU and AUC are the released evaluator's."""
    ours = [
        float(metrics.ciou(box_mask(entry.boxes), LVS.predict(make_map(i, entry.boxes))))
        for i, entry in enumerate(published.entries)
    ]
    # From `make_lvs_golden.py CHECKOUT --compare vggss.json`, seed 0.
    assert metrics.success_rate(ours, strict=False) == 0.32260566110895694
    curve = metrics.success_curve(ours, strict=False)
    assert metrics.area_under_curve(curve) == 0.3907910042652191


def test_known_facts_of_vgg_ss(published: Annotations) -> None:
    """Disc, whole frame, ceiling, two impossible clips: what every run has to reproduce."""
    masks = [box_mask(entry.boxes) for entry in published.entries]
    areas = [int(mask.sum()) for mask in masks]
    assert len(masks) == 5158
    assert [e.file for e, area in zip(published.entries, areas, strict=True) if not area] == [
        "M1P1xla8rg0_000000",
        "MKC9LvRivTM_000030",
    ]
    disc = LVS.predict(-(((np.indices((GRID, GRID)) - (GRID - 1) / 2) ** 2).sum(0) ** 0.5))
    whole = LVS.predict(np.ones((14, 14)))
    assert scores(LVS, [float(metrics.ciou(m, disc)) for m in masks]) == (33.95, 37.43)
    assert scores(LVS, [float(metrics.ciou(m, whole)) for m in masks]) == (21.95, 31.25)
    assert scores(LVS, [LVS.ceiling(area) for area in areas]) == (50.48, 49.47)
    # The truth itself as a map is tied at its minimum, and escapes the median rule.
    tied = [float(metrics.ciou(m, LVS.predict(m.astype(np.float32)))) for m in masks]
    assert scores(LVS, tied) == (99.96, 99.96)
    assert scores(PAPER, [PAPER.ceiling(area) for area in areas]) == (99.96, 97.46)


def test_a_perfect_ranking_reaches_the_ceiling_and_no_more() -> None:
    """Truth plus noise below its step, without ties, scores the closed form of the ceiling."""
    rng = np.random.default_rng(0)
    for entry in make_entries(18):
        truth = box_mask(entry.boxes)
        perfect = truth + 0.5 * rng.random((GRID, GRID))
        assert metrics.ciou(truth, LVS.predict(perfect)) == pytest.approx(
            LVS.ceiling(int(truth.sum())), abs=1e-4
        )
        assert metrics.ciou(truth, PAPER.predict(truth)) == PAPER.ceiling(int(truth.sum()))


def test_ceilings_at_the_ends() -> None:
    """No truth has no ceiling; a truth that fills the frame loses what a rule never predicts."""
    assert LVS.ceiling(0) == PAPER.ceiling(0) == 0
    assert LVS.ceiling(PIXELS) == 25087 / 50176
    assert PAPER.ceiling(PIXELS) == 50175 / 50176


def test_constant_maps_under_each_protocol() -> None:
    """A constant predicts nothing under `paper`; under `lvs` its sign decides, as in the code."""
    for value, whole in ((0.0, True), (0.7, True), (-0.1, False)):
        constant = np.full((14, 14), value)
        assert LVS.predict(constant).all() == whole
        assert LVS.predict(constant).any() == whole
        assert not PAPER.predict(constant).any()


@given(arrays(np.float32, (7, 7), elements=st.floats(-100, 100, width=16)))
def test_half_of_the_frame_at_most_unless_tied_at_the_top(values: np.ndarray) -> None:
    """The median rule never predicts more than 25,087 pixels, but for what ties at the maximum."""
    predicted = LVS.predict(values)
    at_top = (metrics.min_max_released(resize_map(values)) >= 1).sum()
    assert predicted.sum() <= max(PIXELS - 1 - 25088, at_top)


# SLAVC's and ACL's values are on a scale of their own.
SCALE_FREE = [p for p in PROTOCOLS.values() if p.name not in ("slavc", "slavc-relative", "acl")]


@pytest.mark.parametrize("protocol", SCALE_FREE, ids=lambda protocol: protocol.name)
@pytest.mark.parametrize("kind", KINDS)
def test_prediction_is_blind_to_scale(protocol: Protocol, kind: str) -> None:
    """Doubling a map, exact in floating point, leaves the predicted mask as it was."""
    value = make_map(KINDS.index(kind), ((0.1, 0.2, 0.7, 0.9),))
    np.testing.assert_array_equal(protocol.predict(value), protocol.predict(2 * value))


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=lambda protocol: protocol.name)
def test_mirrored_maps_give_mirrored_masks(protocol: Protocol) -> None:
    """A full-size map is thresholded pixel by pixel, so that mirroring commutes with it."""
    value = make_map(KINDS.index("full size"), ())
    for axis in (0, 1):
        np.testing.assert_array_equal(
            protocol.predict(np.flip(value, axis)), np.flip(protocol.predict(value), axis)
        )


def test_a_map_of_the_grids_size_is_not_resized() -> None:
    """Resizing a 224 x 224 map leaves every bit; float16 is read exactly."""
    value = make_map(KINDS.index("full size"), ())
    np.testing.assert_array_equal(resize_map(value), value)
    half = value.astype(np.float16)
    np.testing.assert_array_equal(resize_map(half), half.astype(np.float32))


def test_the_top_row_of_a_map_is_the_top_of_the_frame() -> None:
    """A map that is loud at the top left meets a box at the top left."""
    value = np.zeros((14, 14))
    value[:7, :7] = 1
    truth = box_mask([(0.0, 0.0, 0.5, 0.5)])
    assert metrics.ciou(truth, PAPER.predict(value)) > 0.9
    assert metrics.ciou(truth, PAPER.predict(value[::-1])) == 0


@given(BOXES, BOXES)
def test_masks_are_unions(some: list[tuple[float, ...]], more: list[tuple[float, ...]]) -> None:
    """More boxes never give less mask, and order and repetition do not matter."""
    both = box_mask(some + more)
    np.testing.assert_array_equal(both, box_mask(some) | box_mask(more))
    np.testing.assert_array_equal(both, box_mask(more + some + some))


def test_masks_drop_fractions_of_a_pixel_and_cut_at_the_frame() -> None:
    """Edges are int(224 * x); what is beyond the frame is cut, what is inverted is empty."""
    mask = box_mask([(0.999 / 224, 1 / 224, 2.999 / 224, 3 / 224)])
    assert mask[1:3, 0:2].all()
    assert mask.sum() == 4
    assert box_mask([(-5.0, -5.0, 9.0, 9.0)]).all()
    assert not box_mask([(0.5, 0.1, 0.4, 0.9)]).any()
    assert not box_mask([(0.2, 0.3, 0.6, -(2.0**63) / 320)]).any()
    assert not box_mask([]).any()


def test_every_protocol_says_what_it_does() -> None:
    """Name, summary and source are there, and names are the keys."""
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name
        assert protocol.summary
        assert protocol.source
        assert "value" in str(protocol.threshold)


@pytest.mark.parametrize("protocol", SCALE_FREE, ids=lambda protocol: protocol.name)
def test_the_disc_covers_half_of_the_frame_under_every_protocol(protocol: Protocol) -> None:
    """Its values are ranks, so that above the median and above 0.5 are the same half."""
    assert abs(int(protocol.predict(disc_map()).sum()) - PIXELS / 2) <= 12
