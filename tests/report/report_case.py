"""A small benchmark with everything that a page can show, made by the commands themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from click.testing import Result

from vggss_tools.annotate.vggss_json import Entry, write_vggss_json
from vggss_tools.boxes import Box
from vggss_tools.evaluate.predictions import write_predictions
from vggss_tools.media.audio import RATE, write_wav
from vggss_tools.propose.proposals import Proposal, write_proposals
from vggss_tools.workspace import Workspace

Invoke = Callable[..., Result]

NASTY = '<script>alert("ring & ring")</script>'
LABELS = ["church bell ringing", "owl hooting", NASTY]


@dataclass
class Case:
    """Files of a small benchmark, and how to call the command on them."""

    workspace: Workspace
    folder: Path
    names: list[str]

    @property
    def inputs(self) -> list[str | Path]:
        options: list[str | Path] = ["--data", self.workspace.root]
        for option, name in (
            ("--benchmark", "scores.json"),
            ("--per-clip", "clips.parquet"),
            ("--predictions", "maps.npz"),
            ("--annotations", "vggss.json"),
            ("--proposals", "proposals.parquet"),
            ("--swap-predictions", "swap.npz"),
        ):
            options += [option, self.folder / name]
        return options

    @property
    def scores(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "scores.json").read_text())
        return found

    def score(self, invoke: Invoke, maps: str, out: str, *options: str | Path) -> None:
        """Run `vggss benchmark` on a file of maps."""
        # fmt: off
        result = invoke(
            "benchmark", "--data", self.workspace.root, "--predictions", self.folder / maps,
            "--annotations", self.folder / "vggss.json", "--any-class",
            "--json", self.folder / out, *options,
        )
        # fmt: on
        assert result.exit_code == 0, result.output


def make_case(folder: Path, invoke: Invoke) -> Case:
    """Nine clips of three classes, one of them without a map and five with a sound."""
    rng = np.random.default_rng(0)
    workspace = Workspace.create(folder / "data")
    names = [f"clip{i:07d}_000000" for i in range(9)]
    entries, silent = [], []
    rows: list[Proposal] = []
    for i, name in enumerate(names):
        path = workspace.frame_path(name)
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
        if i < 5:
            tone = 0.3 * np.sin(np.arange(3 * RATE) * 2 * np.pi * 220 * (i + 1) / RATE)
            workspace.audio_path(name).parent.mkdir(exist_ok=True)
            write_wav(workspace.audio_path(name), tone)
        box = (0.1, 0.2, 0.1 + 0.08 * (i + 1), 0.9)
        entries.append(Entry(name, LABELS[i % 3], (box,)))
        silent.append(Entry(name, LABELS[(i + 1) % 3], ((0.85, 0.1, 0.95, 0.3),)))
        rows.append(Proposal(name, Box(*box), "Bell", 0.9, LABELS[i % 3]))
        rows.append(Proposal(name, Box(0.85, 0.1, 0.95, 0.3), "Owl", 0.8))
    write_vggss_json(folder / "vggss.json", entries)
    write_vggss_json(folder / "silent.json", silent)
    (folder / "release.json").write_text('{"stand_in": true}')
    maps = rng.random((9, 7, 7)).astype(np.float32)
    maps[:, :, :3] += np.linspace(0, 3, 9)[:, None, None]
    write_predictions(folder / "maps.npz", names[1:], maps[1:])
    others = [*names[1:], names[0]]  # the class of the next clip is the silent one of this
    write_predictions(folder / "swap.npz", names, maps, image_id=names, audio_id=others)
    write_proposals(folder / "proposals.parquet", rows)
    case = Case(workspace, folder, names)
    # fmt: off
    case.score(
        invoke, "maps.npz", "scores.json", "--proposals", folder / "proposals.parquet",
        "--swap-predictions", folder / "swap.npz", "--per-clip", folder / "clips.parquet",
    )
    # fmt: on
    return case
