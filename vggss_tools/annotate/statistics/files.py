"""The drawings and the page of a set of boxes, as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vggss_tools.annotate.statistics.page import PAGE, render_page
from vggss_tools.annotate.statistics.plots import draw_plots
from vggss_tools.atomic import atomic_path
from vggss_tools.errors import VggssError


def statistics_files(title: str, counts: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the three PNG and the page that holds them, by file name."""
    plots = draw_plots(counts)
    return {**plots, PAGE: render_page(title, counts, plots).encode()}


def write_statistics(
    folder: Path, title: str, counts: Mapping[str, Any], *, force: bool = False
) -> Path:
    """Write them to a folder, each whole or not at all; return the page.

    Raises
    ------
    VggssError
        If the folder holds anything else, or a file of one of the names with other contents,
        unless ``force``.
    """
    files = statistics_files(title, counts)
    others = sorted({one.name for one in folder.iterdir()} - set(files)) if folder.is_dir() else []
    if others:
        raise VggssError(
            f"{folder}: not empty ({others[0]}); choose another folder for --out, or empty it"
        )
    for name, data in files.items():
        there = folder / name
        if not force and there.exists() and (not there.is_file() or there.read_bytes() != data):
            raise VggssError(
                f"{there}: stands there with other contents; choose another --out, or --force"
            )
    for name, data in files.items():
        with atomic_path(folder / name) as part:
            part.write_bytes(data)
    return folder / PAGE
