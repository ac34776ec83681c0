"""The counts of a set of boxes as one HTML page that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from typing import Any

import jinja2

from vggss_tools.annotate.statistics.plots import AREAS_PLOT, CLASSES_PLOT, COUNTS_PLOT

PAGE = "statistics.html"


def render_page(title: str, counts: Mapping[str, Any], plots: Mapping[str, bytes]) -> str:
    """Return the page; it forbids itself every request and every script.

    Parameters
    ----------
    title : str
        Heading, such as the name of a release.
    counts : mapping
        What :func:`vggss_tools.annotate.statistics.statistics` returns.
    plots : mapping
        What :func:`vggss_tools.annotate.statistics.plots.draw_plots` returns.
    """
    pictures = {
        name: "data:image/png;base64," + base64.b64encode(data).decode("ascii")
        for name, data in plots.items()
    }
    page = _template().render(
        title=title,
        counts=counts,
        classes_plot=pictures[CLASSES_PLOT],
        areas_plot=pictures[AREAS_PLOT],
        counts_plot=pictures[COUNTS_PLOT],
    )
    return page if page.endswith("\n") else page + "\n"


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vggss_tools.annotate.statistics", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["number"] = "{:,}".format
    environment.filters["percent"] = lambda share: "–" if share is None else f"{100 * share:.1f}%"
    return environment.get_template(f"{PAGE}.j2")
