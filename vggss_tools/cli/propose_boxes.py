"""``vggss propose-boxes``: objects in the frames, matched to the sound classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vggss_tools.cli.batch_options import Batch, batch_options
from vggss_tools.cli.options import FiniteRange, data_option, emit_json, json_option, say
from vggss_tools.errors import VggssError
from vggss_tools.workspace import Workspace

if TYPE_CHECKING:
    from vggss_tools.propose.stage import Chooser, ProposalCounts, ProposeStage
    from vggss_tools.stages import StageSummary

# Detectors that read weights, which --weights may name.
WITH_WEIGHTS = ("openimages", "coco", "sample")
SAMPLE_WORLD_FILE = "sample.json"  # marks the data directories of `vggss sample`


def check_detector(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """Refuse an unknown detector as a wrong use of the command, before anything is read."""
    from vggss_tools.propose.detector import detector_names, split_name

    if value is not None and split_name(value)[0] not in (names := detector_names()):
        raise click.BadParameter(f"{value!r} is not one of: {', '.join(names)}.")
    return value


class BatchSize(click.ParamType):
    """A number from 1, or ``auto`` (None)."""

    name = "auto|n"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        """Read the number."""
        if value in (None, "auto"):
            return None
        number: int = click.IntRange(min=1).convert(value, param, ctx)
        return number


@click.command("propose-boxes")
@click.option("--split", help="Only the clips of this split.  [default: all]")
@click.option(
    "--detector",
    metavar="NAME[:ARGUMENT]",
    callback=check_detector,
    help="Object detector: `openimages` (601 classes), `coco` (80), `fiftyone:MODEL` of "
    "FiftyOne's zoo, `boxes:FILE` for detections made elsewhere, `sample` for the sample world, "
    "or one of an installed package.  [default: openimages; sample in a sample world]",
)
@click.option(
    "--weights",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Weights file of the detector; the same as NAME:FILE.  [default: its own]",
)
@click.option(
    "--device",
    metavar="DEVICE",
    help="auto, cpu, cuda or cuda:NUMBER.  [default: cpu]",
)
@click.option("--gpu", is_flag=True, help="The same as --device cuda.")
@click.option(
    "--score-threshold",
    type=FiniteRange(0, 1),
    help="Drop detections with a lower confidence.  [default: 0.3; 0.5 for sample]",
)
@click.option(
    "--matcher",
    type=click.Choice(["auto", "table", "word2vec", "names"]),
    default="auto",
    show_default=True,
    help="How detector classes are matched to sound classes: by the shipped tables, by word "
    "vectors, by the words of their names, or by the tables where they have an answer.",
)
@click.option(
    "--vectors",
    metavar="PATH",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Word vectors for what no table knows; may be given often, as in `vggss match-classes`.",
)
@click.option(
    "--overrides",
    metavar="FILE.csv",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A table of your own (sound_class, object) that goes before everything else.",
)
@click.option(
    "--similarity-threshold",
    type=FiniteRange(0, 1),
    default=0.5,
    show_default=True,
    help="Do not use computed matches that are less similar.",
)
@click.option(
    "--rules",
    "rules_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the rules by which boxes are chosen.  [default: annotations/box_rules.yaml]",
)
@click.option(
    "--batch-size",
    type=BatchSize(),
    default="auto",
    show_default=True,
    help="Frames that are read, detected and recorded at a time; auto: as the detector likes.",
)
@batch_options(
    workers=0,
    workers_help="Processes, each with a detector of its own, on the GPUs in turn; 0: this "
    "process, or with --engine ray one a core.",
)
@click.option(
    "--explain",
    metavar="CLIP",
    help="Draw all detections of one clip, those kept, and why; the table stays as it is.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Picture of --explain.  [default: explain/CLIP.png in the data directory]",
)
@data_option
@json_option
def command(
    split: str | None,
    detector: str | None,
    weights: Path | None,
    device: str | None,
    *,
    gpu: bool,
    score_threshold: float | None,
    matcher: str,
    vectors: tuple[Path, ...],
    overrides: Path | None,
    similarity_threshold: float,
    rules_path: Path | None,
    batch_size: int | None,
    batch: Batch,
    explain: str | None,
    out: Path | None,
    workspace: Workspace,
    json_out: str | None,
) -> None:
    """Detect objects and match them to the sound classes.

    Reads frames/ of the data directory (`vggss extract` writes it) and writes proposals.parquet.
    All detections stay in it; those of a class that matches the clip's label have it as their
    `sound_class` and are the candidates, and those chosen among them are marked `kept`. Each
    frame ends auto, needs-manual or no-candidate. Detections are kept clip by clip in proposals/,
    so running again does only what is missing, and another matcher costs no detection.

    \b
    Examples:
      vggss propose-boxes --data my-data --split test --gpu
      vggss propose-boxes --data my-data --detector boxes:detections.json --json
      vggss propose-boxes --data my-data --explain -0_ZLyTIe-I_000030 --out why.png
      vggss propose-boxes --data world --detector sample --matcher names
    """
    from vggss_tools.atomic import check_writable
    from vggss_tools.cli.match_classes import override_vocabulary, say_outside_of_table
    from vggss_tools.propose.boxes_file import check_clips
    from vggss_tools.propose.detector import choose_device, default_score_threshold
    from vggss_tools.propose.matching import load_matcher
    from vggss_tools.propose.rules import load_rules
    from vggss_tools.propose.stage import Chooser, ProposeStage, gather_proposals
    from vggss_tools.stages import run_stage

    if gpu and device is not None:
        raise click.UsageError("--gpu and --device say the same; give one of them.")
    if out is not None and explain is None:
        raise click.UsageError("--out is the picture of --explain.")
    if out is not None and out.suffix.lower() != ".png":
        raise click.UsageError(f"--out {out}: the picture is a PNG; end its name in .png.")
    clips = workspace.clips(split)
    if out is not None:
        check_writable(str(out))
    if explain is not None:
        clips = [clip for clip in clips if clip.clip_id == explain]
        if not clips:
            raise VggssError(
                f"--explain {explain}: no such clip in {workspace.clips_table}; check its id"
            )
    rules = load_rules(rules_path)
    chosen = choose_detector(detector, weights, workspace)
    if chosen.startswith("boxes:"):
        check_clips(chosen.removeprefix("boxes:"), {clip.clip_id for clip in workspace.clips()})
    if score_threshold is None:
        score_threshold = default_score_threshold(chosen)
    stage = ProposeStage(
        workspace,
        detector=chosen,
        device=choose_device(device, gpu=gpu),
        score_threshold=score_threshold,
        frames_at_once=batch_size,
        processes=batch.workers or int(batch.engine == "ray"),
    )
    rule = load_matcher(
        matcher,
        vectors=vectors,
        overrides=overrides,
        detector_classes=override_vocabulary(stage.card),
        threshold=similarity_threshold,
    )
    if all(not path.is_file() for clip in clips for path in stage.inputs(clip)):
        raise VggssError(
            f"{workspace.root}: no frames of these {len(clips)} clips; run `vggss extract` first"
        )
    say_outside_of_table(rule, stage.card)
    stage.plan(clips)
    summary = run_stage(stage, clips, workspace, **batch.as_arguments())
    if explain is not None:
        summary.raise_for_failures()
        chooser = Chooser(stage, rule, similarity_threshold, rules)
        explain_clip(chooser, explain, out, json_out)
        return
    counts = gather_proposals(stage, rule, similarity_threshold, rules)
    emit_json(
        {
            "schema": "vggss-propose/1",
            "data": str(workspace.root),
            "split": split,
            "n_clips": len(clips),
            **summary.as_json(),
            "settings": {
                **stage.settings(),
                "matcher": rule.settings(),
                "similarity_threshold": similarity_threshold,
                "rules": rules.settings(),
            },
            **counts.as_json(),
        },
        json_out,
    )
    say_counts(stage, summary, counts, split)
    summary.raise_for_failures()


def choose_detector(detector: str | None, weights: Path | None, workspace: Workspace) -> str:
    """Return the detector as ``name`` or ``name:argument``."""
    from vggss_tools.propose.detector import DEFAULT_DETECTOR, split_name

    if detector is None:
        detector = DEFAULT_DETECTOR
        if (workspace.root / SAMPLE_WORLD_FILE).is_file():
            detector = "sample"
            say(
                f"{workspace.root}: a sample world, so --detector sample is used; "
                f"{DEFAULT_DETECTOR}, the default elsewhere, does not know its painted objects"
            )
    if weights is None:
        return detector
    name, argument = split_name(detector)
    if name not in WITH_WEIGHTS or argument is not None:
        raise click.UsageError(
            f"--weights is for the detectors {', '.join(WITH_WEIGHTS)} without a file of their own."
        )
    return f"{name}:{weights}"


def explain_clip(chooser: Chooser, clip_id: str, out: Path | None, json_out: str | None) -> None:
    """Draw and print why the boxes of a clip were chosen."""
    from vggss_tools.propose.explain import draw_explanation, explanation, explanation_lines

    workspace = chooser.stage.workspace
    (clip,) = [clip for clip in workspace.clips() if clip.clip_id == clip_id]
    if out is None:
        out = workspace.root / "explain" / f"{clip_id}.png"
        out.parent.mkdir(exist_ok=True)
    choice = chooser.choose(clip)
    value = explanation(clip, choice, chooser.matches_of(clip.label), chooser.stage.card.name)
    lines = explanation_lines(value)
    draw_explanation(out, workspace.frame_path(clip_id), choice, lines)
    emit_json({**value, "picture": str(out)}, json_out)
    for line in lines:
        say(line)
    say(f"drawn: {out}")


def say_counts(
    stage: ProposeStage, summary: StageSummary, counts: ProposalCounts, split: str | None
) -> None:
    """Print what came of it, for people."""
    from vggss_tools.classes import vggsound_classes

    table = stage.workspace.proposals_table
    if counts.clips:
        share = counts.clips_with_candidate / counts.clips
        say(
            f"{table}: {counts.proposals} boxes in {counts.clips} clips, "
            f"{counts.candidates} of them candidates, {counts.kept} boxes kept; "
            f"{counts.clips_with_candidate} clips ({share:.0%}) have at least one candidate"
        )
        say(f"{'frames':<24}{'classes':>8}{'clips':>8}")
        for name, found in counts.stages.items():
            title = "  of removed classes" if name == "removed" else name
            say(f"{title:<24}{found['classes']:>8}{found['videos']:>8}")
    else:
        stands = "the table of an earlier run is kept" if table.is_file() else "not written"
        say(f"{table}: {stands}; no clip is detected with these settings")
    known = [label for label in counts.unmatched_labels if label in vggsound_classes()]
    if known:
        say(f"No detector class matches: {', '.join(known)}")
    strange = [label for label in counts.unmatched_labels if label not in known]
    if others := ["null" if label == "None" else repr(label) for label in strange]:
        say(
            f"{stage.workspace.clips_table}: labels that are not classes of VGG-Sound, and match "
            f"no detector class: {', '.join(others)}"
        )
    waiting = counts.left_out - len(summary.failures)
    if counts.clips and waiting > 0:
        remedy = "run again without --split" if split else "run the same command again"
        say(f"{waiting} clip(s) are not in the table: not detected with these settings; {remedy}")
