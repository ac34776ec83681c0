"""A person verifies clips in the real App, in a real Chromium; servers are killed in between."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
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
        dismiss_offers(page)
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
    """A tag, a decision and a drawn box are synced once, and a second sync finds nothing."""
    environment = environment_for(tmp_path, database)
    app = start_app(own_world, environment)
    app.stop()
    done = subprocess.run(
        [sys.executable, "-c", _EDIT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    tagged, decided, drawn, unclear = json.loads(done.stdout.splitlines()[-1])

    def sync() -> dict[str, Any]:
        ran = vggss(
            "--data", own_world, "verify", "--reviewer", "bob", "--sync", "--json", env=environment
        )
        assert ran.returncode == 0, ran.stderr
        result: dict[str, Any] = json.loads(ran.stdout)
        return result

    imported = vggss(
        "--data", own_world, "import", "fiftyone", "fiftyone:vggss-tools-test", env=environment
    )
    assert imported.returncode == 6  # a box without area: the data set is refused whole
    assert unclear in imported.stderr
    assert log_lines(own_world) == []

    first = sync()
    assert first["events"] == 3
    assert [line.split(":")[0] for line in first["ignored"]] == [unclear]
    events = {event["clip_id"]: event for event in log_lines(own_world)}
    assert events[tagged]["decision"] == "no"
    assert events[decided]["decision"] == "not_sure"
    assert events[drawn]["decision"] == "unseen"
    assert events[drawn]["boxes"][-1] == {"bbox": [0.25, 0.25, 0.5, 0.75], "sounding": False}
    assert {(event["reviewer"], event["tool"]) for event in events.values()} == {
        ("bob", "fiftyone")
    }
    assert sync()["events"] == 0


def dismiss_offers(page: Any) -> None:
    """Close what FiftyOne advertises over the page; the first click would only do that."""
    offer = page.get_by_text("Dismiss", exact=True)
    if offer.count():
        offer.first.click()
        offer.first.wait_for(state="hidden")


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
    done = subprocess.run(
        [sys.executable, "-c", _DECISIONS, str(world)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


_SOUND = """(() => {
  const video = document.querySelector('.vggss video.shown');
  return { paused: video.paused, muted: video.muted, volume: video.volume,
    decoded: video.webkitAudioDecodedByteCount };
})()"""
_NEXT_CLIP_MS = """performance.getEntriesByName('vggss-next').map(each => each.duration)"""
_DECISIONS = """
import json, sys
import fiftyone as fo
from vggss_tools.verify.review import Review, build
from vggss_tools.workspace import Workspace
build(Review(Workspace(sys.argv[1]), "test", "ann"), print)
frames = fo.load_dataset("vggss-tools-test").select_group_slices("frame")
rows = zip(*frames.values(["clip_id", "decision.label", "opinions"]))
print(json.dumps({clip: decision for clip, decision, opinions in rows if opinions}))
"""
_EDIT = """
import json
import fiftyone as fo
dataset = fo.load_dataset("vggss-tools-test")
frames = list(dataset.select_group_slices("frame"))[:4]
tagged, decided, drawn, unclear = frames
tagged.tags.append("rejected")
decided["decision"] = fo.Classification(label="not sure")
drawn["ground_truth"].detections.append(
    fo.Detection(label="dog barking", bounding_box=[0.25, 0.25, 0.25, 0.5], tags=["silent"])
)
unclear["ground_truth"].detections.append(fo.Detection(label="x", bounding_box=[0.5, 0.5, 0, 0]))
for sample in frames:
    sample.save()
print(json.dumps([sample.clip_id for sample in frames]))
"""
