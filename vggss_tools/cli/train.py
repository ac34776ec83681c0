"""`vggss train`: learn to localise sounds from clips alone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from vggss_tools.cli.options import FiniteRange, data_option, emit_json, json_option, say
from vggss_tools.errors import VggssError, import_extra
from vggss_tools.workspace import Workspace

# Choices, so that `--help` imports no torch; a test holds them to the registries.
OBJECTIVES = [
    "lvs",
    "lvs-paper",
    *(f"lvs-{model}" for model in "abcdef"),
    "max-pool",
    "mean-pool",
    "attention",
    "av-object",
    "dmc",
    "coarse-to-fine",
    "fnac",
]
BACKBONES = ["resnet18", "resnet18-half", "resnet18-quarter"]
SPECTROGRAMS = ["lvs-code", "paper", "compact"]

PAPER_BATCH = 256  # section 5.3
CPU_BATCH = 64  # a full-size batch of 256 needs some 30 GB
EPOCHS = 20  # when neither --steps nor --epochs is given


class ObjectiveName(click.ParamType):
    """One of :data:`OBJECTIVES`, or one that an installed package brings."""

    name = "objective"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return the choices for the help."""
        return f"[{'|'.join(OBJECTIVES)}]"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse a name that nobody brings."""
        if value not in OBJECTIVES:
            from vggss_tools.models.objectives import objective

            try:
                objective(value)
            except VggssError as error:
                self.fail(error.message, param, ctx)
        return value


def is_given(ctx: click.Context, name: str) -> bool:
    """Whether an option stands on the command line or in the environment."""
    source = ctx.get_parameter_source(name)
    return source in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


def usual_batch(device: str, n_clips: int) -> int:
    """Return the default batch size, never more than there are clips."""
    from vggss_tools.train.hardware import choose_device

    gpu = choose_device(device).type == "cuda"
    return min(PAPER_BATCH if gpu else CPU_BATCH, n_clips)


@click.command("train")
@click.option("--split", default="train", show_default=True, help="Clips to learn from.")
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Gets checkpoint.pth and train.csv.",
)
@click.option(
    "--objective",
    type=ObjectiveName(),
    default="lvs",
    show_default=True,
    help="What is minimised; see docs/training.md.",
)
@click.option(
    "--warmup-objective",
    type=ObjectiveName(),
    default="max-pool",
    show_default=True,
    help="What is minimised in the first --warmup-steps.",
)
@click.option(
    "--warmup-steps",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Steps with the warm-up objective.",
)
@click.option(
    "--image-backbone",
    "backbone",
    type=click.Choice(BACKBONES),
    default="resnet18",
    show_default=True,
    help="Width of both streams.",
)
@click.option(
    "--image-weights",
    default="none",
    show_default=True,
    metavar="PATH|imagenet|sample|none",
    help="Where the image stream starts.",
)
@click.option(
    "--size",
    type=click.IntRange(min=32),
    default=224,
    show_default=True,
    help="Side of the picture, in pixels.",
)
@click.option(
    "--stride",
    type=click.Choice(["8", "16", "32"]),
    default="16",
    show_default=True,
    help="Pixels per place of the map.",
)
@click.option(
    "--spectrogram",
    type=click.Choice(SPECTROGRAMS),
    default="lvs-code",
    show_default=True,
    help="How the sound is seen.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Steps to train.  [default: 20 epochs]")
@click.option("--epochs", type=click.IntRange(min=1), help="Passes over the clips, for --steps.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=2),
    help="Clips a step.  [default: 256 on a GPU, 64 on a CPU, at most all]",
)
@click.option(
    "--lr",
    type=FiniteRange(min=0, min_open=True),
    default=1e-4,
    show_default=True,
    help="Adam's learning rate.",
)
@click.option(
    "--weight-decay", type=FiniteRange(min=0), default=0.0, show_default=True, help="Adam's."
)
@click.option(
    "--ramp-steps",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Steps over which the learning rate rises.",
)
@click.option(
    "--augment",
    type=FiniteRange(0, 1),
    default=1.0,
    show_default=True,
    help="Strength of the augmentation.",
)
@click.option(
    "--crop-size",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Side of the pictures in training; 0 is --size.",
)
@click.option(
    "--crop-sound",
    type=FiniteRange(0.1, 1),
    default=1.0,
    show_default=True,
    help="Share of a sound that is heard in one step.",
)
@click.option(
    "--ignore-nearest",
    type=FiniteRange(0, 0.5),
    default=0.0,
    show_default=True,
    help="Share of a batch, the most alike in sound, that are no negatives.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**63 - 1),
    default=0,
    show_default=True,
    help="Fixes initial weights, order and augmentation.",
)
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Steps between checkpoints.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    show_default=True,
    help="Of the convolutions; auto takes bfloat16 where the hardware has it.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=0, max=1024),
    default=0,
    help="CPU threads.  [default: torch's own choice]",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in --out, with its own options; without a run there it is an error.",
)
@data_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    workspace: Workspace,
    out: Path,
    steps: int | None,
    epochs: int | None,
    resume: bool,
    json_out: str | None,
    **options: Any,
) -> None:
    """Train a sound-source localiser; boxes are never used.

    Two ResNet-18 streams learn from the frames and sounds of a split which sound belongs to
    which place (Chen et al., "Localizing Visual Sounds the Hard Way", section 3). The same
    command given again continues a run that was stopped, and ends in the same bits as a run that
    was not; in a directory that holds another run it stops.

    \b
    Examples:
      vggss train --objective lvs --image-weights imagenet --out runs/lvs
      vggss train --out runs/lvs --resume
      vggss train --image-backbone resnet18-quarter --size 128 --epochs 30 --out runs/small
    """
    import_extra("torch", "models")
    import_extra("torchvision", "models")
    from vggss_tools.models.checkpoint import read_checkpoint
    from vggss_tools.models.resnet import load_image_weights, weights_name
    from vggss_tools.train.clips import extracted_clips
    from vggss_tools.train.config import TrainConfig
    from vggss_tools.train.data import pack
    from vggss_tools.train.loop import CHECKPOINT, train

    if steps is not None and epochs is not None:
        raise click.UsageError("give --steps or --epochs, not both")
    weights = options["image_weights"]
    options |= {"stride": int(options["stride"]), "image_weights": weights_name(weights)}
    if resume:
        if not (out / CHECKPOINT).exists():
            raise VggssError(f"{out}: no run there to resume; leave out --resume to start one")
        kept = read_checkpoint(out / CHECKPOINT).config
        options = kept | {name: options[name] for name in options if is_given(ctx, name)}
    clips, lost = extracted_clips(workspace, options["split"])
    if lost:
        say(f"Left out: {len(lost)} clips without a usable frame or sound.")
    if options["batch_size"] is None:
        options["batch_size"] = usual_batch(options["device"], len(clips))
    if steps is not None:
        options["steps"] = steps
    elif epochs is not None or not resume:
        options["steps"] = (epochs or EPOCHS) * max(len(clips) // options["batch_size"], 1)

    config = TrainConfig.from_dict(options)
    data = pack(workspace, clips, config.architecture)
    summary = train(config, data, out, lambda net: load_image_weights(net.image, weights))
    if summary.samples_per_s is None:
        say(f"{out}: trained already, {summary.step} steps; nothing to do.")
    else:
        say(
            f"{out}: {summary.step} steps ({summary.resumed_at} of them before), "
            f"loss {summary.loss:.3f}, {summary.samples_per_s:.0f} clips/s"
        )
    emit_json(
        {
            "schema": "vggss-train/1",
            "checkpoint": str(out / CHECKPOINT),
            "clips": len(clips),
            "left_out": [clip.clip_id for clip in lost],
            "steps": summary.step,
            "resumed_at": summary.resumed_at,
            "loss": summary.loss,
            "clips_per_s": summary.samples_per_s,
            "parameters": summary.parameters,
            "config": config.as_dict(),
            "hardware": asdict(summary.hardware),
        },
        json_out,
    )
