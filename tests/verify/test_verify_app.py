"""A person verifies clips in the real App, in a real Chromium; servers are killed in between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from verify.app_driver import (
    READY,
    App,
    Database,
    browser_page,
    environment_for,
    free_port,
    log_lines,
    need_app,
    open_review,
    press,
    shown_clip,
    start_app,
    until,
)
from verify.fiftyone_scripts import DECISIONS, EDIT, LATER, run_script

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    need_app()
    made = Database(tmp_path_factory.mktemp("database"), free_port())
    made.start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    vggss: Callable[..., subprocess.CompletedProcess[str]],
) -> Path:
    """A sample world of six clips, extracted; the tests below copy it."""
    folder = tmp_path_factory.mktemp("made") / "world"
    made = vggss("sample", folder, "--train", "0", "--test", "6", "--workers", "1")
    assert made.returncode == 0, made.stderr
    assert vggss("--data", folder, "extract", "--workers", "1").returncode == 0
    return folder


@pytest.fixture
def own_world(tmp_path: Path, world: Path) -> Path:
    """A copy that a test may change and kill."""
    return Path(shutil.copytree(world, tmp_path / "world"))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, world: Path, database: Database) -> Iterator[App]:
    """One App for the tests that only use it."""
    folder = tmp_path_factory.mktemp("app")
    started = start_app(
        Path(shutil.copytree(world, folder / "world")), environment_for(folder, database)
    )
    yield started
    started.stop()


def acts(events: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(event["clip_id"], event["stage"], event["decision"]) for event in events]


def test_the_log_holds_exactly_what_a_reviewer_did(app: App, tmp_path: Path) -> None:
    """Y, N and U on three clips, a box toggled and an undo: five events, with sound to hear."""
    before = len(log_lines(app.world))
    with browser_page() as page:
        open_review(page, app)
        done = [press(page, key) for key in "ynu"]
        fourth = shown_clip(page)
        page.keyboard.press("1")
        page.wait_for_selector(".vggss rect.silent")
        page.wait_for_selector(READY)
        page.keyboard.press("z")
        page.wait_for_selector(".vggss rect.sounding")
        page.wait_for_selector(READY)
        heard = page.evaluate(_SOUND)
        page.wait_for_function(f"({_SOUND}).decoded > {heard['decoded']}")
        waits = page.evaluate(_NEXT_CLIP_MS)
        page.screenshot(path=str(tmp_path / "panel.png"))

    assert heard["paused"] is False
    assert heard["muted"] is False
    assert heard["volume"] > 0
    assert heard["decoded"] > 0
    assert len(waits) == 3
    events = log_lines(app.world)[before:]
    assert acts(events) == [
        (done[0], "verify", "yes"),
        (done[1], "verify", "no"),
        (done[2], "verify", "not_sure"),
        (fourth, "manual", "unseen"),
        (fourth, "manual", "unseen"),
    ]
    toggle, undo = events[3:]
    assert [box["sounding"] for box in toggle["boxes"]].count(False) == 1
    assert undo["supersedes"] == toggle["event_id"]
    assert all(box["sounding"] for box in undo["boxes"])
    assert {(event["reviewer"], event["tool"]) for event in events} == {("ann", "vggss verify")}


def test_boxes_are_drawn_moved_resized_and_removed_with_the_pointer(app: App) -> None:
    """Each change of a box is one event with all boxes as they then stand."""
    before = len(log_lines(app.world))

    def logged(number: int) -> None:
        until(lambda: len(log_lines(app.world)) == before + number, f"event {number}")
        page.wait_for_selector(READY)

    with browser_page() as page:
        open_review(page, app)
        n_boxes = page.locator(".vggss rect[data-box]").count()
        drag(page, (0.02, 0.02), (0.12, 0.22))
        logged(1)
        drag(page, (0.07, 0.12), (0.17, 0.12))
        logged(2)
        drag(page, (0.22, 0.22), (0.32, 0.32))
        logged(3)
        page.keyboard.press("Delete")
        logged(4)

    events = log_lines(app.world)[before:]
    boxes = [[box["bbox"] for box in event["boxes"]] for event in events]
    assert [len(each) - n_boxes for each in boxes] == [1, 1, 1, 0]
    assert boxes[0][-1] == pytest.approx([0.02, 0.02, 0.12, 0.22], abs=0.01)
    assert boxes[1][-1] == pytest.approx([0.12, 0.02, 0.22, 0.22], abs=0.01)
    assert boxes[2][-1] == pytest.approx([0.12, 0.02, 0.32, 0.32], abs=0.01)


def test_what_fails_is_said_in_words_of_its_own(app: App) -> None:
    """A video that cannot play, or a next clip that cannot be had, is no answer that is lost."""
    before = len(log_lines(app.world))

    def alarm() -> str:
        page.wait_for_selector(".vggss .alarm > p")
        return str(page.locator(".vggss .alarm").inner_text())

    def only_the_first(route: Any) -> None:
        asked = "/question" in (route.request.post_data or "")
        if asked and shown:
            route.abort()
        else:
            shown.extend([True] if asked else [])
            route.continue_()

    shown: list[bool] = []
    with browser_page() as page:
        page.route("**/media?*", lambda route: route.abort())
        open_review(page, app)
        assert alarm().startswith("The browser cannot play the clip")
        page.unroute("**/media?*")

        page.add_init_script(_NO_SOUND_YET)
        page.route("**/operators/execute", only_the_first)
        open_review(page, app)
        page.wait_for_selector(".vggss .start:not([hidden])")
        page.keyboard.press("y")  # nothing could be heard yet
        page.keyboard.press(" ")
        page.wait_for_selector(".vggss .start", state="hidden")
        assert len(log_lines(app.world)) == before
        page.keyboard.press("y")
        assert alarm().startswith("Saved, but the next clip cannot be shown")
        assert len(log_lines(app.world)) == before + 1


def test_no_answer_is_lost_when_servers_are_killed(tmp_path: Path, own_world: Path) -> None:
    """SIGKILL of the App's server, then of mongod, between two answers: the log has them all."""
    need_app()
    database = Database(tmp_path / "own-database", free_port())
    database.start()
    environment = environment_for(tmp_path, database)
    app = start_app(own_world, environment)
    try:
        with browser_page() as page:
            open_review(page, app)
            first = press(page, "y")
            assert acts(log_lines(own_world)) == [(first, "verify", "yes")]
            second = shown_clip(page)
            for server in app.servers():
                os.kill(server, signal.SIGKILL)
            page.keyboard.press("n")
            # FiftyOne takes the page over when its server is gone, else the panel says it.
            page.wait_for_function(
                "(() => { const panel = document.querySelector('.vggss');"
                " return !panel || panel.dataset.state === 'alarm'; })()"
            )
            assert "every answer is in the log" in app.ends()
            assert acts(log_lines(own_world)) == [(first, "verify", "yes")]

            app = start_app(own_world, environment)
            open_review(page, app)
            assert press(page, "n") == second
            database.kill()
            third = press(page, "u")
            assert acts(log_lines(own_world))[1:] == [
                (second, "verify", "no"),
                (third, "verify", "not_sure"),
            ]
        app.stop()

        database.start()
        assert decisions_in(environment, own_world) == {
            first: "yes",
            second: "no",
            third: "not sure",
        }
    finally:
        app.stop()
        database.kill()


def test_edits_with_fiftyones_own_tools_become_events(
    tmp_path: Path,
    own_world: Path,
    database: Database,
    vggss: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """A tag, a decision and a drawn box are synced once, as the last session's reviewer's."""
    environment = environment_for(tmp_path, database)
    tagged, decided, drawn, unclear = run_script(EDIT, own_world, environment)
    in_database = ("import", "fiftyone", "fiftyone:vggss-tools-test")

    refused = vggss("--data", own_world, *in_database, env=environment)
    assert refused.returncode == 6  # a box without area: the data set is refused whole
    assert unclear in refused.stderr
    sync = ("--data", own_world, "verify", "--sync", "--json")
    refused = vggss(*sync, "--reviewer", "bob", env=environment)
    assert refused.returncode == 1
    assert "--reviewer ann" in refused.stderr
    assert log_lines(own_world) == []

    ran = vggss(*sync, env=environment)
    assert ran.returncode == 0, ran.stderr
    first = json.loads(ran.stdout)
    assert (first["events"], first["reviewer"]) == (3, "ann")
    assert set(first["clips"]) == {tagged, decided, drawn}
    assert [line.split(":")[0] for line in first["ignored"]] == [unclear]
    events = {event["clip_id"]: event for event in log_lines(own_world)}
    assert events[tagged]["decision"] == "no"
    assert events[decided]["decision"] == "not_sure"
    assert (events[drawn]["stage"], events[drawn]["decision"]) == ("manual", "unseen")
    assert events[drawn]["boxes"][-1] == {"bbox": [0.25, 0.25, 0.5, 0.75], "sounding": False}
    assert {(event["reviewer"], event["tool"]) for event in events.values()} == {
        ("ann", "fiftyone")
    }
    found = run_script(LATER, own_world, environment)
    assert found["synced again"] == 0
    assert found["imported, nothing changed"] == 0
    assert found["imported, tagged clip"] == [[drawn, "no"]]
    assert "decided differently" in found["contradiction"]
    assert "made for the data directory" in found["elsewhere"]
    assert found["said in the panel"][0].startswith(f"{unclear}: ")
    assert found["taken out"] == [decided, "unseen", events[decided]["event_id"]]
    assert found["rebuilt"] == [[drawn, "no", "ann"]]
    assert found["told after the rebuild"] == "yes"


def drag(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag over the picture, between two places given as fractions of it."""
    frame = page.locator(".vggss svg").bounding_box()
    page.mouse.move(frame["x"] + start[0] * frame["width"], frame["y"] + start[1] * frame["height"])
    page.mouse.down()
    page.mouse.move(
        frame["x"] + end[0] * frame["width"], frame["y"] + end[1] * frame["height"], steps=5
    )
    page.mouse.up()


def decisions_in(environment: dict[str, str], world: Path) -> dict[str, str]:
    """Bring the data set up to date; return what it says of the clips that people decided."""
    found: dict[str, str] = run_script(DECISIONS, world, environment)
    return found


_SOUND = """(() => {
  const video = document.querySelector('.vggss video.shown');
  return { paused: video.paused, muted: video.muted, volume: video.volume,
    decoded: video.webkitAudioDecodedByteCount };
})()"""
# Playwright's own calls count as gestures, so a browser's refusal is made here.
_NO_SOUND_YET = """
const play = HTMLMediaElement.prototype.play;
let pressed = false;
window.addEventListener("keydown", event => { pressed = pressed || event.key === " "; }, true);
HTMLMediaElement.prototype.play = function () {
  return pressed ? play.call(this)
    : Promise.reject(new DOMException("no gesture yet", "NotAllowedError"));
};
"""
_NEXT_CLIP_MS = """performance.getEntriesByName('vggss-next').map(each => each.duration)"""
