"""The TorchMetrics metric: the scorer's numbers, over batches, processes and number types."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
torchmetrics = pytest.importorskip("torchmetrics")

from map_maker import make_entries, make_map  # noqa: E402

from vggss_tools.errors import MissingExtra  # noqa: E402
from vggss_tools.evaluate import Scorer  # noqa: E402
from vggss_tools.evaluate.masks import box_mask  # noqa: E402
from vggss_tools.evaluate.protocols import PROTOCOLS  # noqa: E402
from vggss_tools.models.torchmetrics import LocalisationMetric  # noqa: E402

N = 21
ENTRIES = make_entries(N)
MAPS = np.stack([make_map(1, entry.boxes, seed=i) for i, entry in enumerate(ENTRIES)])
BOXES = [entry.boxes for entry in ENTRIES]
TENSORS = torch.from_numpy(MAPS)

# One process of two: it sees its part of the clips as a DistributedSampler deals them out, in
# batches of 4, and prints what it computes.
WORKER = """
import json, os, sys
from datetime import timedelta
import torch
from torch import distributed
rank, store, part, with_index = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
torch.set_num_threads(1)
distributed.init_process_group(
    "gloo", init_method=f"file://{store}", rank=rank, world_size=2, timeout=timedelta(seconds=120)
)
import numpy as np
from map_maker import make_entries, make_map
from vggss_tools.models.torchmetrics import LocalisationMetric
entries = make_entries(21)
found = {}
for name in ("lvs", "vggss"):
    metric = LocalisationMetric(name)
    for start in range(0, len(part), 4):
        clips = part[start : start + 4]
        maps = [make_map(1, entries[i].boxes, seed=i) for i in clips]
        metric.update(
            torch.from_numpy(np.stack(maps)),
            [entries[i].boxes for i in clips],
            index=torch.tensor(clips) if with_index == "yes" else None,
        )
    found[name] = {key: value.item() for key, value in metric.compute().items()}
print(json.dumps(found), flush=True)
distributed.barrier()  # nobody leaves while another still asks
distributed.destroy_process_group()
os._exit(0)  # gloo's threads may outlive the interpreter, and abort it
"""


def expected_of(protocol: str, clips: list[int]) -> dict[str, float]:
    scorer = Scorer(protocol)
    scorer.update(MAPS[clips], [BOXES[i] for i in clips])
    return scorer.compute()[protocol]


def values_of(scores: dict[str, Any]) -> dict[str, float]:
    return {name: value.item() for name, value in scores.items()}


def in_two_processes(folder: Path, parts: list[list[int]], index: bool) -> list[dict[str, Any]]:
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                WORKER,
                str(rank),
                str(folder / "store"),
                json.dumps(part),
                "yes" if index else "no",
            ],
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "GLOO_SOCKET_IFNAME": "lo",
                "PYTHONPATH": str(Path(__file__).parents[1]),
            },
            cwd=Path(__file__).parents[2],
        )
        for rank, part in enumerate(parts)
    ]
    try:
        printed = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0]
    return [json.loads(text.splitlines()[-1]) for text in printed]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_scores_are_the_scorers(protocol: str) -> None:
    """In batches, of boxes or of masks, every number is the same to the last bit."""
    expected = expected_of(protocol, list(range(N)))
    masks = torch.from_numpy(np.stack([box_mask(boxes) for boxes in BOXES]))
    for truth in (BOXES, masks, [torch.tensor(boxes, dtype=torch.float64) for boxes in BOXES]):
        metric = LocalisationMetric(protocol)
        for start in range(0, N, 8):
            metric.update(TENSORS[start : start + 8], truth[start : start + 8])
        scores = metric.compute()
        assert values_of(scores) == expected
        assert all(value.dtype == torch.float64 and not value.ndim for value in scores.values())


def test_the_forward_pass_gives_the_batch_and_keeps_it() -> None:
    """Called, the metric returns the batch's scores; ``compute`` is over all."""
    metric = LocalisationMetric("lvs")
    assert values_of(metric(TENSORS[:9], BOXES[:9])) == expected_of("lvs", list(range(9)))
    assert values_of(metric(TENSORS[9], BOXES[9])) == expected_of("lvs", [9])
    assert values_of(metric.compute()) == expected_of("lvs", list(range(10)))
    metric.reset()
    assert values_of(metric(TENSORS[3:5], BOXES[3:5])) == expected_of("lvs", [3, 4])
    assert values_of(metric.compute()) == expected_of("lvs", [3, 4])


def test_it_lives_among_other_metrics() -> None:
    """In a collection with others, cloned, pickled, moved, and in half precision."""
    collection = torchmetrics.MetricCollection(
        {"median": LocalisationMetric("lvs"), "fixed": LocalisationMetric("paper")}
    )
    collection.update(TENSORS, BOXES)
    found = collection.compute()
    assert found["median_ciou"] == expected_of("lvs", list(range(N)))["ciou"]
    assert found["fixed_ciou"] == expected_of("paper", list(range(N)))["ciou"]
    metric = LocalisationMetric("lvs")
    metric.update(TENSORS, BOXES)
    for other in (metric.clone(), pickle.loads(pickle.dumps(metric)), metric.to("cpu").half()):
        assert values_of(other.compute()) == expected_of("lvs", list(range(N)))


@pytest.mark.parametrize("name", ["float64", "float16", "bfloat16", "int32"])
def test_maps_of_any_number_type(name: str) -> None:
    """Each is read for what it holds; a gradient is no hindrance."""
    maps = (100 * TENSORS).to(getattr(torch, name))
    scorer = Scorer("lvs")
    scorer.update(maps.double().numpy(), BOXES)
    metric = LocalisationMetric("lvs")
    metric.update(maps.requires_grad_() if maps.is_floating_point() else maps, BOXES)
    assert values_of(metric.compute()) == scorer.compute()["lvs"]


def test_what_cannot_be_scored_is_refused_whole() -> None:
    """NaN, shapes, indices: an error, and nothing of the batch is counted."""
    metric = LocalisationMetric("lvs")
    broken = TENSORS[:3].clone()
    broken[2, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="map 2: the map holds NaN"):
        metric.update(broken, BOXES[:3])
    with pytest.raises(ValueError, match="shape"):
        metric.update(TENSORS[:, None], BOXES)
    for index in ([1, 2], [1, 2, -1], torch.tensor([1])):
        with pytest.raises(ValueError, match="index is not 3 whole numbers"):
            metric.update(TENSORS[:3], BOXES[:3], index=index)
    with pytest.warns(UserWarning, match="before"), pytest.raises(ValueError, match="no clip"):
        LocalisationMetric("lvs").compute()
    metric.update(TENSORS[:3], BOXES[:3])
    assert values_of(metric.compute()) == expected_of("lvs", [0, 1, 2])
    metric.update(TENSORS[3:5], BOXES[3:5], index=[3, 4])
    with pytest.raises(ValueError, match="some clips came with index"):
        metric.compute()
    with pytest.raises(ValueError, match="no protocol 'lsv'"):
        LocalisationMetric("lsv")


def test_a_clip_counts_once_with_its_index() -> None:
    """What a sampler repeats to fill up a batch is passed over."""
    metric = LocalisationMetric("lvs")
    metric.update(TENSORS[:4], BOXES[:4], index=[0, 1, 2, 3])
    metric.update(TENSORS[2:6], BOXES[2:6], index=torch.tensor([2, 3, 4, 5]))
    assert values_of(metric.compute()) == expected_of("lvs", list(range(6)))


def test_two_processes_compute_what_one_does(tmp_path: Path) -> None:
    """The states meet, and what the sampler dealt out twice counts once by its index."""
    # 21 clips for two: the first is dealt out again, to fill up the second process's part.
    parts = [list(range(0, N, 2)), [*range(1, N, 2), 0]]
    for scores in in_two_processes(tmp_path, parts, index=True):
        for name, found in scores.items():
            assert found == expected_of(name, list(range(N)))


def test_a_process_without_a_clip_takes_part(tmp_path: Path) -> None:
    """An empty process hears the others' scores."""
    first, second = in_two_processes(tmp_path, [[5, 6, 7, 8, 9], []], index=False)
    assert first == second == {name: expected_of(name, [5, 6, 7, 8, 9]) for name in first}


def test_the_extra_is_named_where_torchmetrics_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to install."""
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    monkeypatch.delitem(sys.modules, "vggss_tools.models.torchmetrics")
    with pytest.raises(MissingExtra, match=r"torchmetrics: .*vggss-tools\[torchmetrics\]"):
        importlib.import_module("vggss_tools.models.torchmetrics")
