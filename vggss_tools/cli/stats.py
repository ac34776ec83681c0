"""``vggss stats``: what is in a file of boxes, counted and drawn."""

from __future__ import annotations

from pathlib import Path

import click

from vggss_tools.cli.options import emit_json, json_option, refuse_overwriting, say


@click.command("stats")
@click.argument("annotations", metavar="VGGSS.json", type=click.Path(path_type=Path))
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the drawings (PNG) and one HTML page with them; new, empty, or of such files.",
)
@click.option("--force", is_flag=True, help="Replace drawings that are there already.")
@click.option("--all", "all_classes", is_flag=True, help="Print every class, not the ends alone.")
@json_option
def command(
    annotations: Path, out: Path | None, *, force: bool, all_classes: bool, json_out: str | None
) -> None:
    """Count clips, classes and boxes of an annotation file.

    For any file of the published format of VGG-SS: a release's, one's own, or the published one,
    whose counts are those of the paper's Appendix B.3. With --out the paper's Figures 3b, 3c and
    10 are drawn.

    \b
    Examples:
      vggss stats vggss.json
      vggss stats vggss-data/releases/v1/vggss.json --out figures
      vggss stats vggss.json --json -
    """
    from vggss_tools.annotate.statistics.counting import statistics
    from vggss_tools.annotate.vggss_json import read_vggss_json

    refuse_overwriting({"--out": out, "--json": json_out}, [annotations])
    found = read_vggss_json(annotations)
    counts = statistics(found.entries)
    if out is not None:
        from vggss_tools.annotate.statistics.files import write_statistics

        title = f"{found.name}: {counts['n_clips']:,} clips"
        page = write_statistics(out, title, counts, force=force)
        say(f"Drawn: {page}")
    if json_out != "-":
        from vggss_tools.annotate.statistics.text import format_statistics

        click.echo(format_statistics(counts, found.name, all_classes=all_classes))
    emit_json(counts, json_out)
