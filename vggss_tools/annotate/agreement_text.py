"""The agreement of reviewers for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_HEAD = ("reviewers", "questions", "agree", "kappa", "boxes shared", "alone", "mean IoU")


def format_agreement(found: Mapping[str, Any], limit: int = 20) -> str:
    """Return the agreement as text.

    Parameters
    ----------
    found : mapping
        What :func:`vggss_tools.annotate.agreement.agreement` returns.
    limit : int
        Disagreements to show.
    """
    overall = found["overall"]
    decided = ", ".join(f"{name} ({n:,})" for name, n in found["reviewers"].items()) or "nobody"
    lines = [f"decided by: {decided}"]
    if not overall["reviewed_twice"]:
        return "\n".join(
            [*lines, "No clip was decided by two people; there is nothing to compare."]
        )
    lines += [
        f"decided by two or more: {overall['reviewed_twice']:,} of {overall['questions']:,}",
        "",
        *_table([_HEAD, *(_row(pair) for pair in found["pairs"]), _overall(overall)]),
        "",
        "kappa: Cohen's of two reviewers, Fleiss' of all; – where all decisions are the same.",
    ]
    disagreements = found["disagreements"]
    lines += ["", f"disagreements: {len(disagreements):,}"]
    lines += [f"  {_said(one)}" for one in disagreements[:limit]]
    if len(disagreements) > limit:
        lines.append(f"  … {len(disagreements) - limit:,} more (--limit, or --json)")
    return "\n".join(lines)


def _row(pair: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        " + ".join(pair["reviewers"]),
        *_numbers(pair["questions"], pair["agree"], pair["cohens_kappa"], pair["boxes"]),
    )


def _overall(overall: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        "all",
        *_numbers(
            overall["reviewed_twice"],
            overall["all_agree"],
            overall["fleiss_kappa"],
            overall["boxes"],
        ),
    )


def _numbers(
    questions: int, agree: int, kappa: float | None, boxes: Mapping[str, Any]
) -> tuple[str, ...]:
    return (
        f"{questions:,}",
        f"{100 * agree / questions:.1f}%",
        "–" if kappa is None else f"{kappa:.3f}",
        f"{boxes['matched']:,}",
        f"{boxes['unmatched']:,}",
        "–" if boxes["mean_iou"] is None else f"{boxes['mean_iou']:.3f}",
    )


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Lay out a table, the first column to the left and the others to the right."""
    table = list(rows)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]


def _said(one: Mapping[str, Any]) -> str:
    by_reviewer = ", ".join(
        f"{name}: {decision.replace('_', ' ')}" for name, decision in one["decisions"].items()
    )
    other = "" if one["about"] == "decision" else "; other boxes"
    return f"{one['clip_id']}  {one['class']}  ({by_reviewer}{other})"
