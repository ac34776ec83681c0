"""``vggss audit``: what is wrong in a file of boxes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vggss_tools.cli.options import (
    FiniteRange,
    data_option,
    emit_json,
    json_option,
    refuse_overwriting,
    say,
)
from vggss_tools.errors import InvalidInput
from vggss_tools.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Container

    from vggss_tools.annotate.audit.defects import Finding
    from vggss_tools.annotate.audit.second_opinion import SecondOpinion
    from vggss_tools.annotate.vggss_json import Annotations

SCHEMA = "vggss-audit/1"
SHOWN = 40  # findings on a screen; --json has all


@click.command("audit")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--test-clips",
    metavar="LIST|none",
    help="The clips that may be annotated; `none` asks nothing.  [default: VGG-Sound's test split]",
)
@click.option(
    "--duplicate-iou",
    type=FiniteRange(min=0, max=1),
    default=0.8,
    show_default=True,
    help="Boxes of a clip that overlap by more are one drawn twice.",
)
@click.option(
    "--second-opinion",
    type=click.Choice(["vggsounder"]),
    help="Compare the classes with VGGSounder's labels (extra `vggsounder`).",
)
@click.option(
    "--doubtful",
    "doubtful_out",
    metavar="OUT",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the second opinion's doubtful clips are written, for `vggss verify --only "
    "doubtful`.  [default: verify/doubtful.txt of the data directory, if that is there]",
)
@data_option
@json_option
def command(
    file: Path,
    test_clips: str | None,
    duplicate_iou: float,
    second_opinion: str | None,
    doubtful_out: Path | None,
    workspace: Workspace,
    json_out: str | None,
) -> None:
    """Find what is wrong in a file of boxes such as VGG-SS's.

    Looked for are coordinates outside the frame, boxes without area, clips that no box covers,
    near-duplicate boxes, boxes that cover the frame, and clips outside of VGG-Sound's test split.
    Exit code 6 says that something was found. The file is not changed; annotations/errata.csv
    has what is known of the published one.

    \b
    Examples:
      vggss audit vggss.json
      vggss audit vggss.json --second-opinion vggsounder --doubtful doubtful.txt
      vggss audit releases/v1/vggss.json --test-clips none --json -
    """
    from vggss_tools.annotate.audit.defects import audit, counts
    from vggss_tools.annotate.vggss_json import read_vggss_json

    if doubtful_out is not None and second_opinion is None:
        raise click.UsageError("--doubtful needs --second-opinion vggsounder.")
    inputs = [file, None if test_clips in (None, "none") else Path(str(test_clips))]
    refuse_overwriting({"--doubtful": doubtful_out, "--json": json_out}, inputs)
    annotations = read_vggss_json(file, repeated_entries=True)
    findings = audit(annotations, _allowed(test_clips), duplicate_iou=duplicate_iou)
    number = counts(findings)
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "file": {"name": annotations.name, "sha256": annotations.sha256},
        "n_clips": len({entry.file for entry in annotations.entries}),
        "n_classes": len(annotations.class_counts()),
        "n_boxes": annotations.n_boxes,
        "test_clips": "vggsound" if test_clips is None else test_clips,
        "findings": [_as_json(finding) for finding in findings],
        "counts": number,
    }
    _print_findings(annotations, findings, number)
    if second_opinion is not None:
        opinion = _ask(annotations)
        result["second_opinion"] = _opinion_json(second_opinion, opinion)
        _print_opinion(opinion)
        _hand_over(opinion, doubtful_out, workspace, file, json_out)
    emit_json(result, json_out)
    if findings:
        kinds = ", ".join(f"{count} {kind}" for kind, count in number.items() if count)
        raise InvalidInput(
            f"{file}: {len(findings)} finding(s): {kinds}; "
            "correct them, or score with errata (docs/audit.md)"
        )


def _allowed(test_clips: str | None) -> Container[str] | None:
    if test_clips == "none":
        return None
    if test_clips is None:
        from vggss_tools.annotate.audit.test_clips import vggsound_test_clips

        return vggsound_test_clips()
    from vggss_tools.clip_lists import read_clip_list

    return frozenset(read_clip_list(test_clips).ids)


def _ask(annotations: Annotations) -> SecondOpinion:
    from vggss_tools.annotate.audit.second_opinion import ask_vggsounder
    from vggss_tools.evaluate.vggsounder import read_vggsounder

    return ask_vggsounder(annotations.entries, read_vggsounder())


def _hand_over(
    opinion: SecondOpinion,
    out: Path | None,
    workspace: Workspace,
    file: Path,
    json_out: str | None,
) -> None:
    """Write the doubtful clips where `vggss verify --only doubtful` finds them."""
    from vggss_tools.annotate.audit.second_opinion import format_doubtful
    from vggss_tools.atomic import write_text_atomic

    if out is None:
        if not workspace.root.is_dir():
            say(
                f"{workspace.root}: no data directory, so the doubtful clips are not written; "
                "give --doubtful OUT"
            )
            return
        out = workspace.root / "verify" / "doubtful.txt"
    refuse_overwriting({"--doubtful": out, "--json": json_out}, [file])
    write_text_atomic(out, format_doubtful(opinion))
    say(f"{out}: {len(opinion.doubtful)} clips to look at with `vggss verify --only doubtful`")


def _as_json(finding: Finding) -> dict[str, Any]:
    return {
        "clip_id": finding.clip_id,
        "kind": finding.kind,
        "box_index": finding.box_index,
        "message": finding.message,
    }


def _opinion_json(name: str, opinion: SecondOpinion) -> dict[str, Any]:
    return {
        "source": name,
        "version": opinion.version,
        "covered": opinion.covered,
        "confirmed": opinion.confirmed,
        "counts": opinion.counts(),
        "doubtful": {clip: list(reasons) for clip, reasons in opinion.doubtful.items()},
    }


def _print_findings(
    annotations: Annotations, findings: list[Finding], number: dict[str, int]
) -> None:
    for finding in findings[:SHOWN]:
        say(f"{finding.clip_id}  {finding.kind}: {finding.message}")
    if len(findings) > SHOWN:
        say(f"… and {len(findings) - SHOWN} more; --json has all")
    classes = len(annotations.class_counts())
    paper = " (the paper says 220; its Appendix B.3 lists 221)" if classes == 221 else ""
    say(f"{annotations.name}: {len(annotations.entries)} entries, {annotations.n_boxes} boxes, "
        f"{classes} classes{paper}")  # fmt: skip
    for kind, count in number.items():
        if count:
            say(f"  {kind:<12} {count:>6}")
    if not findings:
        say("  nothing found")


def _print_opinion(opinion: SecondOpinion) -> None:
    from vggss_tools.annotate.audit.second_opinion import DOUBTS

    say(f"{opinion.version} labels {opinion.covered} of {opinion.n_clips} clips; "
        f"{opinion.confirmed} have the class among their labels")  # fmt: skip
    for reason, count in opinion.counts().items():
        say(f"  {reason:<12} {count:>6}  {DOUBTS[reason]}")
