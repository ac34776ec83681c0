"""``vggss propose-boxes``: objects in the frames, matched to the sound classes."""

from __future__ import annotations

import click

from vggss_tools.cli.options import FiniteRange, data_option, emit_json, json_option, say
from vggss_tools.errors import VggssError
from vggss_tools.workspace import Workspace


def check_detector(_: click.Context, __: click.Parameter, value: str) -> str:
    """Refuse an unknown detector as a wrong use of the command, before anything is read."""
    from vggss_tools.propose.detector import DETECTORS

    if value.partition(":")[0] not in DETECTORS:
        raise click.BadParameter(f"{value!r} is not one of: {', '.join(DETECTORS)}.")
    return value


@click.command("propose-boxes")
@click.option("--split", help="Only the clips of this split.  [default: all]")
@click.option(
    "--detector",
    metavar="NAME[:FILE]",
    default="sample",
    show_default=True,
    callback=check_detector,
    help="Object detector; `sample` knows the objects of the sample world, `sample:FILE` is "
    "one that `vggss train-detector` made.",
)
@click.option("--gpu", is_flag=True, help="Run on a CUDA GPU.  [default: the CPU]")
@click.option(
    "--score-threshold",
    type=FiniteRange(0, 1),
    default=0.5,
    show_default=True,
    help="Drop detections with a lower confidence.",
)
@click.option(
    "--matcher",
    type=click.Choice(["auto", "table", "names"]),
    default="auto",
    show_default=True,
    help="How detector classes are matched to sound classes: by the shipped table, by the words "
    "of their names, or by the table where it has an answer.",
)
@click.option(
    "--similarity-threshold",
    type=FiniteRange(0, 1),
    default=0.5,
    show_default=True,
    help="Do not use matches that are less similar.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Frames that are read and recorded at a time.",
)
@click.option("--retry", is_flag=True, help="Try again the frames that could not be read.")
@data_option
@json_option
def command(
    split: str | None,
    detector: str,
    *,
    gpu: bool,
    score_threshold: float,
    matcher: str,
    similarity_threshold: float,
    batch_size: int,
    retry: bool,
    workspace: Workspace,
    json_out: str | None,
) -> None:
    """Detect objects and match them to the sound classes.

    Reads frames/ of the data directory (`vggss extract` writes it) and writes proposals.parquet.
    All detections are kept; those of a class that matches the clip's label have it as their
    `sound_class` and are the candidates. Detections are kept clip by clip in proposals/, so
    running again does only what is missing, and another matcher costs no detection.

    \b
    Examples:
      vggss propose-boxes --data world --split test
      vggss propose-boxes --data world --gpu --json
      vggss propose-boxes --data world --matcher names --score-threshold 0.3
    """
    from vggss_tools.propose.detector import choose_device
    from vggss_tools.propose.matching import load_matcher
    from vggss_tools.propose.stage import ProposeStage, gather_proposals
    from vggss_tools.stages import run_stage

    clips = workspace.clips(split)
    rule = load_matcher(matcher)
    stage = ProposeStage(
        workspace,
        detector=detector,
        device=choose_device(gpu=gpu),
        score_threshold=score_threshold,
        batch_size=batch_size,
    )
    if all(not path.is_file() for clip in clips for path in stage.inputs(clip)):
        raise VggssError(
            f"{workspace.root}: no frames of these {len(clips)} clips; run `vggss extract` first"
        )
    summary = run_stage(stage, clips, workspace, workers=0, retry_failed=retry)
    counts = gather_proposals(stage, rule, similarity_threshold)
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
            },
            **counts.as_json(),
        },
        json_out,
    )
    table = workspace.proposals_table
    if counts.clips:
        share = counts.clips_with_candidate / counts.clips
        say(
            f"{table}: {counts.proposals} boxes in {counts.clips} clips, "
            f"{counts.candidates} of them candidates; "
            f"{counts.clips_with_candidate} clips ({share:.0%}) have at least one"
        )
    else:
        stands = "the table of an earlier run is kept" if table.is_file() else "not written"
        say(f"{table}: {stands}; no clip is detected with these settings")
    if counts.unmatched_labels:
        say(f"No detector class matches: {', '.join(counts.unmatched_labels)}")
    waiting = counts.left_out - len(summary.failures)
    if counts.clips and waiting > 0:
        remedy = "run again without --split" if split else "run the same command again"
        say(f"{waiting} clip(s) are not in the table: not detected with these settings; {remedy}")
    summary.raise_for_failures()
