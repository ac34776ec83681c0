"""Errata: the documented errors of the published boxes, and that only two clips matter."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from vggss_tools.annotate import errata
from vggss_tools.annotate.errata import Errata, errata_of, read_errata
from vggss_tools.annotate.vggss_json import PUBLISHED_SHA256, box_defect, read_vggss_json
from vggss_tools.evaluate.masks import box_mask
from vggss_tools.evaluate.test_set_files import read_test_set
from vggss_tools.resources import resource

EMPTY = {"M1P1xla8rg0_000000", "MKC9LvRivTM_000030"}


@dataclass(frozen=True)
class Read:
    """Something that was read from files of these checksums."""

    sources: tuple[str, ...]


def test_the_published_file_has_eighteen_broken_boxes_and_two_empty_clips() -> None:
    """The table has 12 overflowed and 6 empty boxes, and the clips with nothing else."""
    found = errata_of(Read((PUBLISHED_SHA256,)))
    assert Counter(erratum.kind for erratum in read_errata()) == {
        "sentinel": 12,
        "empty_box": 6,
        "empty_mask": 2,
    }
    assert found.dropped_clips == EMPTY
    assert sum(map(len, found.dropped_boxes.values())) == 18
    assert found.dropped_boxes["UyCw7pCgYg8_000055"] == (2,)
    assert set(found.dropped_boxes) >= EMPTY
    assert all(erratum.reason for erratum in read_errata())


def test_the_table_says_what_the_recorded_facts_say() -> None:
    """`errata.csv` and `vggss_json.yaml` name the same boxes and clips."""
    facts = yaml.safe_load(resource("vggss_json.yaml").read_text(encoding="utf-8"))
    boxes = [(e.clip_id, e.box_index, e.kind) for e in read_errata() if e.action == "drop_box"]
    assert boxes == [(b["clip"], b["box"], b["kind"]) for b in facts["broken_boxes"]]
    assert errata_of(Read((facts["file"]["sha256"],))).dropped_clips == set(facts["empty_masks"])


def test_other_annotations_have_no_errata() -> None:
    """Errata belong to one file, told by its checksum."""
    assert not errata_of(Read(()))
    assert errata_of(Read(("0" * 64,))) == Errata()
    assert errata_of(Read(("0" * 64, PUBLISHED_SHA256)))


def test_dropping_the_broken_boxes_changes_no_mask(reference_data: Path) -> None:
    """So applying the errata leaves out the two clips with an empty mask, and nothing else."""
    path = reference_data / "vggss" / "vggss.json"
    annotations = read_vggss_json(path)
    found = errata_of(read_test_set(path))
    assert found.dropped_clips == EMPTY
    for entry in annotations.entries:
        dropped = found.dropped_boxes.get(entry.file, ())
        broken = tuple(i for i, raw in enumerate(entry.boxes) if box_defect(raw))
        assert dropped == broken
        if dropped:
            assert not box_mask([entry.boxes[i] for i in dropped]).any()
            kept = [raw for i, raw in enumerate(entry.boxes) if i not in dropped]
            assert (box_mask(kept) == box_mask(entry.boxes)).all()
        assert box_mask(entry.boxes).any() == (entry.file not in EMPTY)


def test_negatives_keep_the_errata_of_their_annotations(reference_data: Path) -> None:
    """The extended set is read from the published file too; a copied release is another file."""
    folder = reference_data / "vggss"
    extended = read_test_set(
        folder / "vggss.json", negatives=folder / "slavc_vggss_test_plus_silent.csv"
    )
    found = errata_of(extended)
    assert found.dropped_clips == EMPTY
    left = extended.only([s.name not in found.dropped_clips for s in extended.samples])
    assert len(left) == len(extended) - 2


def test_a_changed_copy_has_no_errata(tmp_path: Path, reference_data: Path) -> None:
    """Indices of boxes mean nothing in another file."""
    items = json.loads((reference_data / "vggss" / "vggss.json").read_bytes())
    path = tmp_path / "copy.json"
    path.write_text(json.dumps(items, indent=1), encoding="utf-8")
    assert not errata_of(read_test_set(path))


@pytest.mark.parametrize(
    "row",
    [
        "0,a_000000,0,typo,drop_box,why",
        "0,a_000000,0,empty_box,drop_clip,why",
        "0,a_000000,,empty_box,drop_box,why",
        "0,a_000000,0,empty_mask,drop_clip,why",
    ],
)
def test_a_row_of_another_form_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str
) -> None:
    """A typing mistake in the table is found when it is read."""
    path = tmp_path / "errata.csv"
    head = "annotation_sha256,clip_id,box_index,kind,action,reason"
    path.write_text(f"{head}\n{row}\n", encoding="utf-8")
    monkeypatch.setattr(errata, "resource", lambda name: tmp_path / name)
    with pytest.raises(ValueError, match="line 2"):
        errata.read_errata.__wrapped__()
