"""``vggss report``: one self-contained HTML page from benchmark results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vggss_tools.cli.options import data_option, say
from vggss_tools.errors import InvalidInput
from vggss_tools.workspace import Workspace

if TYPE_CHECKING:
    from vggss_tools.annotate.vggss_json import Entry
    from vggss_tools.report.examples import Sources


def _file(help_text: str, metavar: str = "FILE") -> dict[str, Any]:
    return {"metavar": metavar, "type": click.Path(path_type=Path), "help": help_text}


@click.command("report")
@click.option(
    "--benchmark",
    "benchmark_path",
    required=True,
    **_file("Result of `vggss benchmark --json`.", "OUT.json"),
)
@click.option(
    "--per-clip",
    "per_clip_path",
    **_file("The clips' cIoU; frames are then shown from the best to the worst.", "OUT.parquet"),
)
@click.option(
    "--predictions", "predictions_path", **_file("The maps that were scored.", "FILE.npz")
)
@click.option(
    "--annotations",
    "annotations_path",
    **_file("The boxes that they were scored against.", "vggss.json"),
)
@click.option(
    "--proposals", "proposals_path", **_file("proposals.parquet, to draw the proposed boxes.")
)
@click.option(
    "--swap-predictions",
    "swap_path",
    **_file("Maps with silent objects' sounds, to show beside the others.", "FILE.npz"),
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
    help="Clips to show.",
)
@data_option
def command(
    workspace: Workspace,
    benchmark_path: Path,
    per_clip_path: Path | None,
    predictions_path: Path | None,
    annotations_path: Path | None,
    proposals_path: Path | None,
    swap_path: Path | None,
    silent_path: Path | None,
    out: Path,
    title: str | None,
    count: int,
) -> None:
    """Write one self-contained HTML page from benchmark results.

    Scores with their baselines and ceilings, success curves, classes, and what is missing. With
    --predictions and --annotations, and the extracted frames in the data directory, also frames
    with heat map, tri-map and boxes. The page loads nothing from elsewhere.

    \b
    Examples:
      vggss report --benchmark scores.json --out report.html
      vggss report --benchmark scores.json --per-clip clips.parquet \\
        --predictions maps.npz --annotations vggss.json --out report.html
    """
    from vggss_tools.atomic import check_writable
    from vggss_tools.report.examples import make_examples
    from vggss_tools.report.page import write_report
    from vggss_tools.report.sources import read_benchmark, read_per_clip

    check_writable(out)
    benchmark = read_benchmark(benchmark_path)
    per_clip = read_per_clip(per_clip_path) if per_clip_path else {}
    examples = []
    reason = "the page was made without --predictions and --annotations"
    if not count:
        reason = "none were asked for"
    if predictions_path and annotations_path and count:
        sources = read_sources(
            workspace,
            predictions_path,
            annotations_path,
            proposals_path,
            swap_path,
            silent_path,
            per_clip,
        )
        refuse_others(benchmark, sources)
        protocols = [str(result["protocol"]) for result in benchmark["results"]]
        examples = make_examples(sources, protocols, count)
        reason = "the data directory holds no extracted frame of a scored clip"
    write_report(out, benchmark, examples, title=title, no_examples=reason, ranked=bool(per_clip))
    say(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {len(examples)} clip(s) shown")


def read_sources(
    workspace: Workspace,
    predictions_path: Path,
    annotations_path: Path,
    proposals_path: Path | None,
    swap_path: Path | None,
    silent_path: Path | None,
    per_clip: Mapping[str, Mapping[str, float]],
) -> Sources:
    """Read what the frames are drawn from."""
    from vggss_tools.annotate.vggss_json import read_vggss_json
    from vggss_tools.cli.benchmark import clip_labels, read_silent
    from vggss_tools.evaluate.predictions import read_predictions
    from vggss_tools.propose.proposals import by_clip, read_proposals
    from vggss_tools.report.examples import Sources

    silent: tuple[Entry, ...] = ()
    labels: dict[str, str] = {}
    if swap_path:
        silent = read_silent(silent_path, annotations_path)
        labels = clip_labels(workspace)
    return Sources(
        workspace,
        read_predictions(predictions_path),
        read_vggss_json(annotations_path),
        proposals=by_clip(read_proposals(proposals_path)) if proposals_path else {},
        swapped=read_predictions(swap_path) if swap_path else None,
        silent=silent,
        labels=labels,
        per_clip=per_clip,
    )


def refuse_others(benchmark: dict[str, Any], sources: Sources) -> None:
    """Refuse maps or boxes that are not those which were scored.

    Raises
    ------
    InvalidInput
        If a checksum differs from the one in the benchmark's result.
    """
    used = benchmark.get("predictions") or {}
    pairs = [
        (sources.predictions.name, sources.predictions.sha256, used.get("sha256")),
        (
            sources.annotations.name,
            sources.annotations.sha256,
            benchmark["results"][0]["annotations"]["sha256"],
        ),
    ]
    remedy = "give that file, or run `vggss benchmark` again"
    if "model" in benchmark:  # the maps were in no file; another set of clips is another file
        remedy = "write the maps with `vggss predict` and score them with `vggss benchmark`"
    for name, given, scored in pairs:
        if given and scored and given != scored:
            raise InvalidInput(
                f"{name}: not the file that was scored (sha256 {given[:12]}, scored was "
                f"{str(scored)[:12]}); {remedy}"
            )
