"""`vggss benchmark` as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from map_maker import CLASSES, make_entries, make_map

from vggss_tools.annotate.vggss_json import Entry, write_vggss_json
from vggss_tools.boxes import Box
from vggss_tools.evaluate.predictions import write_predictions
from vggss_tools.evaluate.protocols import PROTOCOLS
from vggss_tools.propose.proposals import Proposal, write_proposals

Invoke = Callable[..., Result]

ENTRIES = make_entries(12)
IDS = [entry.file for entry in ENTRIES]
MAPS = np.stack([make_map(1, entry.boxes, seed=i) for i, entry in enumerate(ENTRIES)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with annotations, silent objects, predictions and training annotations."""
    write_vggss_json(tmp_path / "vggss.json", ENTRIES)
    write_vggss_json(tmp_path / "train.json", make_entries(12, seed=1))
    silent = [type(e)(e.file, CLASSES[(i + 1) % 3], e.boxes) for i, e in enumerate(ENTRIES)]
    write_vggss_json(tmp_path / "silent.json", silent)
    write_predictions(tmp_path / "maps.npz", IDS, MAPS)
    write_predictions(tmp_path / "swap.npz", IDS, MAPS, image_id=IDS, audio_id=[*IDS[1:], IDS[0]])
    proposals = [Proposal(e.file, Box(*b), "thing", 1.0, e.label) for e in ENTRIES for b in e.boxes]
    write_proposals(tmp_path / "proposals.parquet", proposals)
    return tmp_path


def arguments(folder: Path, **changed: str | Path | None) -> list[str | Path]:
    """Return a good command line with some options changed, added or (None) left out."""
    options: dict[str, str | Path | None] = {
        "data": folder / "data",
        "predictions": folder / "maps.npz",
        "annotations": folder / "vggss.json",
        **changed,
    }
    line: list[str | Path] = ["benchmark"]
    for name, value in options.items():
        if value is not None:
            line += [f"--{name.replace('_', '-')}", value]
    return line


def test_it_scores_under_both_protocols_by_default(folder: Path, invoke: Invoke) -> None:
    """The table goes to stdout, the JSON and the clips' cIoU to their files."""
    out, per_clip = folder / "scores.json", folder / "clips.parquet"
    result = invoke(*arguments(folder, json=out, per_clip=per_clip))
    assert result.exit_code == 0, result.output
    assert "Protocol paper" in result.stdout
    assert "12 of 12 clips" in result.stdout
    value = json.loads(out.read_text())
    assert [one["protocol"] for one in value["results"]] == ["paper", "lvs"]
    assert value["predictions"]["name"] == "maps.npz"
    assert value["results"][0]["annotations"]["name"] == "vggss.json"
    table = pq.read_table(per_clip).to_pydict()
    assert list(table) == ["protocol", "clip_id", "ciou"]
    assert table["protocol"] == ["paper"] * 12 + ["lvs"] * 12
    assert table["clip_id"] == sorted(IDS) * 2
    for one in value["results"]:
        cious = [
            c for c, p in zip(table["ciou"], table["protocol"], strict=True) if p == one["protocol"]
        ]
        assert np.mean(cious) == one["mean_ciou"]


def test_bare_json_has_stdout_to_itself(folder: Path, invoke: Invoke) -> None:
    """With `--json -` stdout is one object, and the same bytes twice."""
    runs = [invoke(*arguments(folder, protocol="lvs", json="-")) for _ in range(2)]
    assert json.loads(runs[0].stdout)["schema"] == "vggss-benchmark/1"
    assert runs[0].stdout == runs[1].stdout


def test_everything_at_once(folder: Path, invoke: Invoke) -> None:
    """All baselines, the proposals' scores and the swap rate stand in one file."""
    out = folder / "scores.json"
    result = invoke(
        *arguments(
            folder,
            train_annotations=folder / "train.json",
            proposals=folder / "proposals.parquet",
            swap_predictions=folder / "swap.npz",
            json=out,
        )
    )
    assert result.exit_code == 0, result.output
    value = json.loads(out.read_text())
    assert value["proposals"]["precision"] == value["proposals"]["recall"] == 1
    for one in value["results"]:
        assert list(one["baselines"]) == [
            "ones",
            "disc",
            "mean_box",
            "blind_union",
            "blind_largest",
        ]
        assert 0 <= one["swap_rate"] <= 1
        assert one["swap_n"] == 12
        assert set(one["curves"]) == {*one["baselines"], "ceiling"}
    assert value["swap_predictions"]["name"] == "swap.npz"
    assert "Proposed boxes" in result.stdout
    assert "with a silent object's sound" in result.stdout


def test_missing_clips_warn_or_fail(folder: Path, invoke: Invoke) -> None:
    """Fewer maps than clips is a warning, and exit 6 if asked for; the result is written."""
    write_predictions(folder / "few.npz", IDS[:9], MAPS[:9])
    line = arguments(folder, predictions=folder / "few.npz", json=folder / "scores.json")
    warned = invoke(*line)
    assert warned.exit_code == 0
    assert "3 of 12 annotated clips have no map" in warned.stderr
    failed = invoke(*line, "--fail-if-missing")
    assert failed.exit_code == 6
    assert IDS[9] in failed.stderr
    assert json.loads((folder / "scores.json").read_text())["results"][0]["n_scored"] == 9


def test_annotations_come_from_the_data_directory(folder: Path, invoke: Invoke) -> None:
    """The newest release there is taken, else the published file, else a line says what to do."""
    line = arguments(folder, annotations=None, json="-")
    nothing = invoke(*line)
    assert nothing.exit_code == 1
    assert "vggss release" in nothing.stderr
    data = folder / "data"
    write_vggss_json(data / "vggss.json", ENTRIES[:6])
    assert json.loads(invoke(*line).stdout)["results"][0]["n_total"] == 6
    release = data / "releases" / "first"
    write_vggss_json(release / "vggss.json", ENTRIES[:8])
    (release / "release.json").write_text('{"stand_in": true}')
    result = json.loads(invoke(*line).stdout)["results"][0]
    assert result["n_total"] == 8
    assert result["annotations"]["name"] == "first"
    assert result["annotations"]["stand_in"] is True
    assert "stand-in" in invoke(*arguments(folder, annotations=None)).stdout


def test_protocols_are_listed(invoke: Invoke) -> None:
    """`--list-protocols` says of each what it does and where it comes from, and needs no more."""
    result = invoke("benchmark", "--list-protocols")
    assert result.exit_code == 0
    for protocol in PROTOCOLS.values():
        said = f"{protocol.name}  (family: {protocol.family})\n    {protocol.summary}\n"
        assert f"{said}    source: {protocol.source}" in result.stdout


@pytest.mark.parametrize(
    ("changed", "code", "message"),
    [
        ({"predictions": "nowhere.npz"}, 1, "no such predictions file"),
        ({"predictions": "vggss.json"}, 6, "not a readable .npz"),
        ({"predictions": "nan.npz"}, 6, f"{IDS[2]} holds NaN"),
        ({"predictions": "twice.npz"}, 6, f"{IDS[0]} stands there twice"),
        ({"predictions": "strange.npz"}, 6, "none of its 1 clips is in vggss.json"),
        ({"predictions": "swap.npz"}, 6, "--swap-predictions"),
        ({"annotations": "maps.npz"}, 6, "not JSON"),
        ({"annotations": "nowhere.json"}, 1, "no such file"),
        ({"protocol": "median"}, 2, "no protocol 'median'; there are paper, lvs"),
        ({"predictions": None}, 2, "Give one of --predictions"),
        ({"model": "maps.npz"}, 2, "Give one of --predictions"),
        ({"train_annotations": "vggss.json"}, 6, "the annotation file to be scored"),
        ({"proposals": "nowhere.parquet"}, 1, "no such proposals table"),
        ({"proposals": "vggss.json"}, 6, "make it again with `vggss propose-boxes`"),
        ({"annotations": "unicorn.json"}, 6, "did you mean 'owl hooting' or"),
        ({"train_annotations": "unicorn.json"}, 6, f"entry 0: {IDS[0]}: class 'owl hootin'"),
        ({"predictions": "unsure.npz"}, 6, f"the confidence of {IDS[1]} holds NaN"),
        ({"per_clip": "maps.npz/clips.parquet"}, 1, "clips.parquet: cannot be written"),
        ({"json": "maps.npz/scores.json"}, 1, "scores.json: cannot be written"),
        ({"swap_predictions": "maps.npz"}, 6, "no row has the sound of a class that is silent"),
        ({"swap_predictions": "swap.npz", "silent": "nowhere.json"}, 1, "no such file"),
        ({"predictions": None, "model": "nowhere.pth"}, 1, "no clips in this data directory"),
    ],
)
def test_wrong_inputs_give_one_clear_line(
    folder: Path, invoke: Invoke, changed: dict[str, str | None], code: int, message: str
) -> None:
    """Each names the thing and the cause, has its exit code, and writes no result."""
    nan = MAPS.copy()
    nan[2, 3, 3] = np.nan
    np.savez(folder / "nan.npz", clip_id=IDS, map=nan)
    np.savez(folder / "twice.npz", clip_id=[IDS[0], IDS[0]], map=MAPS[:2])
    np.savez(folder / "strange.npz", clip_id=["x_000000"], map=MAPS[:1])
    np.savez(folder / "unsure.npz", clip_id=IDS, map=MAPS, confidence=[1, np.nan, *[1.0] * 10])
    write_vggss_json(folder / "unicorn.json", [Entry(IDS[0], "owl hootin", ENTRIES[0].boxes)])
    paths = {
        name: value if name == "protocol" or value is None else folder / value
        for name, value in changed.items()
    }
    out = folder / "scores.json"
    result = invoke(*arguments(folder, **{"json": out, **paths}))
    assert result.exit_code == code, result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in result.output
    assert not out.exists()


def test_classes_of_ones_own_are_scored_when_asked_for(folder: Path, invoke: Invoke) -> None:
    """With `--any-class` a data set need not have VGG-Sound's classes."""
    write_vggss_json(folder / "own.json", [Entry(IDS[0], "flying unicorn", ENTRIES[0].boxes)])
    line = arguments(folder, annotations=folder / "own.json", json="-")
    assert invoke(*line).exit_code == 6
    scored = invoke(*line, "--any-class")
    assert list(json.loads(scored.stdout)["results"][0]["by_class"]) == ["flying unicorn"]


def test_an_unwritable_output_is_refused_before_the_maps_are_read(
    folder: Path, invoke: Invoke
) -> None:
    """The work is not done first: not even a missing predictions file is looked for."""
    for option in ("json", "per_clip"):
        changed: dict[str, Path] = {"predictions": folder / "nowhere.npz", option: folder}
        result = invoke(*arguments(folder, **changed))
        assert result.exit_code in (1, 2)
        assert "nowhere" not in result.stderr
        assert str(folder) in result.stderr


def test_a_folder_without_silent_json_is_said(folder: Path, invoke: Invoke) -> None:
    """The swap rate needs to know what is silent, and says where it looked."""
    (folder / "silent.json").unlink()
    result = invoke(*arguments(folder, swap_predictions=folder / "swap.npz"))
    assert result.exit_code == 1
    assert "--silent FILE" in result.stderr


def test_scoring_needs_the_base_install_only(folder: Path) -> None:
    """A predictions file is scored without torch, even where it is installed."""
    code = (
        "import sys; from vggss_tools.cli import group; "
        "group.main(sys.argv[1:], standalone_mode=False); "
        "sys.exit(', '.join({'torch', 'torchvision', 'scipy'} & set(sys.modules)) or 0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments(folder))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_help_shows_an_example(invoke: Invoke) -> None:
    """The help has an example that can be copied."""
    result = invoke("benchmark", "--help")
    assert "vggss benchmark --predictions maps.npz" in result.stdout
