"""``vggss train-image-weights``: where the quickstart's image stream starts from."""

from __future__ import annotations

from pathlib import Path

import click

from vggss_tools.cli.options import emit_json, json_option, say
from vggss_tools.errors import VggssError, import_extra


@click.command("train-image-weights")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.pth",
    help="Where the weights go; their card gets the same name with .json.",
)
@click.option(
    "--seed",
    type=click.IntRange(2000, 2**31),
    default=2000,
    show_default=True,
    help="Seed of the scenes; the next one is held out to score the result.",
)
@click.option(
    "--scenes",
    type=click.IntRange(min=10),
    default=1500,
    show_default=True,
    help="Scenes to cut pictures of single objects from.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    default=1500,
    show_default=True,
    help="Batches of 64 pictures.",
)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads.  [default: one a core]")
@json_option
def command(
    out: Path, seed: int, scenes: int, steps: int, threads: int | None, json_out: str | None
) -> None:
    """Train the sample world's stand-in for ImageNet weights.

    The paper starts its image stream from a network that can name objects (ImageNet). This makes
    the same for the sample world: a small ResNet-18 that names single objects, cut from scenes
    of seeds that no quickstart uses. What comes with vggss is `--image-weights sample`.

    \b
    Examples:
      vggss train-image-weights --out weights.pth
      vggss train --image-weights weights.pth --image-backbone resnet18-quarter --out runs/mine
    """
    torch = import_extra("torch", "models")
    import_extra("torchvision", "models")
    from vggss_tools.train.image_weights import ImageTraining, train_image_weights

    if out.suffix == ".json":
        raise VggssError(f"{out}: that name is for the card; give the weights another")
    if threads is not None:
        torch.set_num_threads(threads)
    config = ImageTraining(seed=seed, scenes=scenes, steps=steps)
    card = train_image_weights(config, out, workers=threads, report=say)
    say(
        f"{out}: {card['bytes'] / 1e6:.1f} MB; names {card['held_out']['accuracy']:.1%} of "
        f"{card['held_out']['pictures']} held-out pictures rightly"
    )
    emit_json({"schema": "vggss-train-image-weights/1", "out": str(out), "card": card}, json_out)
