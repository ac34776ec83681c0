"""VGGSounder's labels: read from the installed package's table, without importing it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from vggss_tools.classes import vggsound_classes
from vggss_tools.errors import InvalidInput, MissingExtra, VggssError
from vggss_tools.evaluate.subsets import choose_subset, choose_subsets
from vggss_tools.evaluate.test_set_files import read_test_set
from vggss_tools.evaluate.test_sets import Sample, TestSet
from vggss_tools.evaluate.vggsounder import (
    COLUMNS,
    LABEL_SUBSETS,
    TABLE,
    SounderClip,
    read_vggsounder,
)

HEADER = ",".join(COLUMNS)
ROWS = (
    "a_000000,dog barking,AV,False,False,False",
    "a_000000,owl hooting,A,False,False,False",
    "b_000000,owl hooting,A,False,True,False",
    'c_000000,"child speech, kid speaking",V,False,False,True',
    "d_000000,owl hooting,AV,True,False,False",
)

installed = pytest.mark.skipif(
    find_spec("vggsounder") is None, reason="vggsounder is not installed"
)


def table(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return path


def clips_of(*pairs: tuple[str, str]) -> TestSet:
    edges = np.array([[0, 0, 9, 9]])
    return TestSet(
        "own", "0", tuple(Sample(name, name, name, label, edges) for name, label in pairs)
    )


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a package of the name, which must not be imported, and return its table."""
    folder = tmp_path / "site" / "vggsounder"
    path = table(folder / TABLE, *ROWS)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n", encoding="utf-8")
    monkeypatch.delitem(sys.modules, "vggsounder", raising=False)
    monkeypatch.syspath_prepend(folder.parent)
    return path


def test_labels_are_read_by_clip(tmp_path: Path) -> None:
    """A clip has all labels of its rows, each with what it is, and its own marks once."""
    sounder = read_vggsounder(table(tmp_path / "labels.csv", *ROWS))
    assert sounder.version == "labels.csv"
    assert dict(sounder.clips) == {
        "a_000000": SounderClip({"dog barking": "AV", "owl hooting": "A"}, False, False, False),
        "b_000000": SounderClip({"owl hooting": "A"}, False, True, False),
        "c_000000": SounderClip({"child speech, kid speaking": "V"}, False, False, True),
        "d_000000": SounderClip({"owl hooting": "AV"}, True, False, False),
    }


@pytest.mark.parametrize(
    ("subset", "chosen"),
    [
        ("covered", "abc"),
        ("audible-visible", "a"),
        ("audible-only", "b"),
        ("visible-only", "c"),
        ("other-labels", ""),
        ("static-image", "b"),
        ("voice-over", "c"),
        ("background-music", "d"),
        ("several-sources", "a"),
        ("one-source", "bc"),
        ("not:static-image", "ac"),
        ("not:background-music", "abc"),
        ("not:covered", "de"),
    ],
)
def test_subsets_by_label(package: Path, subset: str, chosen: str) -> None:
    """Clips that nothing is said of are neither in a subset nor in its opposite."""
    test_set = clips_of(
        ("a_000000", "dog barking"),
        ("b_000000", "owl hooting"),
        ("c_000000", "child speech, kid speaking"),
        ("d_000000", "owl hooting"),
        ("e_000000", "owl hooting"),
    )
    negated = "not:" if subset.startswith("not:") else ""
    spec = f"{negated}vggsounder:{subset.removeprefix('not:')}"
    if not chosen:
        with pytest.raises(InvalidInput, match="no sample of own is in it"):
            choose_subset(test_set, spec)
        return
    found = choose_subset(test_set, spec)
    assert "".join(s.name[0] for s in test_set.only(found.mask).samples) == chosen
    if "covered" not in subset:
        n = 4 if "music" in subset else 3
        assert f"of an unknown version labels {n} of 5 samples" in found.notes[0]


def test_a_clip_with_another_class_has_other_labels(package: Path) -> None:
    """The clip's own class is looked for among the labels, as it is spelt."""
    test_set = clips_of(("a_000000", "cat purring"), ("b_000000", "owl hooting"))
    assert choose_subset(test_set, "vggsounder:other-labels").mask.tolist() == [True, False]


def test_negatives_are_nothing_that_vggsounder_speaks_of(package: Path) -> None:
    """The picture of one clip with the sound of another is in no subset of labels."""
    own = clips_of(("a_000000", "dog barking")).samples[0]
    other = Sample("x", "a_000000", "b_000000", "", np.empty((0, 4), np.int64), negative=True)
    test_set = TestSet("own-extended", "0", (own, other))
    assert choose_subset(test_set, "vggsounder:covered").mask.tolist() == [True, False]


def test_without_the_package_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line says what to install."""
    monkeypatch.setitem(sys.modules, "vggsounder", None)
    with pytest.raises(MissingExtra, match=r"pip install 'vggss-tools\[vggsounder\]'"):
        choose_subset(clips_of(("a_000000", "owl hooting")), "vggsounder:covered")


def test_a_package_without_the_table_is_refused(package: Path) -> None:
    """Another version's folder is named, with the version that has it."""
    package.unlink()
    with pytest.raises(VggssError, match=r"no such file; install vggsounder 1\.0") as caught:
        read_vggsounder()
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("rows", "header", "cause"),
    [
        (ROWS, "video_id,label,modality", "no column background_music, static_image, voice_over"),
        (["a_000000,dog barking,X,False,False,False"], HEADER, "line 2: "),
        (["a_000000,dog barking"], HEADER, "line 2: "),
        ([ROWS[0], ROWS[0]], HEADER, "line 3: a_000000 has the label 'dog barking' twice"),
        (["a_000000,dog barking,A,yes,False,False"], HEADER, "background_music is 'yes'"),
        ([ROWS[0], "a_000000,x,A,False,True,False"], HEADER, "described in two ways"),
        (['a_000000,"dog'], HEADER, "unexpected end of data"),
    ],
)
def test_another_table_is_refused(
    tmp_path: Path, rows: Sequence[str], header: str, cause: str
) -> None:
    """The line names the file, its line and the cause."""
    path = table(tmp_path / "labels.csv", *rows, header=header)
    with pytest.raises(InvalidInput) as caught:
        read_vggsounder(path)
    assert caught.value.message.startswith(f"{path}: not VGGSounder's label table (")
    assert cause in caught.value.message


def test_a_table_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Binary data gives one line."""
    path = tmp_path / "labels.csv"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InvalidInput, match="not VGGSounder's label table"):
        read_vggsounder(path)


@installed
def test_the_package_labels_with_vggsounds_classes() -> None:
    """Every class of VGG-Sound is a label, and nothing else is."""
    sounder = read_vggsounder()
    assert {label for clip in sounder.clips.values() for label in clip.labels} == set(
        vggsound_classes()
    )


@installed
def test_what_vggsounder_says_of_vggss(reference_data: Path) -> None:
    """Its 4,401 clips of VGG-SS: 584 lack the class, 542 hear it unseen, 71% have more sources."""
    if read_vggsounder().version != "vggsounder 1.0":
        pytest.skip("the figures are those of vggsounder 1.0")
    test_set = read_test_set(reference_data / "vggss" / "vggss.json")
    counts = Counter(
        {n: int(choose_subset(test_set, f"vggsounder:{n}").mask.sum()) for n in LABEL_SUBSETS}
    )
    assert counts == {
        "covered": 4401,
        "audible-visible": 3230,
        "audible-only": 542,
        "visible-only": 45,
        "other-labels": 584,
        "static-image": 236,
        "voice-over": 570,
        "background-music": 708,
        "several-sources": 3116,
        "one-source": 1285,
    }
    assert round(100 * counts["several-sources"] / counts["covered"]) == 71
    has_class = ["vggsounder:covered", "not:vggsounder:other-labels"]
    both = {
        name: int(choose_subsets(test_set, [*has_class, f"vggsounder:{name}"]).mask.sum())
        for name in ("covered", "audible-only", "visible-only", "static-image", "voice-over")
    }
    assert both == {
        "covered": 3817,
        "audible-only": 542,
        "visible-only": 45,
        "static-image": 206,
        "voice-over": 488,
    }
