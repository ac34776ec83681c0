"""VIA 3.0.10's own page: a person opens our project in it, works, saves, and it comes back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from clip_maker import make_clip
from project_items import make_item
from real_browser import BOXES, Server, copy_world, nearest, relabelled

from vggss_tools.annotate.events import Decision
from vggss_tools.annotate.formats.displayed_size import displayed_size
from vggss_tools.annotate.log import read_events
from vggss_tools.workspace import Workspace

SOURCE = "via-3.x.y/src"
PAGE = "html/_via_video_annotator.html"
WIDTH, HEIGHT = 320, 240  # of the sample world's clips
FRAME = 4.96

MARKUP = "<img src=x onerror=window.hacked=1></textarea><b>dogs</b> & cats"


def source(pages: Path) -> Path:
    """Return the folder of VIA's pages, styles and scripts."""
    found = sorted(pages.rglob(f"{SOURCE}/{PAGE}"))
    assert found, f"{SOURCE}/{PAGE}: not below {pages}"
    return found[0].parents[1]


def open_project(page: Any, pages: Path, server: Server, project: Path) -> None:
    """Open a project in the page, as a server has it."""
    open_in(page, server.add("via3", source(pages)) + PAGE, project)


def open_in(page: Any, url: str, project: Path) -> None:
    """Open a project with the page's own button and the file chooser."""
    page.goto(url)
    with page.expect_file_chooser() as chooser:
        page.locator('svg:has(title:text-is("Open a VIA Project"))').click()
    chooser.value.set_files(project)
    page.wait_for_selector("video#file_content")
    page.wait_for_function("via.va.temporal_segmenter && via.va.temporal_segmenter.smid")


def show_frame(page: Any) -> None:
    """Click the mark of the boxes on the timeline, which goes to their frame and shows them."""
    page.wait_for_function("Object.keys(via.va.temporal_segmenter.smid).length === 1")
    x = page.evaluate(f"via.va.temporal_segmenter._tmetadata_gtimeline_time2canvas({FRAME})")
    page.locator("canvas.gtimeline").click(position={"x": x, "y": 8})
    page.wait_for_function("Object.keys(via.va.file_annotator[0][0].creg).length > 0")
    page.wait_for_function(
        f"Math.abs(document.getElementById('file_content').currentTime - {FRAME}) < 0.001"
    )


def save(page: Any, target: Path) -> Path:
    """Save the project with the page's own button."""
    with page.expect_download() as download:
        page.locator('svg:has(title:text-is("Save current VIA Project"))').click()
    download.value.save_as(target)
    return target


def point(page: Any, at: tuple[float, float]) -> tuple[float, float]:
    """Return where a place of the frame, in its pixels, is in the window."""
    area = page.locator("#input").bounding_box()
    scale = page.evaluate("via.va.file_annotator[0][0].cscale")
    return area["x"] + at[0] / scale, area["y"] + at[1] / scale


def drag(page: Any, start: tuple[float, float], by: tuple[float, float]) -> None:
    """Drag in the picture, in pixels of the frame."""
    page.mouse.move(*point(page, start))
    page.mouse.down()
    page.mouse.move(*point(page, (start[0] + by[0] / 2, start[1] + by[1] / 2)))
    page.mouse.move(*point(page, (start[0] + by[0], start[1] + by[1])))
    page.mouse.up()


def export(
    workspace: Workspace,
    server: Server,
    out: Path,
    invoke: Callable[..., Result],
    media: str = "url",
) -> Path:
    """Export a project whose media are on the server, on the disk, or in it."""
    option = f"url:{server.add('media', workspace.root)}" if media == "url" else media
    done = invoke("export", "via3", "--data", workspace.root, "--out", out, "--media", option)
    assert done.exit_code == 0, done.output
    return out


@pytest.mark.parametrize("media", ["relative", "url", "inline"])
def test_a_box_is_moved_and_the_answer_comes_back(
    media: str,
    via_pages: Path, world: Workspace, chromium: Any, server: Server,
    invoke: Callable[..., Result], tmp_path: Path,
) -> None:  # fmt: skip
    """A moved box, a switched one, a new one and an answer in VIA 3 are exactly what is logged."""
    workspace = copy_world(world, tmp_path / "world")
    shutil.copytree(source(via_pages), tmp_path / "via")
    beside = tmp_path / "via" / PAGE  # a project with relative paths lies beside VIA's page
    project = export(workspace, server, beside.with_name("ours.json"), invoke, media)
    page = chromium.new_page(viewport={"width": 1200, "height": 800})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    if media == "relative":
        open_in(page, beside.as_uri(), project)
    else:
        open_project(page, via_pages, server, project)
    assert page.evaluate("via.d.store.project.vid_list.length") == 3

    # The five seconds round the frame are marked, and the file is played from a server in parts.
    segments = page.evaluate("Object.values(via.d.store.metadata).filter(m => m.z.length === 2)"
                             ".map(m => m.z)")  # fmt: skip
    assert segments == [[2.46, 7.46]] * 3

    show_frame(page)
    page.mouse.click(*point(page, (60, 140)))  # selects the first box
    drag(page, (60, 140), (40, -20))
    page.mouse.click(*point(page, (315, 5)))  # unselects it
    drag(page, (270, 10), (30, 20))  # a new box
    page.mouse.click(*point(page, (225, 170)))  # the second box
    page.locator('#smetadata_container input[type=radio][value="yes"]').check()
    page.locator('#fmetadata_container input[type=radio][value="no"]').check()
    saved = save(page, tmp_path / "saved.json")
    assert not errors
    page.close()

    done = invoke("import", "via3", saved, "--data", workspace.root, "--reviewer", "ada",
                  "--json", "-")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["events"] == 1
    *before, event = read_events(workspace.annotations_log)
    assert len(before) == 3
    assert event.reviewer == "ada"
    assert event.clip_id == workspace.clips()[0].clip_id
    assert event.decision is Decision.NO
    assert event.stage == "verify"
    assert len(event.boxes) == 3
    expected = [0.1 + 40 / WIDTH, 0.2 - 20 / HEIGHT, 0.4 + 40 / WIDTH, 0.7 - 20 / HEIGHT]
    first = nearest(event, expected)
    assert first.box.as_list() == pytest.approx(expected, abs=1.5 / HEIGHT)
    second = nearest(event, BOXES[1].box.as_list())
    assert second.box == BOXES[1].box  # to the last bit: nobody moved it
    expected = [270 / WIDTH, 10 / HEIGHT, 300 / WIDTH, 30 / HEIGHT]
    third = nearest(event, expected)
    assert third.box.as_list() == pytest.approx(expected, abs=1.5 / HEIGHT)
    assert (first.sounding, second.sounding, third.sounding) == (True, True, True)


def test_the_clip_plays_with_sound_and_what_is_not_answered_adds_nothing(
    via_pages: Path, world: Workspace, chromium: Any, server: Server,
    invoke: Callable[..., Result], tmp_path: Path,
) -> None:  # fmt: skip
    """VIA 3 plays picture and sound of a clip; looking alone changes nothing in the log."""
    workspace = copy_world(world, tmp_path / "world")
    project = export(workspace, server, tmp_path / "ours.json", invoke)
    page = chromium.new_page()
    open_project(page, via_pages, server, project)
    page.locator("#file_content").click()  # a person's press, without which no sound is allowed
    page.evaluate("document.getElementById('file_content').play()")
    page.wait_for_function(
        "(v => !v.paused && v.currentTime > 0.3 && v.webkitAudioDecodedByteCount > 0)"
        "(document.getElementById('file_content'))"
    )
    page.evaluate("document.getElementById('file_content').pause()")
    page.locator('svg:has(title:text-is("Show Next File"))').click()
    page.wait_for_selector("video#file_content")
    saved = save(page, tmp_path / "saved.json")
    page.close()
    done = invoke("import", "via3", saved, "--data", workspace.root, "--reviewer", "ada",
                  "--json", "-")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["events"] == 0
    assert len(read_events(workspace.annotations_log)) == 3


def test_markup_in_a_class_is_shown_as_text(
    via_pages: Path, world: Workspace, chromium: Any, server: Server,
    invoke: Callable[..., Result], tmp_path: Path,
) -> None:  # fmt: skip
    """VIA puts text into its page as markup; a class shows as itself, and nothing of it runs."""
    workspace = relabelled(world, tmp_path / "world", MARKUP)
    project = export(workspace, server, tmp_path / "ours.json", invoke)
    page = chromium.new_page(viewport={"width": 1200, "height": 800})
    open_project(page, via_pages, server, project)
    assert page.locator("#fmetadata_container textarea").input_value() == MARKUP
    assert page.evaluate("window.hacked") is None
    saved = save(page, tmp_path / "saved.json")
    page.close()
    done = invoke("import", "via3", saved, "--data", workspace.root, "--reviewer", "ada",
                  "--json", "-")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["events"] == 0


def test_wide_pixels_are_counted_as_the_page_counts_them(
    via_pages: Path, chromium: Any, server: Server, tmp_path: Path
) -> None:
    """A browser shows a clip in the size in which its boxes are written, whatever its pixels."""
    for options, frame in (("setsar=2/1", (96, 64)), ("setsar=1/2", (96, 64))):
        clip = make_clip(tmp_path / f"{options[-3]}.mp4", seconds=1, options=("-vf", options))
        width, height = frame
        written = displayed_size(make_item(clip=clip, width=width, height=height))
        url = server.add("wide", tmp_path) + clip.name
        page = chromium.new_page()
        page.goto(f"{server.url}/wide/")
        page.set_content(f'<video preload=auto src="{url}"></video>')
        page.wait_for_function("document.querySelector('video').videoWidth > 0")
        video = "document.querySelector('video')"
        assert page.evaluate(f"[{video}.videoWidth, {video}.videoHeight]") == list(written)
        page.close()
