"""Compute what the released evaluator of LVS says about the maps of ``map_maker``.

It runs ``test.py`` of a checkout of github.com/hche11/Localizing-Visual-Sounds-the-Hard-Way as it
is, its network replaced by one that returns our maps (everything from the resizing on is that
code's own), and keeps the cIoU of each clip, cIoU and AUC::

    python tests/evaluate/make_lvs_golden.py CHECKOUT > tests/evaluate/lvs_golden.json
    python tests/evaluate/make_lvs_golden.py CHECKOUT --compare vggss.json

The second form compares with our scores over an annotation file, clip by clip, and prints the
largest difference. The checkout was at 8fe8cbb.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from map_maker import make_entries, make_map

from vggss_tools.annotate.vggss_json import Entry, read_vggss_json, write_vggss_json
from vggss_tools.evaluate import metrics
from vggss_tools.evaluate.masks import box_mask
from vggss_tools.evaluate.protocols import LVS

GOLDEN_CLIPS = 80


class Anything(ModuleType):
    """A module, function or object that takes part in everything and does nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything(name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return arguments[0] if arguments else self

    def __getitem__(self, key: Any) -> Any:
        return {}


class Tensor:
    """Just enough of one for the evaluator."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values
        self.shape = values.shape

    @property
    def data(self) -> Tensor:
        return self

    def cuda(self) -> Tensor:
        return self

    def cpu(self) -> Tensor:
        return self

    def float(self) -> Tensor:
        return self

    def numpy(self) -> NDArray[Any]:
        return self.values


class Network(Anything):
    """Gives back as its heat map what it is shown as a picture."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        assert state == {}

    def __call__(self, image: Tensor, spec: Tensor, args: Any) -> tuple[Tensor, None, None, None]:
        return image, None, None, None


class Parallel(Network):
    """Stands for ``nn.DataParallel``: ``.cuda()`` and ``.to()`` give the network itself."""

    def cuda(self) -> Parallel:
        return self


class Loader:
    """One clip at a time, as (picture, spectrogram, sound, file name, _)."""

    def __init__(self, rows: Sequence[tuple[str, NDArray[Any]]]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, None, list[str], None]]:
        for name, values in self.rows:
            yield Tensor(values[None, None]), Tensor(values[None]), None, [f"{name}.mp4"], None


def released_scores(
    checkout: Path, entries: Sequence[Entry], maps: Sequence[NDArray[Any]]
) -> tuple[list[float], float, float]:
    """Run the checkout's evaluator; return the clips' cIoU, the cIoU and the AUC it prints."""
    rows = [(entry.file, one) for entry, one in zip(entries, maps, strict=True)]
    stubs: dict[str, ModuleType] = {
        name: Anything(name)
        for name in (
            "torch",
            "torch.optim",
            "torch.nn",
            "torch.autograd",
            "torch.utils",
            "torch.utils.data",
            "torchvision",
            "torchvision.transforms",
            "sklearn",
            "sklearn.metrics",
            "scipy",
            "model",
            "datasets",
            "PIL",
        )
    }
    for stub in stubs.values():
        vars(stub)["__all__"] = []
    given: dict[str, dict[str, Any]] = {
        "torch.autograd": {"Variable": lambda x: x},
        "torch.utils.data": {"DataLoader": lambda *a, **k: Loader(rows), "Dataset": object},
        "sklearn.metrics": {"auc": lambda x, y: float(np.trapezoid(y, x))},
        "model": {"AVENet": lambda args: Network("network")},
        "torch.nn": {"DataParallel": lambda network: Parallel("parallel")},
        "torch": {"load": lambda path: {"model_state_dict": {}}, "nn": stubs["torch.nn"]},
    }
    for name, value in given.items():
        vars(stubs[name]).update(value)
    kept = {name: sys.modules.get(name) for name in (*stubs, "utils", "test")}
    here, arguments = Path.cwd(), sys.argv
    printed = io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        write_vggss_json(Path(folder, "metadata", "vggss.json"), entries)
        try:
            sys.modules.update(stubs)
            for name in ("utils", "test"):
                sys.modules.pop(name, None)
            sys.path.insert(0, str(checkout))
            sys.argv = ["test.py"]
            os.chdir(folder)
            import test as released  # type: ignore[import-not-found,unused-ignore]

            cious: list[float] = []
            judge = released.Evaluator.cal_CIOU

            def record(self: Any, *values: Any) -> Any:
                result = judge(self, *values)
                cious.append(float(result[0]))
                return result

            released.Evaluator.cal_CIOU = record
            # An empty truth of which nothing is predicted is 0/0 there; NaN succeeds nowhere.
            with contextlib.redirect_stdout(printed), np.errstate(invalid="ignore"):
                released.main()
        finally:
            os.chdir(here)
            sys.argv = arguments
            sys.path.remove(str(checkout))
            for name, module in kept.items():
                if module is None:
                    sys.modules.pop(name, None)
                else:
                    sys.modules[name] = module
    lines = printed.getvalue().splitlines()
    scores = {line.split()[0]: float(line.split()[1]) for line in lines if line[:1] in "ca"}
    return cious, scores["cIoU"], scores["auc"]


def main() -> None:
    """Write the golden values, or compare over an annotation file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--compare", type=Path, metavar="vggss.json")
    arguments = parser.parse_args()
    checkout = arguments.checkout.absolute()
    if arguments.compare is None:
        entries = make_entries(GOLDEN_CLIPS)
        maps = [make_map(i, entry.boxes) for i, entry in enumerate(entries)]
        cious, ciou, auc = released_scores(checkout, entries, maps)
        # NaN, the 0/0 of an empty truth, is not JSON.
        kept = [None if np.isnan(one) else one for one in cious]
        json.dump({"ciou": ciou, "auc": auc, "cious": kept}, sys.stdout, indent=1)
        sys.stdout.write("\n")
        return
    entries = list(read_vggss_json(arguments.compare).entries)
    for seed in range(3):
        # Every clip gets every kind of map in turn.
        maps = [make_map(i + seed, entry.boxes, seed) for i, entry in enumerate(entries)]
        cious, ciou, auc = released_scores(checkout, entries, maps)
        ours = np.array(
            [
                float(metrics.ciou(box_mask(entry.boxes), LVS.predict(one)))
                for entry, one in zip(entries, maps, strict=True)
            ]
        )
        theirs = np.nan_to_num(np.array(cious))
        our_ciou = metrics.success_rate(ours, strict=False)
        our_auc = metrics.area_under_curve(metrics.success_curve(ours, strict=False))
        sys.stdout.write(
            f"seed {seed}: {len(ours)} clips, largest difference {np.abs(ours - theirs).max()}, "
            f"cIoU {our_ciou} and {ciou}, AUC {our_auc} and {auc}\n"
        )


if __name__ == "__main__":
    main()
