"""The review page in a real Chromium: somebody listens, answers, comes back and downloads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from real_browser import BOXES, Server, copy_world, make_world, open_chromium

from vggss_tools.annotate.log import read_events
from vggss_tools.workspace import Workspace

N_CLIPS = 5


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A data directory whose clips have a sounding and a silent box, and no answer."""
    return make_world(tmp_path_factory.mktemp("reviewed") / "world", clips=N_CLIPS)


@pytest.fixture(scope="module")
def folder(world: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported page."""
    from click.testing import CliRunner

    from vggss_tools.cli import group

    out = tmp_path_factory.mktemp("exported") / "spring round"
    done = CliRunner().invoke(
        group, ["export", "review-page", "--data", str(world.root), "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    return out


# Not of the session: only one Playwright can run in a process at a time.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Run the system's Chromium."""
    with open_chromium() as browser:
        yield browser


@pytest.fixture(params=["from a disk", "from a server"])
def url(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """Address of the page: it works from both."""
    if request.param == "from a disk":
        yield (folder / "index.html").as_uri()
        return
    server = Server()
    yield server.add("review", folder) + "index.html"
    server.close()


@pytest.fixture
def page(chromium: Any, url: str) -> Iterator[Any]:
    """The page in a browser that has never seen it; it asks for nothing but its own files."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    yield page
    context.close()
    assert not complaints
    assert {address.rpartition("/media/")[0] or address for address in asked} <= {
        url,
        url.removesuffix("/index.html"),
    }


def start(page: Any, name: str = "Ada <b>") -> None:
    """Give a name, which the page asks for."""
    page.fill("#name", name)
    page.click("#name-ok")
    wait_for(page, "!document.querySelector('dialog[open]')")  # keys are deaf until then


def at(page: Any) -> int:
    """Return the number of the clip that is shown, from 1."""
    return int(page.locator("#where").inner_text().split()[1])


def wait_for(page: Any, condition: str) -> None:
    """Wait in the page; Playwright's own way is an `eval`, which the page forbids."""
    page.evaluate(
        """() => new Promise((resolve, reject) => {
          const late = setTimeout(() => reject(new Error("it did not happen")), 30000);
          const look = () => {
            if (CONDITION) { clearTimeout(late); resolve(); } else requestAnimationFrame(look);
          };
          look();
        })""".replace("CONDITION", condition)
    )


def download(page: Any, target: Path) -> Any:
    """Press the button for the answers; return what was saved."""
    with page.expect_download() as downloaded:
        page.click("#download")
    downloaded.value.save_as(target)
    return json.loads(target.read_text(encoding="utf-8"))


def test_a_reviewer_answers_leaves_comes_back_and_sends_the_answers(
    page: Any, world: Workspace, invoke: Callable[..., Result], tmp_path: Path
) -> None:
    """Y, N, U, a switched box, an undone answer and a reload end up in the log as they were."""
    start(page)
    clips = [clip.clip_id for clip in world.clips()]
    page.keyboard.press("y")
    assert at(page) == 2
    page.keyboard.press("n")
    assert at(page) == 3
    page.keyboard.press("2")  # the silent box of the third clip sounds
    assert page.locator("#box-2").get_attribute("aria-pressed") == "true"
    page.keyboard.press("u")
    page.keyboard.press("y")  # too quick
    assert at(page) == 5
    page.keyboard.press("z")
    assert at(page) == 4
    assert page.locator("#progress-text").inner_text() == "3 of 5 answered"

    page.reload()
    assert at(page) == 4
    assert not page.locator("#name-dialog").is_visible()  # asked for once
    assert page.locator("#reviewer").inner_text() == "Ada <b>"
    assert page.locator("#progress-text").inner_text() == "3 of 5 answered"
    page.keyboard.press("z")  # the reload forgot nothing that can be undone
    assert at(page) == 3
    assert page.locator("#progress-text").inner_text() == "2 of 5 answered"
    page.get_by_role("button", name="Not sure").click()
    assert at(page) == 4
    page.keyboard.press("1")
    page.keyboard.press("ArrowRight")

    answers = download(page, tmp_path / "answers.json")
    assert answers["schema"] == "vggss-answers/1"
    assert (answers["reviewer"], answers["name"]) == ("Ada <b>", "spring round")
    assert [answer["decision"] for answer in answers["answers"]] == ["yes", "no", "not_sure", None]

    workspace = copy_world(world, tmp_path / "world")
    done = invoke("import", "review-page", tmp_path / "answers.json", "--data", workspace.root,
                  "--json", "-")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["events"] == 4
    events = [event for event in read_events(workspace.annotations_log) if event.stage != "auto"]
    places = [box.box for box in BOXES]
    assert [
        (event.clip_id, event.decision, event.stage, [box.sounding for box in event.boxes])
        for event in sorted(events, key=lambda event: event.clip_id)
    ] == [
        (clips[0], "yes", "verify", [True, False]),
        (clips[1], "no", "verify", [True, False]),
        (clips[2], "not_sure", "verify", [True, True]),
        (clips[3], "unseen", "manual", [False, False]),
    ]
    for event in events:
        assert event.reviewer == "Ada <b>"
        assert [box.box for box in event.boxes] == places

    again = invoke("import", "review-page", tmp_path / "answers.json", "--data", workspace.root,
                   "--json", "-")  # fmt: skip
    assert json.loads(again.stdout)["events"] == 0


def test_the_segment_plays_with_sound_and_loops(page: Any) -> None:
    """Play gives five looping seconds with sound, the next clip follows playing, Space pauses."""
    start(page)
    media = "document.getElementById('video')"
    assert page.evaluate(f"{media}.paused")
    page.click("#play")
    wait_for(
        page,
        f"!{media}.paused && {media}.currentTime > 0.4 && {media}.webkitAudioDecodedByteCount > 0"
        f"&& {media}.webkitVideoDecodedByteCount > 0",
    )
    assert page.evaluate(f"[{media}.loop, {media}.muted, {media}.volume]") == [True, False, 1]
    assert page.evaluate(f"{media}.duration") == pytest.approx(5, abs=0.1)
    page.evaluate(f"{media}.currentTime = {media}.duration - 0.2")
    wait_for(page, f"{media}.currentTime < 2 && !{media}.paused")  # round again
    page.keyboard.press("y")
    wait_for(
        page,
        f"{media}.src.endsWith('00001_000000.mp4') && !{media}.paused && {media}.currentTime > 0",
    )
    page.keyboard.press(" ")
    assert page.evaluate(f"{media}.paused")
    page.keyboard.press("m")
    assert page.evaluate(f"{media}.muted")


def test_show_region_goes_to_the_frame_and_switches_boxes(page: Any) -> None:
    """The first press stops at the annotated frame with its boxes, the next ones hide and show."""
    start(page)
    page.keyboard.press(" ")
    page.keyboard.press("r")
    media = "document.getElementById('video')"
    assert page.evaluate(f"{media}.paused")
    assert page.evaluate(f"{media}.currentTime") == pytest.approx(2.5)  # of the segment
    assert page.locator("#frame").is_visible()
    boxes = page.locator("#boxes .box")
    assert boxes.count() == 2
    stage = page.locator("#stage").bounding_box()
    sounding = page.locator('#boxes .box[aria-pressed="true"]').bounding_box()
    box = BOXES[0].box
    assert (sounding["x"] - stage["x"]) / stage["width"] == pytest.approx(box.xmin, abs=0.01)
    assert (sounding["y"] - stage["y"]) / stage["height"] == pytest.approx(box.ymin, abs=0.01)
    assert sounding["width"] / stage["width"] == pytest.approx(box.xmax - box.xmin, abs=0.01)
    assert sounding["height"] / stage["height"] == pytest.approx(box.ymax - box.ymin, abs=0.01)
    page.keyboard.press("r")
    assert boxes.count() == 0
    page.click("#region")
    assert boxes.count() == 2
    boxes.last.click()  # a box itself switches, too
    assert page.locator("#undo").is_enabled()


def test_all_can_be_done_by_keyboard_and_every_control_has_a_name(page: Any) -> None:
    """Dialogs take the keys while they are open; each button says what it is."""
    page.keyboard.type("Yan")  # a name with the letters of answers
    page.keyboard.press("Enter")
    assert page.locator("#reviewer").inner_text() == "Yan"
    assert page.locator("#progress-text").inner_text() == "0 of 5 answered"
    page.keyboard.press("?")
    assert page.get_by_role("dialog", name="How to answer").is_visible()
    page.keyboard.press("y")
    page.keyboard.press("Escape")
    assert page.locator("#progress-text").inner_text() == "0 of 5 answered"
    names = page.evaluate(
        "[...document.querySelectorAll('body > :not(dialog) button, main button')]"
        ".map(b => (b.getAttribute('aria-label') || b.textContent).trim())"
    )
    assert all(names)
    page.locator("#box-1").focus()
    page.keyboard.press(" ")  # plays, and does not press the focused button as well
    assert page.locator("#box-1").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Enter")
    assert page.locator("#box-1").get_attribute("aria-pressed") == "false"
    assert page.evaluate("document.activeElement.id") == "box-1"


def test_the_end_is_said(page: Any, tmp_path: Path) -> None:
    """After the last answer the page says to download; an answer can still be changed."""
    start(page)
    for _ in range(N_CLIPS):
        page.keyboard.press("y")
    assert "Every clip is answered" in page.locator("#finished").inner_text()
    page.keyboard.press("n")
    answers = download(page, tmp_path / "answers.json")
    assert [answer["decision"] for answer in answers["answers"]] == ["yes"] * 4 + ["no"]


@pytest.mark.parametrize("width", [320, 390, 768, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_leaves_the_window(chromium: Any, folder: Path, width: int, scheme: str) -> None:
    """From a small phone to a wide screen there is nothing to scroll sideways for."""
    context = chromium.new_context(viewport={"width": width, "height": 740}, color_scheme=scheme)
    page = context.new_page()
    page.goto((folder / "index.html").as_uri())
    start(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    answers = page.get_by_role("group", name="Your answer").bounding_box()
    assert answers["y"] + answers["height"] <= 740  # in reach without scrolling
    context.close()


def test_a_browser_that_keeps_nothing_says_so(chromium: Any, folder: Path, tmp_path: Path) -> None:
    """Without local storage the page works, warns, and the answers can still be downloaded."""
    context = chromium.new_context()
    page = context.new_page()
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('blocked'); }})"
    )
    page.goto((folder / "index.html").as_uri())
    start(page)
    assert "keeps nothing" in page.locator("#warning").inner_text()
    page.keyboard.press("y")
    answers = download(page, tmp_path / "answers.json")
    assert [answer["decision"] for answer in answers["answers"]] == ["yes"]
    context.close()


def test_two_tabs_of_one_page_keep_both_answers(page: Any, url: str, tmp_path: Path) -> None:
    """What is answered in one tab is taken over by the other, which overwrites nothing."""
    start(page)
    other = page.context.new_page()
    other.goto(url)
    other.keyboard.press("y")
    wait_for(page, "document.getElementById('progress').value === 1")
    assert at(page) == 1
    page.keyboard.press("ArrowRight")
    page.keyboard.press("n")
    answers = download(page, tmp_path / "answers.json")
    assert [answer["decision"] for answer in answers["answers"]] == ["yes", "no"]
