"""`vggss benchmark`: score a model or its predictions under named protocols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
from click.core import ParameterSource

from vggss_tools.cli.options import (
    FiniteRange,
    OneOrMore,
    data_option,
    emit_json,
    json_option,
    refuse_overwriting,
    say,
)
from vggss_tools.errors import InvalidInput, VggssError
from vggss_tools.workspace import RELEASE_FILE, Workspace

if TYPE_CHECKING:
    from vggss_tools.annotate.vggss_json import Annotations, Entry
    from vggss_tools.evaluate.benchmark import Benchmark
    from vggss_tools.evaluate.predictions import Predictions
    from vggss_tools.evaluate.protocols import Protocol
    from vggss_tools.evaluate.results import ModelUsed
    from vggss_tools.evaluate.test_sets import TestSet


# Under this key of a context's ``meta``: the protocol files that were read.
_PROTOCOL_FILES = "vggss_tools.protocol_files"
# What is read beside the annotations.
_BESIDE = ("silent.json", "release.json")
# Options that say something about --model only.
_OF_MODEL = ("device", "allow_partial", "twin", "object_weights")


def _list_protocols(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from vggss_tools.evaluate.protocols import PROTOCOLS

    for protocol in PROTOCOLS.values():
        click.echo(f"{protocol.name}  (family: {protocol.family})")
        click.echo(f"    {protocol.summary}\n    source: {protocol.source}")
        if protocol.scale:
            click.echo(f"    takes values for what they are: {protocol.scale}")
    ctx.exit()


def _choose_protocols(
    ctx: click.Context, parameter: click.Parameter, names: Sequence[str]
) -> list[Protocol]:
    from vggss_tools.evaluate.protocols import DEFAULT_PROTOCOLS, PROTOCOLS

    chosen: dict[str, Protocol] = {}
    for name in names or DEFAULT_PROTOCOLS:
        if name == "all":
            chosen |= PROTOCOLS
        elif name in PROTOCOLS:
            chosen[name] = PROTOCOLS[name]
        elif name.endswith((".yaml", ".yml")):
            from vggss_tools.evaluate.protocol_file import read_protocol

            own = read_protocol(Path(name))
            ctx.meta.setdefault(_PROTOCOL_FILES, []).append(Path(name))
            if own.name in chosen:
                raise click.BadParameter(
                    f"two protocols are called {own.name!r}; rename one", ctx, parameter
                )
            chosen[own.name] = own
        else:
            raise click.BadParameter(
                f"no protocol {name!r}; there are {', '.join(PROTOCOLS)}, all, and files that end "
                "in .yaml (see --list-protocols)",
                ctx,
                parameter,
            )
    return list(chosen.values())


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
    help="Checkpoint of `vggss train` or of a published family (docs/models.md): predict first; "
    "needs the extra `models`.",
)
@click.option("--device", default="auto", show_default=True, help="For --model: auto, cpu or cuda.")
@click.option(
    "--allow-partial",
    is_flag=True,
    help="For --model: go on although weights are missing or unexpected; they are listed.",
)
@click.option(
    "--twin",
    type=click.Choice(["online", "momentum"]),
    help="For --model: which of SLAVC's two networks.  [default: online]",
)
@click.option(
    "--object-weights",
    metavar="PATH",
    help="For --model with --ogl: weights of the object prior.  [default: torchvision's ImageNet]",
)
@click.option(
    "--annotations",
    "annotations_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Boxes to score against: VGG-SS or a release, Flickr-SoundNet, IS3, VPO, AVSBench "
    "(docs/test-sets.md).  [default: the newest release in the data directory that is not of the "
    "--model's training split, else its vggss.json]",
)
@click.option(
    "--negatives",
    metavar="FILE.csv",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Pictures with sounds that are not in them (SLAVC's *_plus_silent.csv): adds AP, max-F1 "
    "and LocAcc.",
)
@click.option(
    "--subset",
    "subsets",
    metavar="NAME|FILE",
    cls=OneOrMore,
    multiple=True,
    help="Score a part of the test set: a clip list, or common, ezvsl-heard, class:NAME, boxes:1, "
    "area:small, vggsounder:audible-visible, … (docs/test-sets.md); several narrow it down.",
)
@click.option(
    "--errata",
    is_flag=False,
    flag_value="apply",
    type=click.Choice(["apply", "keep"]),
    help="Leave out what the documented errata name (also if bare), or keep it.  [default: as the "
    "protocol has "
    "it: apply under vggss, else keep]",
)
@click.option(
    "--protocol",
    "protocols",
    metavar="NAME",
    cls=OneOrMore,
    multiple=True,
    callback=_choose_protocols,
    help="How maps are thresholded and scored: a name, all, or a file of one's own (.yaml); may "
    "be repeated.  [default: paper, lvs]",
)
@click.option(
    "--ogl",
    metavar="ALPHA",
    type=FiniteRange(0, 1),
    help="Object-guided: ALPHA times the map and 1 - ALPHA times the predictions' object_map.",
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
    "--train-list",
    metavar="LIST",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The clips that the model was trained on: count those that are scored.",
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
    "--compare",
    "others",
    metavar="OTHER.json",
    cls=OneOrMore,
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Another run's --json, clip by clip: which differences hold; may be repeated.",
)
@click.option(
    "--missing",
    "missing_path",
    metavar="OUT.txt",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the ids of annotated clips without a map.",
)
@click.option(
    "--fail-if-missing", is_flag=True, help="Exit with 6 when an annotated clip has no map."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Of the bootstrap.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "markdown", "latex"]),
    default="table",
    show_default=True,
    help="What is printed.",
)
@data_option
@json_option
def command(
    workspace: Workspace,
    predictions_path: Path | None,
    model: Path | None,
    device: str,
    allow_partial: bool,
    twin: str | None,
    object_weights: str | None,
    annotations_path: Path | None,
    negatives: Path | None,
    subsets: tuple[str, ...],
    errata: Literal["apply", "keep"] | None,
    protocols: list[Protocol],
    ogl: float | None,
    train_list: Path | None,
    train_annotations: Path | None,
    proposals_path: Path | None,
    swap_path: Path | None,
    silent_path: Path | None,
    any_class: bool,
    per_clip: Path | None,
    others: tuple[Path, ...],
    missing_path: Path | None,
    fail_if_missing: bool,
    seed: int,
    form: str,
    json_out: str | None,
) -> None:
    """Score a model or its predictions under named protocols.

    Every score comes with its protocol, the clips it is over, the annotations' version, trivial
    baselines and the ceiling of the protocol on the same clips. Annotated clips without a map
    are reported and not scored.

    \b
    Examples:
      vggss benchmark --predictions maps.npz --annotations vggss.json --json scores.json
      vggss benchmark --predictions maps.npz --protocol all --subset common
      vggss benchmark --predictions b.npz --annotations vggss.json --compare scores.json
      vggss benchmark --model runs/lvs/checkpoint.pth
      vggss benchmark --list-protocols
    """
    if (predictions_path is None) == (model is None):
        raise click.UsageError("Give one of --predictions FILE.npz and --model CKPT.")
    if model is None:
        refuse_options_of_model()

    from vggss_tools.atomic import check_writable, write_text_atomic
    from vggss_tools.checksums import sha256_of
    from vggss_tools.clip_lists import read_clip_list
    from vggss_tools.evaluate.benchmark import is_stand_in, run_benchmark, write_per_clip
    from vggss_tools.evaluate.compare import compare_results
    from vggss_tools.evaluate.predictions import read_predictions
    from vggss_tools.propose.proposals import by_clip, read_proposals
    from vggss_tools.report.sources import read_benchmark

    outputs = {"--json": json_out, "--per-clip": per_clip, "--missing": missing_path}
    inputs = [
        *(predictions_path, model, annotations_path, negatives, train_list, train_annotations),
        *(proposals_path, swap_path, silent_path, *others),
        *(path for name in subsets if (path := Path(name.removeprefix("not:"))).is_file()),
        *click.get_current_context().meta.get(_PROTOCOL_FILES, ()),
    ]
    refuse_overwriting(outputs, inputs)
    for out in (per_clip, missing_path):
        if out is not None:
            check_writable(out)
    compared = [(path, read_benchmark(path)) for path in others]
    trained_on = split_of_model(model, workspace) if model is not None else None
    source = annotations_path or default_annotations(workspace, trained_on)
    if (source / RELEASE_FILE).is_file():
        source = source / RELEASE_FILE
    refuse_overwriting(outputs, (source, *map(source.with_name, _BESIDE)))
    test_set = read_truth(source, any_class, negatives)
    whole, chosen = test_set, None
    if subsets:
        from vggss_tools.evaluate.subsets import choose_subsets

        chosen = choose_subsets(whole, subsets)
        notes = (
            *whole.notes,
            *chosen.notes,
            *(f"subset {name}: sha256 {digest}" for name, digest in chosen.files),
        )
        test_set = replace(whole.only(chosen.mask), notes=notes)
    annotations: Annotations | None = None
    if proposals_path or swap_path:  # which need the boxes as they are, not as pixels
        annotations = only_of(read_annotations(source, any_class), test_set)
    training = read_annotations(train_annotations, any_class) if train_annotations else None
    trained = read_clip_list(train_list) if train_list else None
    proposals = by_clip(read_proposals(proposals_path)) if proposals_path else None
    silent = read_silent(silent_path, source, needed=swap_path is not None)
    swapped = read_predictions(swap_path) if swap_path else None
    used: ModelUsed | None = None
    if model is not None:
        predictions = predictions_from_model(
            model,
            workspace,
            test_set,
            device,
            allow_partial=allow_partial,
            twin=twin,
            object_weights=(object_weights or "imagenet") if ogl is not None else None,
        )
        used = {"name": model.name, "sha256": sha256_of(model)}
    elif predictions_path is not None:
        predictions = read_predictions(predictions_path)
    benchmark = run_benchmark(
        predictions,
        test_set,
        protocols,
        annotations=annotations,
        training=training,
        proposals=proposals,
        swapped=swapped,
        silent=silent,
        labels=clip_labels(workspace) if swap_path or predictions.other_sounds else None,
        model=used,
        ogl=ogl,
        errata=errata,
        subset=chosen.names if chosen is not None else (),
        whole=whole,
        train_list=trained,
        seed=seed,
        stand_in=is_stand_in(source, test_set.name),
        warnings=training_warnings(workspace, test_set, trained_on),
    )
    comparisons = [
        one
        for path, other in compared
        for one in compare_results(benchmark.json, other, path.name, seed)
    ]
    if comparisons:
        benchmark.json["comparisons"] = comparisons
    # What is on the screen is kept, whatever becomes of the files.
    if json_out != "-":
        click.echo(format_result(benchmark, form), nl=False)
    for note in benchmark.json["notes"]:
        say(f"Note: {note}")
    for warning in distinct_warnings(benchmark):
        say(f"Warning: {warning}")
    if per_clip is not None:
        write_per_clip(per_clip, benchmark)
    if missing_path is not None:
        write_text_atomic(missing_path, "".join(f"{one}\n" for one in benchmark.missing))
    emit_json(dict(benchmark.json), json_out)
    if benchmark.missing and fail_if_missing:
        what = "clips" if negatives is None else "clips and negatives"
        raise InvalidInput(
            f"{predictions.name}: {len(benchmark.missing)} of {len(test_set)} annotated "
            f"{what} have no map, {benchmark.missing[0]} first; predict them too"
        )


def refuse_options_of_model() -> None:
    """Refuse, on the command line, an option that would do nothing without ``--model``."""
    ctx = click.get_current_context()
    for name in _OF_MODEL:
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} is about --model CKPT, which is not given.")


def format_result(benchmark: Benchmark, form: str) -> str:
    """Return what is printed."""
    from vggss_tools.evaluate.rows import latex_rows, markdown_table
    from vggss_tools.evaluate.table import format_benchmark

    if form == "markdown":
        return markdown_table([benchmark.json])
    if form == "latex":
        return latex_rows([benchmark.json])
    return format_benchmark(benchmark.json)


def distinct_warnings(benchmark: Benchmark) -> list[str]:
    """Return each warning once, behind the protocols that give it."""
    results = benchmark.json["results"]
    givers: dict[str, list[str]] = {}
    for result in results:
        for warning in result["warnings"]:
            givers.setdefault(warning, []).append(result["protocol"])
    return [
        warning if len(names) == len(results) > 1 else f"{', '.join(names)}: {warning}"
        for warning, names in givers.items()
    ]


def read_truth(path: Path, any_class: bool, negatives: Path | None = None) -> TestSet:
    """Read the test set, of VGG-Sound's classes unless any are taken."""
    from vggss_tools.classes import UnknownClass
    from vggss_tools.evaluate.test_set_files import read_test_set

    try:
        return read_test_set(path, check_classes=not any_class, negatives=negatives)
    except UnknownClass as error:
        raise InvalidInput(
            f"{error.message} (--any-class takes a data set with classes of its own)"
        ) from None


def only_of(annotations: Annotations, test_set: TestSet) -> Annotations:
    """Return the annotations of the clips of a test set, which may be a subset."""
    names = {sample.name for sample in test_set.samples}
    entries = tuple(entry for entry in annotations.entries if entry.file in names)
    return replace(annotations, entries=entries)


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


def training_warnings(workspace: Workspace, test_set: TestSet, trained_on: str | None) -> list[str]:
    """Say so if annotated clips are of the split that the model was trained on."""
    if trained_on is None:
        return []
    seen = {clip.clip_id for clip in workspace.clips() if clip.split == trained_on}
    count = sum(sample.image_id in seen for sample in test_set.samples)
    if not count:
        return []
    return [
        f"the model was TRAINED ON split {trained_on!r}, and {count} of the "
        f"{len(test_set)} annotated clips are of it; the score says nothing about "
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


def read_silent(
    path: Path | None, annotations_path: Path, needed: bool = True
) -> tuple[Entry, ...]:
    """Read what is visible and silent; by default from beside the annotations."""
    from vggss_tools.annotate.vggss_json import read_vggss_json

    found = path or annotations_path.with_name("silent.json")
    if path is None and not found.is_file():
        if not needed:
            return ()
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
    model: Path,
    workspace: Workspace,
    test_set: TestSet,
    device: str,
    *,
    allow_partial: bool = False,
    twin: str | None = None,
    object_weights: str | None = None,
) -> Predictions:
    """Predict the annotated clips; those that cannot be are counted in a note, with a reason."""
    from vggss_tools.evaluate.predictions import predictions_from_arrays
    from vggss_tools.predict import predict_clips

    annotated = {s.image_id for s in test_set.samples if s.image_id == s.audio_id}
    clips = [clip for clip in workspace.clips() if clip.clip_id in annotated]
    extracted = (
        workspace.frame_path(clip.clip_id).is_file()
        and workspace.audio_path(clip.clip_id).is_file()
        for clip in clips
    )
    if not any(extracted):
        raise VggssError(
            f"{workspace.root}: none of the {len(annotated)} clips of {test_set.name} "
            "is extracted there; run `vggss extract` first"
        )
    found = predict_clips(
        model,
        workspace,
        clips,
        device=device,
        allow_partial=allow_partial,
        twin=twin,
        object_weights=object_weights,
    )
    absent = sorted(annotated - {clip.clip_id for clip in clips})
    reasons = [
        *found.missing.values(),
        *(f"{clip_id} is not in {workspace.clips_table}" for clip_id in absent),
    ]
    predictions = predictions_from_arrays(
        found.clip_id, found.maps, name=model.name, object_map=found.object_maps
    )
    notes = [*predictions.notes, *found.notes]
    if reasons:
        notes.append(
            f"{model.name}: no map of {len(reasons)} annotated clip(s); the first: {reasons[0]}"
        )
    return replace(predictions, notes=tuple(notes))
