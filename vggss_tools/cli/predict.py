"""`vggss predict`: a model's localisation maps to a predictions file."""

from __future__ import annotations

from pathlib import Path

import click

from vggss_tools.cli.options import data_option, emit_json, json_option, say
from vggss_tools.workspace import Workspace


@click.command("predict")
@click.option(
    "--model",
    required=True,
    metavar="CKPT",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Checkpoint written by `vggss train`.",
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
    device: str,
    json_out: str | None,
) -> None:
    """Write a model's localisation maps to a predictions file.

    Each clip's benchmark frame is seen with its own sound, or with what --sound says. With
    `swap` it is the sound of another clip of the split, of a class that is visible in the frame
    and silent; the map of a model that listens moves there. Clips without a silent object are
    left out of that. Needs the frames and sounds that `vggss extract` makes; what is predicted
    already is not predicted again.

    \b
    Examples:
      vggss predict --model runs/lvs/checkpoint.pth --split test --out own.npz
      vggss predict --model runs/lvs/checkpoint.pth --sound swap --out swap.npz
    """
    import numpy as np

    from vggss_tools.atomic import check_writable
    from vggss_tools.evaluate.predictions import write_predictions
    from vggss_tools.predict import STAGES, Localiser, choose_sounds, gather
    from vggss_tools.stages import run_stage

    check_writable(out)
    localiser = Localiser(model, device, batch_size)
    clips = workspace.clips(split)
    audio_id = choose_sounds(workspace, clips, sound, silent)
    stage = STAGES[sound](workspace, model, audio_id, device, batch_size, localiser)
    chosen = [clip for clip in clips if clip.clip_id in audio_id]
    summary = run_stage(stage, chosen, workspace, workers=0, label="predicting")
    missing = {failure.clip_id: failure.message or "" for failure in summary.failures}
    maps = {
        clip.clip_id: np.load(stage.outputs(clip)[0])
        for clip in chosen
        if clip.clip_id not in missing
    }
    found = gather(clips, audio_id, maps, missing)
    out.parent.mkdir(parents=True, exist_ok=True)
    ids = {} if sound == "own" else {"image_id": found.clip_id, "audio_id": found.audio_id}
    write_predictions(out, found.clip_id, found.maps, **ids)
    if found.left_out:
        say(f"{len(found.left_out)} of {len(clips)} clips have no silent object to swap to.")
    say(f"{out}: {len(found.clip_id)} maps of {found.maps.shape[1]}x{found.maps.shape[2]}")
    emit_json(
        {
            "schema": "vggss-predict/1",
            "out": str(out),
            "model": {"file": str(model), "sha256": stage.settings()["model"]},
            "split": split,
            "sound": sound,
            "n_total": len(clips),
            "n_predicted": len(found.clip_id),
            "map_shape": list(found.maps.shape[1:]),
            "left_out": list(found.left_out),
            "missing": sorted(missing),
        },
        json_out,
    )
    summary.raise_for_failures()
