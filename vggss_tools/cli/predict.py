"""`vggss predict`: a model's localisation maps to a predictions file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vggss_tools.cli.options import data_option, emit_json, json_option, say
from vggss_tools.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray


@click.command("predict")
@click.option(
    "--model",
    required=True,
    metavar="CKPT",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Checkpoint of `vggss train`, or of LVS, EZ-VSL, MarginNCE, FNAC, SLAVC, SSL-TIE or "
    "SSL-Align.",
)
@click.option("--split", default="test", show_default=True, help="Clips to predict.")
@click.option(
    "--out",
    required=True,
    metavar="FILE.npz",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Predictions file to write.",
)
@click.option(
    "--sound",
    type=click.Choice(["own", "swap", "silence", "noise"]),
    default="own",
    show_default=True,
    help="What is heard with each frame: its own sound, that of a silent object in it, or none.",
)
@click.option(
    "--silent",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What is visible and silent, for --sound swap.  [default: silent.json of the newest "
    "release]",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Clips at once.",
)
@click.option(
    "--object-map",
    is_flag=True,
    help="Also write each frame's object prior, from a ResNet-18 trained on ImageNet.",
)
@click.option(
    "--object-weights",
    metavar="PATH",
    help="Weights for --object-map: a state dict of torchvision's resnet18.  "
    "[default: torchvision's, downloaded once]",
)
@click.option(
    "--twin",
    type=click.Choice(["online", "momentum"]),
    help="Which copy of SLAVC's network.  [default: online]",
)
@click.option(
    "--centre-crop",
    is_flag=True,
    help="Show LVS and SSL-TIE the middle square of the frame, as their code does, not the whole.",
)
@click.option(
    "--allow-partial",
    is_flag=True,
    help="Go on when a published checkpoint misses weights or has unknown ones.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@data_option
@json_option
def command(
    workspace: Workspace,
    model: Path,
    split: str,
    out: Path,
    sound: str,
    silent: Path | None,
    batch_size: int,
    object_map: bool,
    object_weights: str | None,
    twin: str | None,
    centre_crop: bool,
    allow_partial: bool,
    device: str,
    json_out: str | None,
) -> None:
    """Write a model's localisation maps to a predictions file.

    Each clip's benchmark frame is seen with its own sound, or with what --sound says. With
    `swap` it is the sound of another clip of the split, of a class that is visible in the frame
    and silent; the map of a model that listens moves there. Clips without a silent object are
    left out of that. Needs the frames and sounds that `vggss extract` makes; what is predicted
    already is not predicted again.

    A published checkpoint is told by the names of its weights, and sees and hears what its own
    code gives it (docs/models.md).

    \b
    Examples:
      vggss predict --model runs/lvs/checkpoint.pth --split test --out own.npz
      vggss predict --model runs/lvs/checkpoint.pth --sound swap --out swap.npz
      vggss predict --model ezvsl/best.pth --object-map --out ezvsl.npz
    """
    import numpy as np

    from vggss_tools.atomic import check_writable
    from vggss_tools.evaluate.predictions import write_predictions
    from vggss_tools.predict import (
        STAGES,
        Localiser,
        ModelOptions,
        PredictObjects,
        choose_sounds,
        gather,
    )
    from vggss_tools.stages import Stage, run_stage

    check_writable(out)
    options = ModelOptions(allow_partial, twin, centre_crop)
    localiser = Localiser(model, device, batch_size, options)
    objects: PredictObjects | None = None
    if object_map or object_weights is not None:
        objects = PredictObjects(workspace, object_weights or "imagenet", device)
        objects.setup()  # weights that cannot be had are said before the work
    clips = workspace.clips(split)
    audio_id = choose_sounds(workspace, clips, sound, silent)
    stage = STAGES[sound](workspace, model, audio_id, device, batch_size, localiser, options)
    chosen = [clip for clip in clips if clip.clip_id in audio_id]
    summary = run_stage(stage, chosen, workspace, workers=0, label="predicting")
    summaries = [summary]
    if objects is not None:
        summaries.append(run_stage(objects, chosen, workspace, workers=0, label="objects"))
    missing = {
        failure.clip_id: failure.message or "" for one in summaries for failure in one.failures
    }

    def maps_of(a_stage: Stage) -> dict[str, NDArray[np.float32]]:
        done = (clip for clip in chosen if clip.clip_id not in missing)
        return {clip.clip_id: np.load(a_stage.outputs(clip)[0]) for clip in done}

    notes = localiser.notes(workspace, audio_id.values())
    priors = maps_of(objects) if objects is not None else None
    found = gather(clips, audio_id, maps_of(stage), missing, priors, notes)
    out.parent.mkdir(parents=True, exist_ok=True)
    ids = {} if sound == "own" else {"image_id": found.clip_id, "audio_id": found.audio_id}
    write_predictions(
        out, found.clip_id, found.maps, object_map=found.object_maps, notes=found.notes, **ids
    )
    if found.left_out:
        say(f"{len(found.left_out)} of {len(clips)} clips have no silent object to swap to.")
    for note in found.notes:
        say(f"Note: {note}")
    say(f"{out}: {len(found.clip_id)} maps of {found.maps.shape[1]}x{found.maps.shape[2]}")
    emit_json(
        {
            "schema": "vggss-predict/1",
            "out": str(out),
            "model": {
                "file": str(model),
                "sha256": stage.settings()["model"],
                "family": localiser.family,
                "twin": localiser.twin,
            },
            "split": split,
            "sound": sound,
            "n_total": len(clips),
            "n_predicted": len(found.clip_id),
            "map_shape": list(found.maps.shape[1:]),
            "left_out": list(found.left_out),
            "missing": sorted(missing),
            "object_map_shape": (
                None if found.object_maps is None else list(found.object_maps.shape[1:])
            ),
            "notes": list(found.notes),
        },
        json_out,
    )
    for one in summaries:
        one.raise_for_failures()
