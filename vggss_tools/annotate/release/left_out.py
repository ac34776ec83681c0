"""The datasheet's word on what is not in a release, and on rules that it breaks."""

from __future__ import annotations

from collections import Counter

from vggss_tools.annotate.audit.rules import Standing, check, counts
from vggss_tools.annotate.errata import read_errata
from vggss_tools.annotate.release.contents import RELEASED, Contents
from vggss_tools.annotate.release.markdown import plain, table
from vggss_tools.boxes import Box
from vggss_tools.propose.rules import load_rules


def left_out_section(contents: Contents) -> list[str]:
    """Say which clips of the split are not in it, by reason, and what became of errata."""
    left = [clip for clip in contents.clips if clip.outcome != RELEASED]
    lines = ["## Left out", ""]
    if left:
        reasons = Counter(clip.reason for clip in left)
        rows = [
            (plain(reason), f"{n:,}")
            for reason, n in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        ]
        lines += [
            f"{len(left):,} clips of the split, each with its reason in `decisions.csv`:",
            "",
            *table(("why", "clips"), rows),
        ]
    else:
        lines.append("No clip of the split.")
    released = [clip for clip in contents.clips if clip.outcome == RELEASED]
    silent = sum(clip.n_silent for clip in released)
    dropped = sum(clip.n_dropped for clip in released)
    if silent or dropped:
        rows = [
            ("marked as silent", f"{silent:,}"),
            ("drawn by too few reviewers (each reviewer's box counts)", f"{dropped:,}"),
        ]
        lines += ["", "Boxes in clips of the release:", "", *table(("why", "boxes"), rows)]
    return [*lines, *_errata(contents)]


def rules_section(contents: Contents) -> list[str]:
    """Say how often what is released breaks a rule; rules take nothing out."""
    standing = [
        Standing(
            entry.file,
            entry.label,
            tuple((index, Box(*box)) for index, box in enumerate(entry.boxes)),
            True,
        )
        for entry in contents.sounding
    ]
    broken = counts(check(standing, load_rules()))
    lines = ["## Rules of annotation", ""]
    if not broken:
        return [*lines, "No clip breaks one (`vggss check`)."]
    rows = [(rule.replace("_", " "), f"{n:,}") for rule, n in broken.items()]
    return [
        *lines,
        "What people decided stands, also where it breaks a rule; `vggss check` shows these.",
        "",
        *table(("rule", "times"), rows),
    ]


def _errata(contents: Contents) -> list[str]:
    """Say what became of the published file's documented errors."""
    boxes = {entry.file: len(entry.boxes) for entry in contents.sounding}
    known = {clip.clip_id for clip in contents.clips}
    found = [erratum for erratum in read_errata() if erratum.clip_id in known]
    if not found:
        return []
    rows = [
        (
            f"`{erratum.clip_id}`",
            "the clip" if erratum.box_index is None else f"box {erratum.box_index}",
            erratum.kind.replace("_", " "),
            plain(erratum.reason),
            f"{boxes[erratum.clip_id]}" if erratum.clip_id in boxes else "clip not in it",
        )
        for erratum in found
    ]
    return [
        "",
        "Documented errors of the published VGG-SS in clips of this split. No box here has no area "
        "or leaves the frame, so none of these is in this release; the last column is the boxes "
        "that the clip has instead.",
        "",
        *table(("clip", "published", "error", "why", "boxes here"), rows),
    ]
