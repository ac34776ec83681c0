"""``vggss report``: one self-contained HTML page from benchmark results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vggss_tools.cli.options import OneOrMore, data_option, refuse_overwriting, say
from vggss_tools.errors import InvalidInput
from vggss_tools.workspace import Workspace

if TYPE_CHECKING:
    from vggss_tools.annotate.vggss_json import Entry
    from vggss_tools.evaluate.predictions import Predictions
    from vggss_tools.evaluate.protocols import Protocol
    from vggss_tools.evaluate.test_sets import TestSet
    from vggss_tools.report.examples import Maps, Sources
    from vggss_tools.report.runs import Run


def _file(help_text: str, metavar: str = "FILE") -> dict[str, Any]:
    return {"metavar": metavar, "type": click.Path(path_type=Path), "help": help_text}


def _files(help_text: str, metavar: str = "FILE") -> dict[str, Any]:
    return {"cls": OneOrMore, "multiple": True, **_file(help_text, metavar)}


@click.command("report")
@click.option(
    "--benchmark",
    "benchmark_paths",
    required=True,
    **_files(
        "Result of `vggss benchmark --json`; several stand side by side.",
        "OUT.json",
    ),
)
@click.option(
    "--label",
    "labels",
    cls=OneOrMore,
    multiple=True,
    metavar="NAME",
    help="Name of a run, for each --benchmark in its order.  [default: what was scored]",
)
@click.option(
    "--per-clip",
    "per_clip_paths",
    **_files(
        "The clips' cIoU, where a result does not hold them; for each --benchmark in its order.",
        "OUT.parquet",
    ),
)
@click.option(
    "--predictions",
    "predictions_paths",
    **_files("The maps that were scored, for each --benchmark.", "FILE.npz"),
)
@click.option(
    "--annotations",
    "annotations_path",
    **_file("The boxes that they were scored against: a test set of any kind.", "vggss.json"),
)
@click.option(
    "--negatives",
    "negatives_path",
    **_file("The negatives that were scored with them (`video,audio,label`).", "FILE.csv"),
)
@click.option(
    "--proposals", "proposals_path", **_file("proposals.parquet, to draw the proposed boxes.")
)
@click.option(
    "--swap-predictions",
    "swap_paths",
    **_files("Maps with silent objects' sounds, to show beside the others.", "FILE.npz"),
)
@click.option(
    "--silent",
    "silent_path",
    **_file("What is visible and silent.  [default: silent.json beside the annotations]"),
)
@click.option(
    "--out",
    required=True,
    metavar="report.html",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page.",
)
@click.option("--title", help="Heading of the page.")
@click.option(
    "--examples",
    "count",
    type=click.IntRange(min=0),
    default=12,
    show_default=True,
    help="Clips to show: the best, the worst, and those on which the scores disagree most.",
)
@click.option(
    "--protocol",
    "protocols",
    cls=OneOrMore,
    multiple=True,
    metavar="NAME",
    help="Protocol whose predicted region is drawn, up to three; the first ranks the clips. One "
    "of one's own is its file (.yaml).  [default: the first of each family]",
)
@click.option("--sound/--no-sound", default=True, help="Put the clips' sounds into the page.")
@data_option
def command(
    workspace: Workspace,
    benchmark_paths: tuple[Path, ...],
    labels: tuple[str, ...],
    per_clip_paths: tuple[Path, ...],
    predictions_paths: tuple[Path, ...],
    annotations_path: Path | None,
    negatives_path: Path | None,
    proposals_path: Path | None,
    swap_paths: tuple[Path, ...],
    silent_path: Path | None,
    out: Path,
    title: str | None,
    count: int,
    protocols: tuple[str, ...],
    sound: bool,
) -> None:
    """Write one self-contained HTML page from benchmark results.

    Scores with their baselines and ceilings, success curves, classes and sizes, and what is
    missing; of several results also which differences hold. With --predictions and
    --annotations, and what was extracted into the data directory, also clips with frame, sound,
    heat map, tri-map and boxes. The page loads nothing from elsewhere.

    \b
    Examples:
      vggss report --benchmark scores.json --out report.html
      vggss report --benchmark scores.json --predictions maps.npz \\
        --annotations vggss.json --out report.html
      vggss report --benchmark a.json --benchmark b.json \\
        --predictions a.npz --predictions b.npz --annotations vggss.json --out report.html
    """
    from vggss_tools.atomic import check_writable
    from vggss_tools.report.examples import ExampleGroup, default_outlines, make_examples
    from vggss_tools.report.page import write_report
    from vggss_tools.report.runs import read_runs

    beside = () if annotations_path is None else (annotations_path.with_name("silent.json"),)
    inputs = (
        *(*benchmark_paths, *per_clip_paths, *predictions_paths, *swap_paths, *beside),
        *(annotations_path, negatives_path, proposals_path, silent_path),
        *(Path(name) for name in protocols if name.endswith((".yaml", ".yml"))),
    )
    refuse_overwriting({"--out": out}, inputs)
    check_writable(out)
    runs = read_runs(benchmark_paths, per_clip_paths, labels)
    rules = read_rules(protocols)
    chosen = check_scored(runs, protocols, rules) or default_outlines(runs)
    examples: list[ExampleGroup] = []
    lacking = [
        *(["--predictions"] if not predictions_paths else []),
        *(["--annotations"] if not annotations_path else []),
    ]
    reason = f"the page was made without {' and '.join(lacking)}"
    if not count:
        reason = "none were asked for"
    if predictions_paths and annotations_path and count:
        test_set = read_scored_test_set(annotations_path, negatives_path, runs[0])
        sources = read_sources(
            workspace,
            test_set,
            match_maps(runs, predictions_paths, swap_paths),
            proposals_path,
            (silent_path, annotations_path) if swap_paths else None,
            sound,
            rules.values(),
        )
        examples = make_examples(sources, runs, chosen, count)
        reason = "the data directory holds no extracted frame of a scored clip"
    write_report(out, runs, examples, title=title, no_examples=reason, outlined=chosen)
    shown = sum(len(group.examples) for group in examples)
    say(f"{out}: {size_of(out.stat().st_size)}, {shown} clip(s) shown")
    if not shown:
        say(f"No clips are shown: {reason}")


def size_of(n_bytes: int) -> str:
    """Return a file's size for people."""
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.0f} KB"


def read_rules(names: Sequence[str]) -> dict[str, Protocol]:
    """Read the protocols that are given as files: as given → the rule."""
    from vggss_tools.evaluate.protocol_file import read_protocol

    files = [name for name in names if name.endswith((".yaml", ".yml"))]
    return {name: read_protocol(Path(name)) for name in files}


def check_scored(
    runs: Sequence[Run], names: Sequence[str], rules: Mapping[str, Protocol]
) -> list[str]:
    """Return the names of the protocols that are asked for.

    Raises
    ------
    InvalidInput
        If no run was scored under one of them.
    """
    scored = dict.fromkeys(result["protocol"] for run in runs for result in run.results)
    chosen = [rules[name].name if name in rules else name for name in names]
    for name in chosen:
        if name not in scored:
            raise InvalidInput(
                f"--protocol {name}: not in the results, which have {', '.join(scored)}; "
                "give one of these"
            )
    return list(dict.fromkeys(chosen))


def read_scored_test_set(path: Path, negatives: Path | None, run: Run) -> TestSet:
    """Read the boxes, and refuse others than those that were scored against.

    Raises
    ------
    InvalidInput
        If a checksum differs from the one in the benchmark's result.
    """
    from vggss_tools.evaluate.test_set_files import read_test_set
    from vggss_tools.evaluate.test_sets import EXTENDED_SUFFIX

    test_set = read_test_set(path, check_classes=False, negatives=negatives)
    used = run.results[0]["annotations"]
    scored = used["sha256"]
    if negatives is None and str(used.get("name", "")).endswith(EXTENDED_SUFFIX):
        raise InvalidInput(
            f"{test_set.name}: {run.name} was scored with negatives; give them, too, with "
            "--negatives FILE.csv"
        )
    if scored and test_set.sha256 != scored:
        raise _another(test_set.name, test_set.sha256, scored, run)
    return test_set


def match_maps(
    runs: Sequence[Run], paths: Sequence[Path], swap_paths: Sequence[Path]
) -> dict[int, Maps]:
    """Find each run's maps, by checksum; the order of the files does not matter.

    Returns
    -------
    position of a run → its maps, for those runs whose maps are given

    Raises
    ------
    InvalidInput
        If a file is not one that was scored.
    """
    from vggss_tools.report.examples import Maps

    own = _match(runs, paths, "predictions")
    swapped = _match(runs, swap_paths, "swap_predictions")
    return {i: Maps(predictions, swapped.get(i)) for i, predictions in own.items()}


def _match(runs: Sequence[Run], paths: Sequence[Path], key: str) -> dict[int, Predictions]:
    from vggss_tools.evaluate.predictions import read_predictions

    scored = [(run.benchmark.get(key) or {}).get("sha256") for run in runs]
    found: dict[int, Predictions] = {}
    for position, path in enumerate(paths):
        predictions = read_predictions(path)
        its = [i for i, sha256 in enumerate(scored) if sha256 == predictions.sha256]
        if not its and position < len(runs) and scored[position] is None:
            its = [position]  # a result of another tool, which does not say what it scored
        if not its:
            run = runs[min(position, len(runs) - 1)]
            sha256 = scored[min(position, len(runs) - 1)] or ""
            raise _another(predictions.name, predictions.sha256, sha256, run)
        found |= dict.fromkeys(its, predictions)
    return dict(sorted(found.items()))


def _another(name: str, given: str, scored: str, run: Run) -> InvalidInput:
    remedy = "give that file, or run `vggss benchmark` again"
    if "model" in run.benchmark:  # the maps were in no file; another set of clips is another file
        remedy = "write the maps with `vggss predict` and score them with `vggss benchmark`"
    return InvalidInput(
        f"{name}: not the file that was scored (sha256 {given[:12]}, scored was "
        f"{scored[:12] or 'none'}); {remedy}"
    )


def read_sources(
    workspace: Workspace,
    test_set: TestSet,
    maps: dict[int, Maps],
    proposals_path: Path | None,
    silent_beside: tuple[Path | None, Path] | None,
    sounds: bool,
    rules: Iterable[Protocol] = (),
) -> Sources:
    """Read what else the frames are drawn from.

    Parameters
    ----------
    silent_beside : the file of what is silent, if one is given, and that of the annotations
    rules : protocols of one's own
    """
    from vggss_tools.cli.benchmark import clip_labels, read_silent
    from vggss_tools.evaluate.protocols import PROTOCOLS
    from vggss_tools.propose.proposals import by_clip, read_proposals
    from vggss_tools.report.examples import Sources

    silent: tuple[Entry, ...] = ()
    labels: dict[str, str] = {}
    if silent_beside:
        silent = read_silent(*silent_beside)
        labels = clip_labels(workspace)
    return Sources(
        workspace,
        test_set,
        maps,
        proposals=by_clip(read_proposals(proposals_path)) if proposals_path else {},
        silent=silent,
        labels=labels,
        sounds=sounds,
        protocols={**PROTOCOLS, **{rule.name: rule for rule in rules}},
    )
