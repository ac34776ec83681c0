"""Markdown: tables, and texts of others that stand in them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable


def plain(text: str) -> str:
    """Keep what somebody wrote from being read as Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", html.escape(text, quote=False))


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table; cells are taken as they are."""
    return [f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *rows)]
