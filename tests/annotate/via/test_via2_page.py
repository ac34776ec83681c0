"""VIA 2.0.11's own page: a person opens our project in it, works, saves, and it comes back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from real_browser import BOXES, Server, copy_world, nearest, relabelled

from vggss_tools.annotate.events import Decision, Event
from vggss_tools.annotate.log import read_events
from vggss_tools.workspace import Workspace

PAGE = "via-2.x.y/src/index.html"
WIDTH, HEIGHT = 320, 240  # of the sample world's frames

MARKUP = "<img src=x onerror=window.hacked=1></textarea><b>dogs</b> & cats"


def source(pages: Path) -> Path:
    """Return the folder of VIA's page."""
    found = sorted(pages.rglob(PAGE))
    assert found, f"{PAGE}: not below {pages}"
    return found[0].parent


def open_project(page: Any, pages: Path, server: Server, project: Path) -> None:
    """Open a project in the page, as a server has it."""
    open_in(page, server.add("via2", source(pages)) + "index.html", project)


def open_in(page: Any, url: str, project: Path) -> None:
    """Open a project with the page's own button and the file chooser."""
    page.goto(url)
    with page.expect_file_chooser() as chooser:
        page.locator('svg:has(title:text-is("Open Project"))').click()
    chooser.value.set_files(project)
    page.wait_for_function("_via_img_count > 0 && _via_current_image_loaded")


def save(page: Any, target: Path) -> Path:
    """Save the project with the page's own button."""
    page.locator('svg:has(title:text-is("Save Project"))').click()
    with page.expect_download() as download:
        page.get_by_role("button", name="OK").click()
    download.value.save_as(target)
    return target


def drag(page: Any, start: tuple[float, float], by: tuple[float, float]) -> None:
    """Drag in the picture, in pixels of the frame."""
    place = page.locator("#region_canvas").bounding_box()
    scale = page.evaluate("_via_canvas_scale")
    x, y = place["x"] + start[0] / scale, place["y"] + start[1] / scale
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by[0] / scale / 2, y + by[1] / scale / 2)
    page.mouse.move(x + by[0] / scale, y + by[1] / scale)
    page.mouse.up()


def click(page: Any, at: tuple[float, float]) -> None:
    """Click in the picture, in pixels of the frame."""
    place = page.locator("#region_canvas").bounding_box()
    scale = page.evaluate("_via_canvas_scale")
    page.mouse.click(place["x"] + at[0] / scale, place["y"] + at[1] / scale)


def answer(page: Any, decision: str) -> None:
    """Choose an answer in the annotation editor, at its tab for files."""
    if not page.evaluate("is_annotation_editor_visible()"):
        page.locator('svg:has(title:text-is("Toggle Annotation Editor"))').click()
    page.locator("#button_edit_file_metadata").click()
    page.locator(f'input[type=radio][value="{decision}"][id^="decision__"]').check()


def export(workspace: Workspace, server: Server, out: Path, invoke: Callable[..., Result]) -> Path:
    """Export a project whose media the server has."""
    url = server.add("media", workspace.root)
    done = invoke("export", "via2", "--data", workspace.root, "--out", out, "--media", f"url:{url}")
    assert done.exit_code == 0, done.output
    return out


def new_events(workspace: Workspace) -> list[Event]:
    """Events that people made."""
    return [event for event in read_events(workspace.annotations_log) if event.reviewer == "ada"]


@pytest.mark.parametrize("media", ["relative", "url", "inline"])
def test_a_box_is_moved_and_the_answer_comes_back(
    media: str, via_pages: Path, world: Workspace, chromium: Any, server: Server,
    invoke: Callable[..., Result], tmp_path: Path,
) -> None:  # fmt: skip
    """A moved box, a switched one, a new one and an answer in VIA 2 are exactly what is logged."""
    workspace = copy_world(world, tmp_path / "world")
    project = tmp_path / "ours.json"
    url = server.add("media", workspace.root)
    option = f"url:{url}" if media == "url" else media
    done = invoke("export", "via2", "--data", workspace.root, "--out", project, "--media", option)
    assert done.exit_code == 0, done.output
    page = chromium.new_page(viewport={"width": 1200, "height": 800})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    if media == "relative":  # VIA's page lies beside the project, as docs/via.md says
        shutil.copytree(source(via_pages), tmp_path, dirs_exist_ok=True)
        open_in(page, (tmp_path / "index.html").as_uri(), project)
    else:
        open_project(page, via_pages, server, project)
    assert page.evaluate("_via_img_count") == 3
    assert page.evaluate("[_via_current_image_width, _via_current_image_height]") == [WIDTH, HEIGHT]

    click(page, (80, 100))  # selects the first box
    drag(page, (80, 100), (40, -20))
    click(page, (315, 5))
    drag(page, (10, 10), (30, 20))  # a new box
    answer(page, "not_sure")
    page.locator("#button_edit_region_metadata").click()
    page.locator('input[type=radio][value="yes"][id="sounding__1__yes"]').check()
    saved = save(page, tmp_path / "saved.json")
    assert not errors
    page.close()

    before = len(read_events(workspace.annotations_log))
    done = invoke("import", "via2", saved, "--data", workspace.root, "--reviewer", "ada",
                  "--json", "-")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["events"] == 1
    (event,) = new_events(workspace)
    assert len(read_events(workspace.annotations_log)) == before + 1
    assert event.clip_id == workspace.clips()[0].clip_id
    assert event.decision is Decision.NOT_SURE
    assert event.stage == "verify"
    assert len(event.boxes) == 3
    expected = [0.1 + 40 / WIDTH, 0.2 - 20 / HEIGHT, 0.4 + 40 / WIDTH, 0.7 - 20 / HEIGHT]
    first = nearest(event, expected)
    assert first.box.as_list() == pytest.approx(expected, abs=1.5 / HEIGHT)
    second = nearest(event, BOXES[1].box.as_list())
    assert second.box == BOXES[1].box  # to the last bit: nobody touched it
    expected = [10 / WIDTH, 10 / HEIGHT, 40 / WIDTH, 30 / HEIGHT]
    third = nearest(event, expected)
    assert third.box.as_list() == pytest.approx(expected, abs=1.5 / HEIGHT)
    assert (first.sounding, second.sounding, third.sounding) == (True, True, True)


def test_a_deleted_box_is_deleted(
    via_pages: Path, world: Workspace, chromium: Any, server: Server,
    invoke: Callable[..., Result], tmp_path: Path,
) -> None:  # fmt: skip
    """A box that is deleted in VIA 2 is gone, and frames that nobody answered give no event."""
    workspace = copy_world(world, tmp_path / "world")
    project = export(workspace, server, tmp_path / "ours.json", invoke)
    page = chromium.new_page(viewport={"width": 1200, "height": 800})
    open_project(page, via_pages, server, project)
    click(page, (220, 170))
    page.keyboard.press("d")
    page.wait_for_function("_via_canvas_regions.length === 1")
    saved = save(page, tmp_path / "saved.json")
    page.close()
    done = invoke("import", "via2", saved, "--data", workspace.root, "--reviewer", "ada")
    assert done.exit_code == 0, done.output
    (event,) = new_events(workspace)
    assert (event.stage, event.decision, event.boxes) == ("manual", "unseen", BOXES[:1])


def test_markup_in_a_class_is_shown_as_text(
    via_pages: Path, world: Workspace, chromium: Any, server: Server,
    invoke: Callable[..., Result], tmp_path: Path,
) -> None:  # fmt: skip
    """VIA puts text into its page as markup; a class shows as itself, and nothing of it runs."""
    workspace = relabelled(world, tmp_path / "world", MARKUP)
    project = export(workspace, server, tmp_path / "ours.json", invoke)
    page = chromium.new_page(viewport={"width": 1200, "height": 800})
    open_project(page, via_pages, server, project)
    page.locator('svg:has(title:text-is("Toggle Annotation Editor"))').click()
    page.locator("#button_edit_file_metadata").click()
    assert page.locator("#class__0").input_value() == MARKUP
    assert page.evaluate("window.hacked") is None
    saved = save(page, tmp_path / "saved.json")
    page.close()
    done = invoke("import", "via2", saved, "--data", workspace.root, "--reviewer", "ada",
                  "--json", "-")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["events"] == 0
