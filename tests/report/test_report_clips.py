"""Which clips are shown, what is drawn on them, and the sounds that they carry."""

from __future__ import annotations

import base64
import json
import re
import wave
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from report.html_page import parse
from report.report_case import Case

from vggss_tools.errors import InvalidInput
from vggss_tools.evaluate.predictions import write_predictions
from vggss_tools.evaluate.protocols import PROTOCOLS, RankedMap
from vggss_tools.media.audio import write_wav
from vggss_tools.media.encode import ffmpeg_path
from vggss_tools.report import sounds
from vggss_tools.report.clip_choice import choose_clips, disagreement
from vggss_tools.report.outlines import CORNERS_MOST, SCALE, outline
from vggss_tools.report.regions import predicted_mask
from vggss_tools.report.sounds import sound_uri

Invoke = Callable[..., Result]

tables = st.dictionaries(st.sampled_from("abcdefghijkl"), st.floats(0, 1))


@given(
    st.lists(st.sampled_from("abcdefghijkl"), unique=True),
    st.lists(st.lists(tables, min_size=1, max_size=2), max_size=3),
    st.integers(0, 15),
)
def test_choice(names: list[str], scores: list[list[dict[str, float]]], count: int) -> None:
    """As many clips as asked for, each once, whatever is known of them; in any order the same."""
    groups = choose_clips(names, scores, count)
    chosen = [name for group in groups for name in group.names]
    assert len(chosen) == len(set(chosen)) == min(count, len(names))
    assert set(chosen) <= set(names)
    assert choose_clips(names[::-1], scores, count) == groups


def test_best_and_worst_are_those() -> None:
    """By the first protocol; between them those on which the protocols disagree."""
    first = {name: i / 11 for i, name in enumerate("abcdefghijkl")}
    second = {**first, "e": 1.0}
    best, apart, worst = choose_clips(list(first), [[first], [second]], 6)
    assert (best.key, best.names) == ("best", ("l", "k"))
    assert (apart.key, apart.names[0]) == ("disagreed", "e")
    assert (worst.key, worst.names) == ("worst", ("b", "a"))
    assert choose_clips(list(first), [[first]], 6)[1].key == "between"
    assert choose_clips(list(first), [], 6)[0].key == "spread"


def test_disagreement_is_between_runs_where_there_are_several() -> None:
    """Of one protocol's scores; protocols differ by their rules already."""
    assert disagreement("a", [[{"a": 0.2}], [{"a": 0.9}]]) == pytest.approx(0.7)
    assert disagreement("a", [[{"a": 0.2}, {"a": 0.3}], [{"a": 0.9}, {"a": 0.8}]]) == (
        pytest.approx(0.1)
    )
    assert disagreement("b", [[{"a": 0.2}], [{"a": 0.9}]]) == 0


def fill(path: str, size: int) -> np.ndarray:
    """The mask that an outline encloses."""
    contours = [
        np.array([[float(n) for n in point.split()] for point in part.rstrip("Z").split("L")])
        for part in path.split("M")[1:]
    ]
    mask = np.zeros((size, size), dtype=np.uint8)
    scaled = [np.rint(c * size / SCALE - 0.5).astype(np.int32) for c in contours]
    cv2.drawContours(mask, scaled, -1, 1, thickness=cv2.FILLED)
    return mask.astype(bool)


def test_outline_encloses_the_mask() -> None:
    """Two islands, one with a hole: drawn again from its outline it is the same but for edges."""
    mask = np.zeros((224, 224), dtype=bool)
    mask[20:120, 30:200] = True
    mask[150:180, 5:60] = True
    mask[50:90, 60:140] = False
    again = fill(outline(mask), 224)
    assert np.mean(again[mask]) > 0.99
    assert np.mean(again[55:85, 65:135]) < 0.01
    assert outline(np.zeros((224, 224), dtype=bool)) == ""
    assert outline(np.ones((224, 224), dtype=bool)).count("L") == 3


@given(hnp.arrays(np.bool_, (40, 40)))
def test_outline_stays_in_the_frame_and_in_bounds(mask: np.ndarray) -> None:
    """Specks may be left out, corners never lie outside."""
    path = outline(mask)
    assert bool(path) == bool(mask.any())
    numbers = [int(n) for n in re.findall(r"\d+", path)]
    assert all(0 <= n <= SCALE for n in numbers)


def test_outline_of_noise_is_cut_short() -> None:
    """A map of specks does not fill the page."""
    noise = np.random.default_rng(0).random((224, 224)) > 0.5
    assert len(re.findall(r"\d+ \d+", outline(noise))) <= CORNERS_MOST + 2000


@pytest.mark.parametrize("name", PROTOCOLS)
def test_drawn_region_is_the_scored_one(name: str) -> None:
    """Under every protocol; of a sweep at the chosen threshold, guided by a prior if it was."""
    rng = np.random.default_rng(3)
    raw, prior = rng.normal(size=(2, 7, 7)).astype(np.float32)
    protocol, area = PROTOCOLS[name], 9000
    result = {"protocol": name, "extra": {}}
    found = predicted_mask(protocol, result, raw, area, None)
    assert found is not None
    assert np.array_equal(found, protocol.predict(raw, area))
    guided = predicted_mask(protocol, {**result, "ogl": 0.4}, raw, area, prior)
    mixed = protocol.guided(raw, prior, 0.4)
    assert guided is not None
    assert np.array_equal(guided, protocol.threshold.predict(RankedMap(mixed), area))
    assert predicted_mask(protocol, {**result, "ogl": 0.4}, raw, area, None) is None
    if name == "acl":
        chosen = {**result, "extra": {"threshold_ciou": 0.35}}
        swept = predicted_mask(protocol, chosen, raw, area, None)
        assert swept is not None
        assert np.array_equal(swept, protocol.predict_sweep(raw)[6])


def test_regions_are_outlined(html: str, case: Case) -> None:
    """On each heat map the edge of what each protocol predicts, with its share and cIoU."""
    page = parse(html)
    in_legend = 1
    assert page.count("path", class_="region r0") == 8 + in_legend
    assert page.count("path", class_="region r1") == 8 + in_legend
    known = case.scores["results"][1]["per_clip"]
    assert f"lvs: 50% of the frame, cIoU {100 * known[case.names[8]]:.2f}" in page.text


def test_protocol_chooses_what_is_drawn_and_ranks(case: Case, invoke: Invoke) -> None:
    """--protocol: only its region, and its order; one that was not scored is refused."""
    out = case.folder / "lvs.html"
    assert invoke("report", *case.inputs, "--protocol", "lvs", "--out", out).exit_code == 0
    page = parse(out.read_text(encoding="utf-8"))
    assert "the highest cIoU under lvs" in page.text
    assert page.count("path", class_="region r1") == 0
    result = invoke("report", *case.inputs, "--protocol", "htf", "--out", case.folder / "no.html")
    assert result.exit_code == 6
    assert "--protocol htf: not in the results, which have paper, lvs" in result.stderr


def test_region_of_a_protocol_of_one_s_own(case: Case, invoke: Invoke) -> None:
    """Its file says the rule; without the file the clip is shown without its region."""
    rule = case.folder / "mine.yaml"
    rule.write_text(
        "name: mine\nresize: opencv-linear\nnormalise: min-max\n"
        "threshold: {kind: rank, rank: 37632}\nsuccess: '>='\n"
    )
    case.score(invoke, "maps.npz", "scores.json", "--protocol", str(rule))
    inputs = [i for i in case.inputs if i != "--per-clip" and "parquet" not in str(i)]
    inputs = [i for i in inputs if i not in ("--proposals", "--swap-predictions")]
    inputs = [i for i in inputs if not str(i).endswith("swap.npz")]
    for options, drawn in (["--protocol", str(rule)], 8), ([], 0):
        out = case.folder / "mine.html"
        result = invoke("report", *inputs, *options, "--out", out)
        assert result.exit_code == 0, result.output
        page = parse(out.read_text(encoding="utf-8"))
        assert page.count("article", class_="example") == 8
        assert page.count("path", class_="region r0") == drawn + 1
        assert page.text.count("mine: 25% of the frame") == drawn


def test_guided_regions_need_the_prior(case: Case, invoke: Invoke) -> None:
    """Under OGL the region is drawn of the map and the prior of the same file."""
    rng = np.random.default_rng(5)
    maps, priors = rng.random((2, 9, 7, 7)).astype(np.float32)
    write_predictions(case.folder / "guided.npz", case.names, maps, object_map=priors)
    case.score(invoke, "guided.npz", "guided.json", "--ogl", "0.4")
    out = case.folder / "guided.html"
    # fmt: off
    result = invoke(
        "report", "--data", case.workspace.root, "--benchmark", case.folder / "guided.json",
        "--predictions", case.folder / "guided.npz",
        "--annotations", case.folder / "vggss.json", "--out", out,
    )
    # fmt: on
    assert result.exit_code == 0, result.output
    page = parse(out.read_text(encoding="utf-8"))
    assert "object-guided (OGL 0.4)" in page.text
    assert page.count("path", class_="region r0") == 9 + 1


def test_only_scored_clips_are_shown(case: Case, invoke: Invoke) -> None:
    """What a subset left out is not among the worst."""
    chosen = case.folder / "some.txt"
    chosen.write_text("\n".join(case.names[3:6]))
    case.score(invoke, "maps.npz", "some.json", "--subset", str(chosen))
    out = case.folder / "some.html"
    # fmt: off
    result = invoke(
        "report", "--data", case.workspace.root, "--benchmark", case.folder / "some.json",
        "--predictions", case.folder / "maps.npz",
        "--annotations", case.folder / "vggss.json", "--out", out,
    )
    # fmt: on
    assert result.exit_code == 0, result.output
    page = parse(out.read_text(encoding="utf-8"))
    assert page.count("article", class_="example") == 3
    assert "some.txt" in page.text
    assert case.names[7] not in page.text


def test_sounds_play_from_the_page(html: str) -> None:
    """Clips with an extracted sound carry it, and so do swapped sounds; each has a name."""
    page = parse(html)
    players = [attributes for tag, attributes in page.tags if tag == "audio"]
    assert len(players) == 4 + 4  # of the eight clips shown, and of the clips that lend a sound
    assert all("controls" in one and one["aria-label"] for one in players)
    data = base64.b64decode(players[0]["src"].removeprefix("data:audio/mpeg;base64,"))
    with av.open(BytesIO(data)) as container:
        assert container.streams.audio[0].codec_context.name.startswith("mp3")
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert abs(samples / 16_000 - 3) < 0.2


def test_no_sound(case: Case, invoke: Invoke) -> None:
    """--no-sound leaves them out, and reads none."""
    case.workspace.audio_path(case.names[2]).write_bytes(b"RIFF")
    out = case.folder / "silent.html"
    assert invoke("report", *case.inputs, "--no-sound", "--out", out).exit_code == 0
    assert parse(out.read_text(encoding="utf-8")).count("audio") == 0
    result = invoke("report", *case.inputs, "--out", case.folder / "none.html")
    assert result.exit_code == 6
    assert "not a readable sound" in result.stderr
    assert "leave the sounds out with --no-sound" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (case.folder / "none.html").exists()


def test_equal_sounds_equal_bytes(tmp_path: Path) -> None:
    """Neither time nor name nor version of a tool is in a sound; a long one is cut."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 12 * 16_000)
    for name in ("a.wav", "b.wav"):
        write_wav(tmp_path / name, noise)
    uri = sound_uri(tmp_path / "a.wav")
    assert sound_uri(tmp_path / "b.wav") == uri
    assert len(uri) < 60_000
    with pytest.raises(InvalidInput, match="not a readable sound"):
        sound_uri(tmp_path / "none.wav")


def test_sound_where_ffmpeg_has_no_mp3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The WAV itself is then put into the page."""
    script = tmp_path / "ffmpeg"
    known = "libmp3lame"
    script.write_text(
        "#!/usr/bin/env python3\n"
        "import os, sys\n"
        f"arguments = [a.replace({known!r}, 'libnone') for a in sys.argv[1:]]\n"
        f"os.execv({ffmpeg_path()!r}, [{ffmpeg_path()!r}, *arguments])\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(sounds, "ffmpeg_path", lambda: str(script))
    write_wav(tmp_path / "a.wav", np.zeros(16_000))
    head, _, data = sound_uri(tmp_path / "a.wav").partition(",")
    assert head == "data:audio/wav;base64"
    with wave.open(BytesIO(base64.b64decode(data))) as file:
        assert file.getnframes() == 16_000


def test_clips_without_scores(case: Case, invoke: Invoke) -> None:
    """Where no result says the clips' cIoU, some are shown with that of what is drawn."""
    scores = case.scores
    known = scores["results"][0]["per_clip"]
    for result in scores["results"]:
        del result["per_clip"]
    (case.folder / "scores.json").write_text(json.dumps(scores))
    inputs = [i for i in case.inputs if i != "--per-clip" and "clips.parquet" not in str(i)]
    out = case.folder / "unranked.html"
    assert invoke("report", *inputs, "--out", out).exit_code == 0
    page = parse(out.read_text(encoding="utf-8"))
    assert "at even steps of the list" in page.text
    assert f"cIoU {100 * known[case.names[4]]:.2f} paper" in page.text
