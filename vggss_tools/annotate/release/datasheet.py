"""The datasheet of a release: what is in it, where it comes from, what is not in it and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vggss_tools.annotate.release.contents import Contents
from vggss_tools.annotate.release.left_out import left_out_section, rules_section
from vggss_tools.annotate.release.markdown import plain, table
from vggss_tools.annotate.statistics.counting import more_than_one_box
from vggss_tools.annotate.statistics.plots import AREAS_PLOT, CLASSES_PLOT, COUNTS_PLOT

# The paper's names of its three steps (Table 2).
_GOALS = ("Automatic box generation", "Manual annotation", "Video verification")

# What each file of a release is, for those that have one.
_FILES = {
    "vggss.json": "what sounds, in the published format of VGG-SS",
    "silent.json": "what is visible and silent, in the same schema",
    "decisions.csv": "where every clip of the split stands, and why it is left out",
    "coco.json": "what sounds, as COCO in pixels of the frames",
    "boxes.parquet": "all boxes, one a row",
    "changes.json": "what changed since the earlier release, clip by clip",
    "statistics.html": "the drawings in one page",
    CLASSES_PLOT: "clips per class",
    AREAS_PLOT: "areas of boxes",
    COUNTS_PLOT: "boxes per clip",
}


@dataclass(frozen=True, slots=True)
class Datasheet:
    """What a datasheet is made of.

    Attributes
    ----------
    manifest : mapping
        As in ``release.json``, without the files.
    counts : mapping
        ``statistics.statistics`` of what sounds.
    contents : Contents
    changes : mapping or None
        ``release_changes.changes_since``, where there is an earlier release.
    left_out : mapping
        Files that could not be made -> why.
    """

    manifest: Mapping[str, Any]
    counts: Mapping[str, Any]
    contents: Contents
    changes: Mapping[str, Any] | None
    left_out: Mapping[str, str]


def format_datasheet(sheet: Datasheet, files: Iterable[str]) -> str:
    """Return the datasheet as Markdown.

    Parameters
    ----------
    files : iterable of str
        Names of the other files of the release.
    """
    sections = (
        _head(sheet),
        _provenance(sheet),
        _stages(sheet),
        _boxes(sheet),
        _classes(sheet),
        _agreement(sheet),
        left_out_section(sheet.contents),
        rules_section(sheet.contents),
        _changes(sheet),
        _files(sheet, files),
        _licence(sheet),
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _head(sheet: Datasheet) -> list[str]:
    manifest = sheet.manifest
    counts = manifest["counts"]
    lines = [
        f"# {plain(manifest['name'])}",
        "",
        f"{counts['clips']:,} clips of {counts['classes']:,} classes, with {counts['boxes']:,} "
        f"boxes round what sounds. {manifest['date']}.",
    ]
    if manifest["stand_in"]:
        lines += [
            "",
            "**The boxes are a stand-in**: a sample world's own truth, which nobody looked at. "
            "Scores on them are about that world alone.",
        ]
    return lines


def _provenance(sheet: Datasheet) -> list[str]:
    manifest = sheet.manifest
    sources, needed = manifest["sources"], manifest["consensus"]
    rule = (
        "the newest decision of a person; an automatic one only where no person has decided"
        if needed is None
        else f"consensus of the reviewers, C = {needed} (all of them where fewer reviewed)"
    )
    rows = [
        ("split", plain(manifest["split"])),
        ("date", manifest["date"]),
        ("newest event", sources["newest_event"]),
        ("what counts", rule),
        ("events that count", f"{sources['events']:,}"),
        ("reviewers (events)", _tallied(sources["reviewers"])),
        ("tools (events)", _tallied(sources["tools"])),
        ("steps (events)", _tallied(sources["stages"])),
    ]
    return [
        "## Provenance",
        "",
        *table(("", ""), rows),
        "",
        "Boxes are fractions of the benchmark frame (4.96 s into the clip), y down.",
    ]


def _stages(sheet: Datasheet) -> list[str]:
    rows = [
        (str(step["stage"]), goal, f"{step['classes']:,}", f"{step['clips']:,}")
        for step, goal in zip(sheet.manifest["stages"], _GOALS, strict=True)
    ]
    return [
        "## Counts per step",
        "",
        "What is left after each step, as in the paper's Table 2.",
        "",
        *table(("step", "goal", "classes", "clips"), rows),
    ]


def _boxes(sheet: Datasheet) -> list[str]:
    counts = sheet.counts
    areas, together = counts["box_areas"], counts["clip_areas"]
    several = more_than_one_box(counts)
    step = 100 // len(areas["histogram"])
    bars = [(f"{step * i} to {step * (i + 1)}", f"{n:,}") for i, n in enumerate(areas["histogram"])]
    return [
        "## Boxes",
        "",
        f"![Areas of boxes]({AREAS_PLOT})",
        "",
        f"{_percent(areas['below_40_percent'])} of the boxes cover less than 40% of the frame "
        f"(median {_percent(areas['median'])}); of the clips, their boxes together, "
        f"{_percent(together['below_40_percent'])} (median {_percent(together['median'])}). "
        "Compare the paper's Figure 3b.",
        "",
        *table(("area, % of the frame", "boxes"), bars),
        "",
        f"![Boxes per clip]({COUNTS_PLOT})",
        "",
        f"{several:,} clips ({_percent(several / counts['n_clips'])}) have several boxes. "
        "Compare the paper's Figure 3c.",
        "",
        *table(
            ("boxes in the clip", "clips"),
            [(n, f"{clips:,}") for n, clips in counts["boxes_per_clip"].items()],
        ),
    ]


def _classes(sheet: Datasheet) -> list[str]:
    rows = [(plain(name), f"{clips:,}") for name, clips in sheet.counts["per_class"].items()]
    return [
        "## Classes",
        "",
        f"![Clips per class]({CLASSES_PLOT})",
        "",
        "Compare the paper's Figure 10.",
        "",
        *table(("class", "clips"), rows),
    ]


def _agreement(sheet: Datasheet) -> list[str]:
    overall = sheet.manifest["agreement"]
    lines = ["## Agreement", ""]
    if not overall["reviewed_twice"]:
        return [*lines, "No clip was decided by two persons, so nothing is known about it."]
    boxes = overall["boxes"]
    kappa = overall["fleiss_kappa"]
    rows = [
        ("questions (clip and class) that a person decided", f"{overall['questions']:,}"),
        ("decided by at least two", f"{overall['reviewed_twice']:,}"),
        ("of these, all agree", f"{overall['all_agree']:,}"),
        (
            "Fleiss' kappa of the decisions",
            "not defined: all decisions are the same" if kappa is None else f"{kappa:.3f}",
        ),
        (
            "boxes that two reviewers share (IoU of at least 0.5); without a partner",
            f"{boxes['matched']:,}; {boxes['unmatched']:,}",
        ),
        (
            "their mean IoU",
            "–" if boxes["mean_iou"] is None else f"{boxes['mean_iou']:.3f}",
        ),
    ]
    return [*lines, *table(("", ""), rows)]


def _changes(sheet: Datasheet) -> list[str]:
    if sheet.changes is None:
        return ["## Changes", "", "No earlier release to compare with."]
    against = sheet.changes["against"]
    counted = sheet.manifest["changes"]
    rows = [
        (key.replace("_", " "), "not known" if counted[key] is None else f"{counted[key]:,}")
        for key in counted
        if key != "against"
    ]
    return [
        "## Changes",
        "",
        f"Since {plain(against['name'])} (sha256 `{against['sha256'][:12]}`); clip by clip in "
        "`changes.json`.",
        "",
        *table(("", "clips"), rows),
    ]


def _files(sheet: Datasheet, files: Iterable[str]) -> list[str]:
    rows = [(f"`{name}`", _FILES[name]) for name in files if name in _FILES]
    lines = [
        "## Files",
        "",
        *table(("file", "what"), rows),
        "",
        "`SHA256SUMS` has their checksums: `sha256sum --check SHA256SUMS`.",
    ]
    for name, reason in sheet.left_out.items():
        lines += ["", f"`{name}` is not in it: {plain(reason)}."]
    return lines


def _licence(sheet: Datasheet) -> list[str]:
    licence = sheet.manifest["licence"]
    stated = plain(licence) if licence else "not stated by those who made this release"
    clips, videos = "Clips and class names: VGG-Sound", "; the videos are their uploaders'"
    if sheet.manifest["stand_in"]:
        clips, videos = "Clips: synthetic, by `vggss sample`. Class names: VGG-Sound", ""
    return [
        "## Licence and citation",
        "",
        f"- Boxes and decisions: {stated}.",
        f"- {clips}, H. Chen, W. Xie, A. Vedaldi, A. Zisserman, *VGGSound: "
        "A Large-scale Audio-Visual Dataset*, ICASSP 2020, CC BY 4.0 "
        f"(https://creativecommons.org/licenses/by/4.0/){videos}.",
        "- Format and procedure: VGG-SS, H. Chen, W. Xie, T. Afouras, A. Nagrani, A. Vedaldi, "
        "A. Zisserman, *Localizing Visual Sounds the Hard Way*, CVPR 2021.",
    ]


def _tallied(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{plain(name)} ({n:,})" for name, n in counts.items())


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}%"
