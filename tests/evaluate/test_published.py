"""The table of published results, and the references that stand beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vggss_tools.annotate.vggss_json import read_vggss_json
from vggss_tools.clip_lists import read_clip_list
from vggss_tools.evaluate import leaderboard, metrics, published
from vggss_tools.evaluate.leakage import leakage
from vggss_tools.evaluate.masks import GRID, box_mask
from vggss_tools.evaluate.protocols import PROTOCOLS, Family
from vggss_tools.evaluate.published import (
    FAMILIES,
    REFERENCES,
    PublishedRow,
    family_of,
    published_results,
)

PIXELS = GRID * GRID
PREDICTED = PIXELS // 2 - 1  # pixels above the median
HEADER = (
    "method,year,training_set,test_set,n_clips,protocol_family,protocol,ogl,ciou,auc,ap,max_f1,"
    "loc_acc,leak_count,source,read,note"
)


def rows(method: str, test_set: str = "vgg-ss", family: str = "median") -> list[PublishedRow]:
    return [
        row
        for row in published_results()
        if (row.method, row.test_set, row.family) == (method, test_set, family)
    ]


def test_the_table_is_read() -> None:
    """Every row has a method, a source and scores in percent; some are from memory, and say so."""
    table = published_results()
    assert len(table) >= 60
    assert all(row.method and row.source and row.scores for row in table)
    unverified = [row for row in table if not row.verified]
    assert 0 < len(unverified) < len(table) / 4
    assert all("memory" in row.note for row in unverified)


def test_scores_are_kept_as_printed() -> None:
    """Digits are neither added nor dropped."""
    assert [row.scores["ciou"] for row in rows("LVS", "vgg-ss-first-boxes")] == ["34.4"]
    assert "39.50" in [row.scores["ciou"] for row in rows("FNAC")]


def test_no_result_stands_above_its_ceiling() -> None:
    """Printed results of the median family keep below a perfect map; those of a sweep need not."""
    ceiling = REFERENCES["vgg-ss", "median"].ceiling
    assert ceiling is not None
    printed = [row for row in published_results() if row.test_set == "vgg-ss"]
    assert all(float(row.scores["ciou"]) < ceiling[0] for row in printed if row.family == "median")
    assert any(float(row.scores["ciou"]) > ceiling[0] for row in printed if row.family == "sweep")


def test_families_are_those_of_the_protocols() -> None:
    """Each protocol's family has a description, and each row's protocol is of the row's family."""
    assert {str(family) for family in Family} <= set(FAMILIES)
    assert {family_of(name) for name in PROTOCOLS} <= set(FAMILIES)
    assert family_of("no such protocol") is None


def test_the_command_knows_all_families_and_forms() -> None:
    """The choices in the help are the families and forms that there are."""
    from vggss_tools.cli.leaderboard import FAMILY_NAMES, FORM_NAMES
    from vggss_tools.evaluate.leaderboard_text import FORMATS

    assert tuple(FAMILIES) == FAMILY_NAMES
    assert tuple(FORMATS) == FORM_NAMES


def test_boxes_that_were_never_released_are_another_test_set() -> None:
    """The paper's own numbers on VGG-SS are on its first boxes, later ones on the released."""
    assert rows("LVS", "vgg-ss-first-boxes")[0].scores["ciou"] == "34.4"
    assert rows("LVS", "vgg-ss")[0].scores["ciou"] == "30.30"


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("X,,,vgg-ss,,median,lvs,,,,,,,,paper,P,", "at least one score"),
        ("X,,,vgg-ss,,median,lvs,,101,,,,,,paper,P,", "in percent"),
        ("X,,,vgg-ss,,median,lvs,,nan,,,,,,paper,P,", "in percent"),
        ("X,,,vgg-ss,,sweep,lvs,,40,,,,,,paper,P,", "protocol lvs is of the family median"),
        ("X,,,vgg-ss,,mixed,,,40,,,,,,paper,P,", "no family 'mixed'"),
        ("X,,,vgg-ss,,median,lvss,,40,,,,,,paper,P,", "no protocol 'lvss'"),
        ("X,,,vgg-ss,,median,lvs,2,40,,,,,,paper,P,", "ogl '2'"),
        ("X,,,vgg-ss,,median,lvs,,40,,,,,,,P,", "a source"),
        ("X,,,vgg-ss,,median,lvs,,40,,,,,,paper,,", "line 2"),
        ("X,soon,,vgg-ss,,median,lvs,,40,,,,,,paper,P,", "soon"),
    ],
)
def test_a_wrong_row_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, cause: str
) -> None:
    """A row that people got wrong is an error with its line."""
    path = tmp_path / "published_results.csv"
    path.write_text(f"{HEADER}\n{line}\n")
    monkeypatch.setattr(published, "resource", lambda _: path)
    published_results.cache_clear()
    try:
        with pytest.raises(ValueError, match="line 2") as caught:
            published_results()
    finally:
        published_results.cache_clear()
    assert cause in str(caught.value)


# -------------------------------------------------------------------------- the field's own files


@pytest.mark.parametrize(
    ("method", "training", "test_set", "list_name", "test_name"),
    [
        ("EZ-VSL", "VGG-Sound 144k", "vgg-ss", "ezvsl_vggss_144k.txt", "vggss.json"),
        ("EZ-VSL", "VGG-Sound 10k", "vgg-ss", "ezvsl_vggss_10k.txt", "vggss.json"),
        ("FNAC", "VGG-Sound 144k", "vgg-ss", "fnac_vggss_144k.txt", "vggss.json"),
        ("SSL-TIE", "VGG-Sound 144k", "vgg-ss", "ssltie_train_vggss_train_144k.txt",
         "ssltie_test_vggss_4911.txt"),
        ("SSL-Align", "VGG-Sound 144k", "vgg-ss", "ezvsl_vggss_144k.txt",
         "sslalign_ours_vggss_4655.txt"),
        ("HTF", "VGG-Sound 144k", "vgg-ss", "htf_vgg_train_144k.txt",
         "htf_vggss_test_trimmed.csv"),
        ("EZ-VSL", "VGG-Sound heard (EZ-VSL)", "vgg-ss:ezvsl-heard", "ezvsl_vggss_heard.txt",
         "ezvsl_vggss_heard_test.csv"),
    ],
)  # fmt: skip
def test_leak_counts_are_those_of_the_lists(
    reference_data: Path, method: str, training: str, test_set: str, list_name: str, test_name: str
) -> None:
    """What the table says of a training list is what the audit counts, on the list it tested."""
    folder = reference_data / "vggss"
    test = read_clip_list(folder / test_name)
    found = leakage(read_clip_list(folder / list_name), test.ids, test.name)
    chosen = [row for row in rows(method, test_set) if row.training_set == training]
    assert chosen
    assert {row.leak_count for row in chosen} == {found["n_leaked"]}
    assert {row.n_clips for row in chosen} <= {found["n_test"], None}


DISTANCE = np.hypot(*(np.mgrid[:GRID, :GRID] - (GRID - 1) / 2)).ravel()


SORTED = np.sort(DISTANCE)


def disc_of(rank: int) -> NDArray[np.bool_]:
    """Return the pixels nearer to the centre than the one of that rank, 0-based."""
    return SORTED[rank] > DISTANCE


def ciou(values: NDArray[np.float64], total: float) -> float:
    """Return the cIoU of a prediction from the truth's values under it."""
    total += np.count_nonzero(values == 0)
    return float(values.sum() / total) if total else 0.0


def reference_scores(truths: Iterator[NDArray[np.float64]]) -> dict[str, list[float]]:
    """Return cIoU and AUC, in percent, of the disc under both families and of the ceiling."""
    half = disc_of(PREDICTED)
    found: dict[str, list[float]] = {"median": [], "adaptive": [], "ceiling": []}
    for truth in truths:
        total = float(truth.sum())
        area = int(np.count_nonzero(truth)) or PIXELS // 2
        found["median"].append(ciou(truth[half], total))
        found["adaptive"].append(ciou(truth[disc_of(area - 1)], total))
        found["ceiling"].append(ciou(np.sort(truth)[::-1][:PREDICTED], total))
    return {
        name: [
            100 * metrics.success_rate(np.array(values), strict=False),
            100 * metrics.area_under_curve(metrics.success_curve(np.array(values), strict=False)),
        ]
        for name, values in found.items()
    }


def check_references(test_set: str, found: dict[str, list[float]]) -> None:
    for family in ("median", "adaptive"):
        reference = REFERENCES.get((test_set, family))
        if reference is None:
            continue
        assert reference.disc == pytest.approx(found[family], abs=0.006)
        if reference.ceiling is not None:
            assert reference.ceiling == pytest.approx(found["ceiling"], abs=0.006)


def test_references_on_vggss(reference_data: Path) -> None:
    """Disc and ceiling are those of the released boxes; they move with the part of the set."""
    annotations = read_vggss_json(reference_data / "vggss/vggss.json")
    truths = {e.file: box_mask(e.boxes).ravel() for e in annotations.entries}
    for test_set, name in {
        "vgg-ss": "vggss.json",
        "vgg-ss:ezvsl-heard": "ezvsl_vggss_heard_test.csv",
        "vgg-ss:ezvsl-unheard": "ezvsl_vggss_unheard_test.csv",
        "vgg-ss:ssltie-heard": "ssltie_openset_test_110_heard_2425.txt",
        "vgg-ss:ssltie-unheard": "ssltie_openset_test_110_unheard_2463.txt",
    }.items():
        chosen = read_clip_list(reference_data / "vggss" / name).ids
        check_references(
            test_set, reference_scores(truths[clip].astype(np.float64) for clip in chosen)
        )


def test_references_on_flickr(reference_data: Path) -> None:
    """Disc and ceiling on the consensus of the 250 photos' boxes."""
    path = reference_data / "flickr/flickr_soundnet_test250_annotations.json"

    def truths() -> Iterator[NDArray[np.float64]]:
        for photo in json.loads(path.read_text()):
            votes = np.zeros((GRID, GRID))
            for box in photo["boxes_xyxy_1based_256"]:
                xmin, ymin, xmax, ymax = (int(GRID * value / 256) for value in box)
                votes[ymin:ymax, xmin:xmax] += 1
            yield np.minimum(votes / 2, 1).ravel()

    check_references("flickr-soundnet", reference_scores(truths()))


def test_every_reference_is_of_a_known_set() -> None:
    """References belong to tables that published rows, or runs on published lists, can have."""
    parts = {"ezvsl-heard", "ezvsl-unheard", "ssltie-heard", "ssltie-unheard"}
    for test_set, family in REFERENCES:
        name, _, part = test_set.partition(":")
        assert name in leaderboard.PUBLISHED_SIZES
        assert not part or part in parts
        assert family in leaderboard.RANKING
