"""``vggss audit``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from clip_digests import digests_of

from vggss_tools.annotate.audit.second_opinion import DOUBTS, ask_vggsounder
from vggss_tools.annotate.audit.test_clips import TABLE, vggsound_test_clips
from vggss_tools.annotate.errata import read_errata
from vggss_tools.annotate.vggss_json import read_vggss_json
from vggss_tools.evaluate.vggsounder import read_vggsounder
from vggss_tools.resources import resource

Invoke = Callable[..., Result]

# In VGG-Sound's test split, and not.
INSIDE = "zpWuikVorYg_000032"
OUTSIDE = "zpWuikVorYg_000033"
GOOD = [0.1, 0.2, 0.5, 0.75]


def write(path: Path, *entries: tuple[str, list[list[float]]], label: str = "elk bugling") -> Path:
    value = [{"file": file, "class": label, "bbox": boxes} for file, boxes in entries]
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def audited(invoke: Invoke, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    result = invoke("audit", *arguments, "--json", "-")
    value = json.loads(result.stdout)
    assert value["schema"] == "vggss-audit/1"
    return result.exit_code, value


@pytest.mark.parametrize(
    ("boxes", "findings"),
    [
        ([GOOD], []),
        ([GOOD, [0.1, 0.2, 0.5, 0.76]], [("duplicate", 1)]),
        ([GOOD, [0.1, 0.2, 0.5, 0.2]], [("empty_box", 1)]),
        ([GOOD, [0.5, 0.2, 0.1, 0.75]], [("empty_box", 1)]),
        ([[0.1, 0.2, -2.88e16, 0.5], GOOD], [("sentinel", 0)]),
        ([[0.1, 0.2, 0.5, 1.001], GOOD], [("sentinel", 0)]),
        ([[0.3, 0.3, 0.3, 0.3]], [("empty_box", 0), ("empty_mask", None)]),
        ([[0.0, 0.0, 1.0, 1.0]], [("full_frame", 0)]),
        ([[0.0, 0.0, 1.0, 0.99]], []),
    ],
)
def test_each_defect_has_its_kind_and_box(
    boxes: list[list[float]], findings: list[tuple[str, int | None]], invoke: Invoke, tmp_path: Path
) -> None:
    """Findings name the kind, the clip and the box; the exit code says whether there are any."""
    code, value = audited(invoke, write(tmp_path / "a.json", (INSIDE, boxes)))
    assert [(f["kind"], f["box_index"]) for f in value["findings"]] == findings
    assert {f["clip_id"] for f in value["findings"]} <= {INSIDE}
    assert sum(value["counts"].values()) == len(findings)
    assert code == (6 if findings else 0)


def test_a_clip_outside_the_test_split(invoke: Invoke, tmp_path: Path) -> None:
    """VGG-Sound's split is asked, unless another list or none is."""
    path = write(tmp_path / "a.json", (INSIDE, [GOOD]), (OUTSIDE, [GOOD]))
    _, value = audited(invoke, path)
    assert [(f["clip_id"], f["kind"]) for f in value["findings"]] == [(OUTSIDE, "not_in_test")]
    assert audited(invoke, path, "--test-clips", "none")[0] == 0
    clips = tmp_path / "clips.txt"
    clips.write_text(f"{OUTSIDE}\n", encoding="ascii")
    _, value = audited(invoke, path, "--test-clips", clips)
    assert [f["clip_id"] for f in value["findings"]] == [INSIDE]


def test_an_entry_that_stands_twice_is_found(invoke: Invoke, tmp_path: Path) -> None:
    """What other commands refuse is what an audit is for."""
    path = write(tmp_path / "a.json", (INSIDE, [GOOD]), (INSIDE, [GOOD]))
    _, value = audited(invoke, path)
    assert [(f["kind"], f["box_index"]) for f in value["findings"]] == [("duplicate", None)]


@pytest.mark.parametrize("content", ["", "{}", '[{"file": "../x", "class": "a", "bbox": []}]'])
def test_a_file_of_another_format_is_one_line(content: str, invoke: Invoke, tmp_path: Path) -> None:
    """It cannot be audited, and nothing is written."""
    path = tmp_path / "a.json"
    path.write_text(content, encoding="utf-8")
    result = invoke("audit", path, "--json", "-")
    assert result.exit_code == 6
    assert not result.stdout
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_audited_file_is_not_written_over(invoke: Invoke, tmp_path: Path) -> None:
    """Neither by the result nor by the list of doubtful clips."""
    path = write(tmp_path / "a.json", (INSIDE, [GOOD]))
    before = path.read_bytes()
    for options in (
        ["--json", path],
        ["--second-opinion", "vggsounder", "--doubtful", path],
    ):
        assert invoke("audit", path, *options).exit_code == 6
        assert path.read_bytes() == before


def test_the_published_file(invoke: Invoke, reference_data: Path) -> None:
    """Exactly its known defects are found; the table of errata has the broken ones."""
    code, value = audited(invoke, reference_data / "vggss" / "vggss.json")
    assert code == 6
    assert value["counts"] == {
        "sentinel": 12, "empty_box": 6, "empty_mask": 2, "duplicate": 11, "full_frame": 3,
        "not_in_test": 0,
    }  # fmt: skip
    assert value["n_classes"] == 221
    broken = {"sentinel", "empty_box", "empty_mask"}
    assert {
        (f["clip_id"], f["box_index"], f["kind"]) for f in value["findings"] if f["kind"] in broken
    } == {(e.clip_id, e.box_index, e.kind) for e in read_errata()}


def test_the_table_of_the_test_split(reference_data: Path) -> None:
    """It is made from the published list, and has each of its clips."""
    text = digests_of(reference_data / "vggsound" / "test.csv")
    assert resource(TABLE).read_text(encoding="ascii") == text
    assert len(vggsound_test_clips()) == 15_446


def test_a_second_opinion_on_the_published_file(
    invoke: Invoke, reference_data: Path, tmp_path: Path
) -> None:
    """The clips that VGGSounder doubts are counted, and handed on with their reasons."""
    pytest.importorskip("vggsounder")
    out = tmp_path / "verify" / "doubtful.txt"
    _, value = audited(
        invoke, reference_data / "vggss" / "vggss.json",
        "--second-opinion", "vggsounder", "--data", tmp_path,
    )  # fmt: skip
    opinion = value["second_opinion"]
    assert (opinion["covered"], opinion["confirmed"]) == (4401, 3817)
    assert opinion["counts"] == {
        "other-labels": 584, "audible-only": 542, "visible-only": 45,
        "static-image": 206, "voice-over": 488,
    }  # fmt: skip
    lines = [line.split("\t") for line in out.read_text(encoding="utf-8").splitlines()]
    assert {clip: reasons.split(", ") for clip, reasons in lines} == opinion["doubtful"]


def test_a_second_opinion_asks_only_of_labelled_clips(tmp_path: Path) -> None:
    """Clips under music, and clips that the table lacks, are not doubted."""
    table = tmp_path / "labels.csv"
    table.write_text(
        "video_id,label,modality,background_music,static_image,voice_over\n"
        "aaaaaaaaaaa_000001,elk bugling,AV,False,False,False\n"
        "aaaaaaaaaaa_000002,elk bugling,A,False,True,True\n"
        "aaaaaaaaaaa_000003,dog barking,AV,False,True,False\n"
        "aaaaaaaaaaa_000004,dog barking,AV,True,False,False\n",
        encoding="utf-8",
    )
    clips = [f"aaaaaaaaaaa_{number:06d}" for number in range(1, 6)]
    path = write(tmp_path / "a.json", *((clip, [GOOD]) for clip in clips))
    opinion = ask_vggsounder(read_vggss_json(path).entries, read_vggsounder(table))
    assert (opinion.n_clips, opinion.covered, opinion.confirmed) == (5, 3, 2)
    assert opinion.doubtful == {
        clips[1]: ("audible-only", "static-image", "voice-over"),
        clips[2]: ("other-labels",),
    }
    assert set(opinion.counts()) == set(DOUBTS)
