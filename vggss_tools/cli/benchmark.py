"""`vggss benchmark`: score a model or its predictions under named protocols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vggss_tools.cli.options import data_option, emit_json, json_option, say
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.workspace import RELEASE_FILE, Workspace

if TYPE_CHECKING:
    from vggss_tools.annotate.vggss_json import Annotations, Entry
    from vggss_tools.evaluate.predictions import Predictions
    from vggss_tools.evaluate.protocols import Protocol
    from vggss_tools.evaluate.results import ModelUsed


def _list_protocols(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from vggss_tools.evaluate.protocols import PROTOCOLS

    for protocol in PROTOCOLS.values():
        click.echo(f"{protocol.name}\n    {protocol.summary}\n    source: {protocol.source}")
    ctx.exit()


def _choose_protocols(
    ctx: click.Context, parameter: click.Parameter, names: Sequence[str]
) -> list[Protocol]:
    from vggss_tools.evaluate.protocols import DEFAULT_PROTOCOLS, PROTOCOLS

    for name in names:
        if name not in PROTOCOLS:
            raise click.BadParameter(
                f"no protocol {name!r}; there are {', '.join(PROTOCOLS)} (see --list-protocols)",
                ctx,
                parameter,
            )
    return [PROTOCOLS[name] for name in dict.fromkeys(names or DEFAULT_PROTOCOLS)]


@click.command("benchmark")
@click.option(
    "--predictions",
    "predictions_path",
    metavar="FILE.npz",
    type=click.Path(path_type=Path),
    help="Predictions of any model, a file or a folder (docs/benchmark.md).",
)
@click.option(
    "--model",
    metavar="CKPT",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Checkpoint of `vggss train`: predict first; needs the extra `models`.",
)
@click.option("--device", default="auto", show_default=True, help="For --model: auto, cpu or cuda.")
@click.option(
    "--annotations",
    "annotations_path",
    metavar="vggss.json",
    type=click.Path(path_type=Path),
    help="Boxes to score against.  [default: the newest release in the data directory that is not "
    "of the --model's training split, else its vggss.json]",
)
@click.option(
    "--protocol",
    "protocols",
    metavar="NAME",
    multiple=True,
    callback=_choose_protocols,
    help="How maps are thresholded and scored; may be repeated.  [default: paper, lvs]",
)
@click.option(
    "--list-protocols",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_protocols,
    help="Say what each protocol does and where it comes from, and stop.",
)
@click.option(
    "--train-annotations",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Boxes of training clips, for the baseline `mean_box`.",
)
@click.option(
    "--proposals",
    "proposals_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="proposals.parquet, for the sound-blind baselines and the proposals' own scores.",
)
@click.option(
    "--swap-predictions",
    "swap_path",
    metavar="FILE.npz",
    type=click.Path(path_type=Path),
    help="Predictions with silent objects' sounds (`vggss predict --sound swap`).",
)
@click.option(
    "--silent",
    "silent_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="What is visible and silent, for --swap-predictions.  [default: silent.json beside the "
    "annotations]",
)
@click.option(
    "--any-class",
    is_flag=True,
    help="Take annotations with classes that VGG-Sound does not have, of a data set of one's own.",
)
@click.option(
    "--per-clip",
    metavar="OUT.parquet",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write each clip's cIoU: protocol, clip_id, ciou.",
)
@click.option(
    "--fail-if-missing", is_flag=True, help="Exit with 6 when an annotated clip has no map."
)
@data_option
@json_option
def command(
    workspace: Workspace,
    predictions_path: Path | None,
    model: Path | None,
    device: str,
    annotations_path: Path | None,
    protocols: list[Protocol],
    train_annotations: Path | None,
    proposals_path: Path | None,
    swap_path: Path | None,
    silent_path: Path | None,
    any_class: bool,
    per_clip: Path | None,
    fail_if_missing: bool,
    json_out: str | None,
) -> None:
    """Score a model or its predictions under named protocols.

    Every score comes with its protocol, the clips it is over, the annotations' version, trivial
    baselines and the ceiling of the protocol on the same clips. Annotated clips without a map
    are reported and not scored.

    \b
    Examples:
      vggss benchmark --predictions maps.npz --annotations vggss.json --json scores.json
      vggss benchmark --predictions maps.npz --protocol lvs --per-clip clips.parquet
      vggss benchmark --model runs/lvs/checkpoint.pth
      vggss benchmark --list-protocols
    """
    if (predictions_path is None) == (model is None):
        raise click.UsageError("Give one of --predictions FILE.npz and --model CKPT.")

    from vggss_tools.atomic import check_writable
    from vggss_tools.checksums import sha256_of
    from vggss_tools.evaluate.benchmark import is_stand_in, run_benchmark, write_per_clip
    from vggss_tools.evaluate.predictions import read_predictions
    from vggss_tools.evaluate.table import format_benchmark
    from vggss_tools.propose.proposals import by_clip, read_proposals

    if per_clip is not None:
        check_writable(per_clip)
    trained_on = split_of_model(model, workspace) if model is not None else None
    path = annotations_path or default_annotations(workspace, trained_on)
    annotations = read_annotations(path, any_class)
    training = read_annotations(train_annotations, any_class) if train_annotations else None
    proposals = by_clip(read_proposals(proposals_path)) if proposals_path else None
    silent = read_silent(silent_path, path) if swap_path else ()
    swapped = read_predictions(swap_path) if swap_path else None
    used: ModelUsed | None = None
    if model is not None:
        predictions = predictions_from_model(model, workspace, annotations, device)
        used = {"name": model.name, "sha256": sha256_of(model)}
    elif predictions_path is not None:
        predictions = read_predictions(predictions_path)
    benchmark = run_benchmark(
        predictions,
        annotations,
        protocols,
        training=training,
        proposals=proposals,
        swapped=swapped,
        silent=silent,
        labels=clip_labels(workspace) if swap_path else None,
        stand_in=is_stand_in(path, annotations),
        model=used,
        warnings=training_warnings(workspace, annotations, trained_on),
    )
    # What is on the screen is kept, whatever becomes of the files.
    if json_out != "-":
        click.echo(format_benchmark(benchmark.json), nl=False)
    for note in benchmark.json["notes"]:
        say(f"Note: {note}")
    for result in benchmark.json["results"]:
        for warning in result["warnings"]:
            say(f"Warning: {result['protocol']}: {warning}")
    if per_clip is not None:
        write_per_clip(per_clip, benchmark)
    emit_json(dict(benchmark.json), json_out)
    if benchmark.missing and fail_if_missing:
        raise InvalidInput(
            f"{predictions.name}: {len(benchmark.missing)} of {len(annotations.entries)} annotated "
            f"clips have no map, {benchmark.missing[0]} first; predict them too"
        )


def read_annotations(path: Path, any_class: bool) -> Annotations:
    """Read annotations, of VGG-Sound's classes unless any are taken."""
    from vggss_tools.annotate.vggss_json import read_vggss_json
    from vggss_tools.classes import UnknownClass

    try:
        return read_vggss_json(path, check_classes=not any_class)
    except UnknownClass as error:
        raise InvalidInput(
            f"{error.message} (--any-class takes a data set with classes of its own)"
        ) from None


def split_of_model(model: Path, workspace: Workspace) -> str | None:
    """Return the split that a checkpoint was trained on."""
    from vggss_tools.predict import training_split

    workspace.clips()  # without clips there is nothing to predict
    return training_split(model)


def training_warnings(
    workspace: Workspace, annotations: Annotations, trained_on: str | None
) -> list[str]:
    """Say so if annotated clips are of the split that the model was trained on."""
    if trained_on is None:
        return []
    seen = {clip.clip_id for clip in workspace.clips() if clip.split == trained_on}
    count = sum(entry.file in seen for entry in annotations.entries)
    if not count:
        return []
    return [
        f"the model was TRAINED ON split {trained_on!r}, and {count} of the "
        f"{len(annotations.entries)} annotated clips are of it; the score says nothing about "
        "clips that it has not seen"
    ]


def default_annotations(workspace: Workspace, trained_on: str | None = None) -> Path:
    """Return the newest release of the data directory, or the published file in it.

    A release of the split that a model was ``trained_on`` is taken only where there is nothing
    else.

    Raises
    ------
    VggssError
        If there is neither; the message says how to get one.
    """
    release = workspace.newest_release(not_split=trained_on)
    if release is not None:
        return release / RELEASE_FILE
    published = workspace.root / RELEASE_FILE
    if published.is_file():
        return published
    release = workspace.newest_release()
    if release is not None:
        return release / RELEASE_FILE
    raise VggssError(
        f"{workspace.root}: no annotations there; make some with `vggss release NAME`, or save "
        "the published vggss.json (github.com/hche11/Localizing-Visual-Sounds-the-Hard-Way, "
        "metadata/) there, or give --annotations FILE"
    )


def read_silent(path: Path | None, annotations_path: Path) -> tuple[Entry, ...]:
    """Read what is visible and silent; by default from beside the annotations."""
    from vggss_tools.annotate.vggss_json import read_vggss_json

    found = path or annotations_path.with_name("silent.json")
    if path is None and not found.is_file():
        raise VggssError(
            f"{found}: missing, and --swap-predictions needs to know what is silent; "
            "give --silent FILE"
        )
    return read_vggss_json(found, repeated_files=True).entries


def clip_labels(workspace: Workspace) -> dict[str, str]:
    """Return the classes of the data directory's clips, none where it has no clips."""
    if not workspace.clips_table.is_file():
        return {}
    return {clip.clip_id: clip.label for clip in workspace.clips()}


def predictions_from_model(
    model: Path, workspace: Workspace, annotations: Annotations, device: str
) -> Predictions:
    """Predict the annotated clips; those that cannot be are counted in a note, with a reason."""
    from vggss_tools.evaluate.predictions import predictions_from_arrays
    from vggss_tools.predict import predict_clips

    annotated = {entry.file for entry in annotations.entries}
    clips = [clip for clip in workspace.clips() if clip.clip_id in annotated]
    extracted = (
        workspace.frame_path(clip.clip_id).is_file()
        and workspace.audio_path(clip.clip_id).is_file()
        for clip in clips
    )
    if not any(extracted):
        raise VggssError(
            f"{workspace.root}: none of the {len(annotations.entries)} clips of {annotations.name} "
            "is extracted there; run `vggss extract` first"
        )
    found = predict_clips(model, workspace, clips, device=device)
    absent = sorted(annotated - {clip.clip_id for clip in clips})
    reasons = [
        *found.missing.values(),
        *(f"{clip_id} is not in {workspace.clips_table}" for clip_id in absent),
    ]
    predictions = predictions_from_arrays(found.clip_id, found.maps, name=model.name)
    if not reasons:
        return predictions
    note = f"{model.name}: no map of {len(reasons)} annotated clip(s); the first: {reasons[0]}"
    return replace(predictions, notes=(*predictions.notes, note))
