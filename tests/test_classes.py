"""Class lists: what they hold, and that they agree with each other and with the originals."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from vggss_tools.classes import (
    check_class,
    close_classes,
    openimages_classes,
    removed_classes,
    vggsound_classes,
    vggss_classes,
)
from vggss_tools.errors import InvalidInput
from vggss_tools.resources import resource, resource_folder


def test_vggss_has_the_classes_of_the_appendix() -> None:
    """VGG-SS has 221 classes and 5,158 clips, from `playing congas` to `people gargling`."""
    counts = vggss_classes()
    assert len(counts) == 221
    assert sum(counts.values()) == 5158
    assert next(iter(counts.items())) == ("playing congas", 45)
    assert list(counts.items())[-1] == ("people gargling", 10)
    assert list(counts.values()) == sorted(counts.values(), reverse=True)


def test_removed_classes_are_those_of_the_appendix() -> None:
    """49 distinct classes were removed, none of which is in VGG-SS."""
    removed = removed_classes()
    assert len(set(removed)) == len(removed) == 49
    assert not set(removed) & set(vggss_classes())
    assert (removed[0], removed[-1]) == ("running electric fan", "playing lacrosse")


def test_every_class_is_one_of_vggsound() -> None:
    """The names of both appendix lists are spelt as VGG-Sound spells them; 39 more are absent."""
    known = set(vggsound_classes())
    assert len(known) == 309
    assert set(vggss_classes()) | set(removed_classes()) <= known
    assert len(known - set(vggss_classes()) - set(removed_classes())) == 39


def test_vggsound_classes_have_clips_and_a_group() -> None:
    """Each VGG-Sound class has clips and one of nine groups."""
    classes = vggsound_classes().values()
    assert sum(item.clips for item in classes) == 199_176
    assert {item.group for item in classes} == {
        "animals", "home", "music", "nature", "others", "people", "sports", "tools", "vehicle",
    }  # fmt: skip


def test_openimages_classes_are_in_the_official_order() -> None:
    """601 distinct object classes stand in the order of their indices."""
    names = openimages_classes()
    assert len(set(names)) == len(names) == 601
    assert names[:2] == ("Tortoise", "Container")
    assert "Organ (Musical Instrument)" in names


def test_class_lists_cannot_be_changed_by_a_caller() -> None:
    """The lists are shared and therefore read-only."""
    with pytest.raises(TypeError):
        vggss_classes()["playing congas"] = 0  # type: ignore[index]


def test_a_known_class_passes() -> None:
    """A class of VGG-Sound is returned as it is."""
    assert check_class("eletric blender running") == "eletric blender running"


@pytest.mark.parametrize(
    ("mistaken", "meant"),
    [
        ("electric blender running", "eletric blender running"),
        ("Playing Violin", "playing violin, fiddle"),
        ("fiddle", "playing violin, fiddle"),
        ("dog barkin", "dog barking"),
    ],
)
def test_an_unknown_class_is_refused_with_the_nearest_names(mistaken: str, meant: str) -> None:
    """The refusal proposes what was probably meant."""
    assert close_classes(mistaken)[0] == meant
    with pytest.raises(InvalidInput, match=meant) as caught:
        check_class(mistaken)
    assert caught.value.exit_code == 6


def test_a_class_unlike_all_others_is_refused_with_where_the_names_are() -> None:
    """Without a near name the refusal says where to look."""
    with pytest.raises(InvalidInput, match=r"annotations/vggsound_classes\.csv"):
        check_class("0123456789")


def test_a_resource_that_is_not_there_is_named() -> None:
    """Asking for a file that the tool does not bring says which."""
    with pytest.raises(FileNotFoundError, match=r"annotations/nothing\.csv"):
        resource("nothing.csv")


def test_every_table_is_described_in_the_readme() -> None:
    """README.md of the folder has a row for each data file."""
    readme = resource("README.md").read_text(encoding="utf-8")
    data = (".csv", ".txt", ".json", ".yaml")
    names = [item.name for item in resource_folder("annotations").iterdir()]
    assert [name for name in names if name.endswith(data) and f"| `{name}` |" not in readme] == []


def test_tables_equal_their_originals(reference_data: Path) -> None:
    """VGG-Sound's statistics and the OpenImages names are copied without a change."""
    with (reference_data / "vggsound/stat.csv").open(encoding="utf-8", newline="") as handle:
        stat = [(name, int(clips), group) for name, clips, group in csv.reader(handle)]
    assert [tuple(item) for item in vggsound_classes().values()] == stat
    names = (reference_data / "openimages/oid_v6_classes.txt").read_text(encoding="utf-8")
    assert list(openimages_classes()) == names.splitlines()
