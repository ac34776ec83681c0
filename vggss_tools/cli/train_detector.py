"""``vggss train-detector``: the sample world's object detector, from scratch."""

from __future__ import annotations

from pathlib import Path

import click

from vggss_tools.cli.options import emit_json, json_option, say
from vggss_tools.errors import VggssError, import_extra


@click.command("train-detector")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.pth",
    help="Where the weights go; their card, with classes and provenance, gets the same name "
    "with .json.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=1000),
    default=1000,
    show_default=True,
    help="Seed of the training scenes; the next one is held out to score the result.",
)
@click.option(
    "--scenes",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    help="Scenes to render, two frames of each.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    help="Batches of 16 frames.",
)
@click.option(
    "--held-out",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Scenes of the next seed to score the result on.",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "bfloat16", "float32"]),
    default="auto",
    show_default=True,
    help="Arithmetic of the network; auto is bfloat16 where the CPU has it.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="CPU threads, and processes that render.  [default: one a core]",
)
@json_option
def command(
    out: Path,
    seed: int,
    scenes: int,
    steps: int,
    held_out: int,
    precision: str,
    threads: int | None,
    json_out: str | None,
) -> None:
    """Train the sample world's object detector.

    A small Faster R-CNN learns from scenes that are rendered for it, with seeds of its own
    (1000 and up), and is scored on scenes of the next seed. A training that was stopped goes on
    from its last hundred steps when the same command is run again.

    \b
    Examples:
      vggss train-detector --out detector.pth
      vggss train-detector --out detector.pth --seed 1002 --threads 8 --json
      vggss propose-boxes --detector sample:detector.pth
    """
    from vggss_tools.atomic import check_writable

    torch = import_extra("torch", extra="models")
    import_extra("torchvision", extra="models")
    from vggss_tools.models.precision import native_precision
    from vggss_tools.propose.train_sample import DetectorTraining, train_detector

    if out.suffix == ".json":
        raise VggssError(
            f"{out}: that name is for the card; give the weights another, such as "
            f"{out.with_suffix('.pth')}"
        )
    check_writable(out)
    check_writable(out.with_suffix(".json"))
    if threads is not None:
        torch.set_num_threads(threads)
    config = DetectorTraining(
        seed=seed,
        scenes=scenes,
        steps=steps,
        precision=native_precision() if precision == "auto" else precision,
    )
    card = train_detector(config, out, held_out=held_out, workers=threads, report=say)
    emit_json({"schema": "vggss-train-detector/1", "out": str(out), "card": card}, json_out)
    score = card["held_out"]
    say(
        f"{out}: {card['bytes'] / 1e6:.1f} MB; on {score['scenes']} scenes of seed "
        f"{score['seed']}, precision {score['precision']:.3f} and recall "
        f"{score['recall']:.3f} at IoU 0.5"
    )
