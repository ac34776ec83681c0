"""Counts of a file of boxes, and their drawings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from vggss_tools.annotate.statistics.counting import statistics
from vggss_tools.annotate.statistics.plots import draw_plots
from vggss_tools.annotate.vggss_json import Entry, read_vggss_json, write_vggss_json
from vggss_tools.classes import vggss_classes

ENTRIES = [
    Entry("video1_000000", "dog barking", ((0.0, 0.0, 0.5, 0.5),)),
    Entry("video2_000000", "dog barking", ((0.0, 0.0, 1.0, 1.0), (0.5, 0.5, 0.5, 0.7))),
    Entry("video3_000000", "airplane", ((0.0, 0.0, 0.2, 0.5),)),
]
PLOTS = ["box-areas.png", "boxes-per-clip.png", "classes.png"]


@pytest.fixture
def annotation_file(tmp_path: Path) -> Path:
    """Return a small file of the published format."""
    path = tmp_path / "boxes.json"
    write_vggss_json(path, ENTRIES)
    return path


def test_clips_classes_boxes_and_areas_are_counted() -> None:
    """A broken box counts as a box and has no area; bars have their lower end."""
    counts = statistics(ENTRIES)
    assert counts["schema"] == "vggss-stats/1"
    assert (counts["n_clips"], counts["n_classes"], counts["n_boxes"]) == (3, 2, 4)
    assert counts["boxes_per_clip"] == {"1": 2, "2": 1}
    assert counts["per_class"] == {"dog barking": 2, "airplane": 1}
    assert counts["box_areas"]["histogram"] == [0, 1, 1, 0, 0, 0, 0, 0, 0, 1]
    assert counts["box_areas"]["median"] == 0.25
    assert counts["box_areas"]["below_40_percent"] == pytest.approx(2 / 3)
    assert counts["clip_areas"]["n"] == 3
    assert counts["broken_boxes"] == {"empty_box": 1}


def test_nothing_is_counted_as_nothing() -> None:
    """An empty list has no median and no share."""
    counts = statistics([])
    assert (counts["n_clips"], counts["per_class"]) == (0, {})
    assert counts["box_areas"]["median"] is None
    assert sorted(draw_plots(counts)) == PLOTS


def test_the_published_file_has_the_papers_counts(
    reference_data: Path, invoke: Callable[..., Result]
) -> None:
    """Appendix B.3's 221 classes, and the clips with 1 to 7 boxes."""
    result = invoke("stats", reference_data / "vggss" / "vggss.json", "--json", "-")
    assert result.exit_code == 0, result.output
    counts = json.loads(result.stdout)
    assert counts["per_class"] == dict(vggss_classes())
    assert (counts["n_clips"], counts["n_classes"], counts["n_boxes"]) == (5158, 221, 5941)
    assert counts["boxes_per_clip"] == {
        "1": 4619, "2": 385, "3": 94, "4": 37, "5": 18, "6": 3, "7": 2,
    }  # fmt: skip
    assert counts["broken_boxes"] == {"empty_box": 6, "sentinel": 12}
    assert round(100 * counts["clip_areas"]["below_40_percent"], 1) == 69.2


def test_people_read_counts_and_bars(annotation_file: Path, invoke: Callable[..., Result]) -> None:
    """Without --json the counts are printed, with the broken boxes said."""
    result = invoke("stats", annotation_file)
    assert result.exit_code == 0, result.output
    assert "boxes.json  (clips: 3; classes: 2; boxes: 4)" in result.stdout
    assert "boxes per clip (several: 1, 33.3%)" in result.stdout
    assert "broken boxes, counted and without an area: 1 empty box" in result.stdout


def test_long_lists_of_classes_show_their_ends_unless_told(
    tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """The first and last classes are printed, and all with --all."""
    path = tmp_path / "boxes.json"
    write_vggss_json(
        path,
        [Entry(f"video{n}_000000", f"class {n}", ((0.0, 0.0, 0.5, 0.5),)) for n in range(30)],
    )
    assert "10 more" in invoke("stats", path).stdout
    every = invoke("stats", path, "--all").stdout
    assert all(f"class {n} " in every for n in range(30))


def test_drawings_and_page_are_written_and_equal_counts_give_equal_bytes(
    annotation_file: Path, tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """Three PNG and one page that holds them; a second run writes the same."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        result = invoke("stats", annotation_file, "--out", folder)
        assert result.exit_code == 0, result.output
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    assert files[0] == files[1]
    assert sorted(files[0]) == [*PLOTS, "statistics.html"]
    for name in PLOTS:
        assert files[0][name].startswith(b"\x89PNG")
        assert b"Matplotlib" not in files[0][name]
    page = files[0]["statistics.html"].decode()
    assert page.count("data:image/png;base64,") == 3
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")


def test_the_users_own_settings_of_matplotlib_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A drawing is the same whatever a program or a file set before."""
    import matplotlib as mpl

    before = draw_plots(statistics(ENTRIES))
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 20, "savefig.transparent": True}):
        assert draw_plots(statistics(ENTRIES)) == before


def test_markup_in_a_class_is_text(tmp_path: Path, invoke: Callable[..., Result]) -> None:
    """A name from a stranger's file is neither a tag on the page nor a formula in a drawing."""
    path = tmp_path / "boxes.json"
    hostile = "<script>alert(1)</script> $\\frac{$ x_1"
    write_vggss_json(path, [Entry("video1_000000", hostile, ((0.0, 0.0, 0.5, 0.5),))])
    result = invoke("stats", path, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "out" / "statistics.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_file_of_any_size_is_drawn(tmp_path: Path, invoke: Callable[..., Result]) -> None:
    """Thousands of classes, names without end or in any script, and clips full of boxes."""
    entries = [
        Entry(f"video{n}_000000", f"class {n}", ((0.0, 0.0, 0.5, 0.5),)) for n in range(3000)
    ]
    entries.append(Entry("many_000000", "鹿の鳴き声 " * 400, ((0.0, 0.0, 0.5, 0.5),) * 5000))
    path = tmp_path / "boxes.json"
    write_vggss_json(path, entries)
    result = invoke("stats", path, "--out", tmp_path / "out", "--all")
    assert result.exit_code == 0, result.output
    assert "Glyph" not in result.stderr
    assert (tmp_path / "out" / "classes.png").stat().st_size < 4_000_000
    assert max(map(len, result.stdout.splitlines())) < 200


def test_drawings_of_another_file_are_not_overwritten(
    annotation_file: Path, tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """Other files of the names are refused, and replaced with --force."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "classes.png").write_bytes(b"mine")
    result = invoke("stats", annotation_file, "--out", out)
    assert result.exit_code == 1
    assert "classes.png: stands there with other contents" in result.stderr
    assert [path.name for path in out.iterdir()] == ["classes.png"]
    assert (out / "classes.png").read_bytes() == b"mine"
    assert invoke("stats", annotation_file, "--out", out, "--force").exit_code == 0


def test_the_input_is_never_written_over(
    annotation_file: Path, invoke: Callable[..., Result]
) -> None:
    """--json with the file's own name is refused."""
    before = annotation_file.read_bytes()
    assert invoke("stats", annotation_file, "--json", annotation_file).exit_code == 6
    assert annotation_file.read_bytes() == before


def test_a_file_that_is_none_of_these_is_refused(
    tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """A file of another form is refused with its name, and a missing one is said to be."""
    path = tmp_path / "other.json"
    path.write_text("{}")
    assert invoke("stats", path).exit_code == 6
    assert invoke("stats", tmp_path / "none.json").exit_code == 1


def test_the_same_file_read_twice_counts_the_same(annotation_file: Path) -> None:
    """Statistics follow from the entries alone."""
    entries = read_vggss_json(annotation_file).entries
    assert statistics(entries) == statistics(reversed(entries))


def test_drawings_do_not_mix_with_other_files(
    annotation_file: Path, tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    """A folder with anything else in it is refused, --force or not, also the file's own."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    for folder in (out, tmp_path):
        for options in ([], ["--force"]):
            result = invoke("stats", annotation_file, "--out", folder, *options)
            assert result.exit_code == 1
            assert f"{folder}: not empty" in result.stderr
    assert [path.name for path in out.iterdir()] == ["notes.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["boxes.json", "out"]
