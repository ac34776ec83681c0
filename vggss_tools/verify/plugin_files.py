"""Putting the review plugin where FiftyOne looks for plugins."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from vggss_tools.atomic import write_text_atomic

NAME = "@vggss/review"
PANEL = "vggss_review"
_FILES = ("fiftyone.yml", "__init__.py", "dist/index.umd.js")


def install_plugin(plugins_dir: Path | str) -> Path:
    """Copy the plugin's files into FiftyOne's folder of plugins, where they differ.

    Returns
    -------
    Path
        The plugin's folder.
    """
    folder = Path(plugins_dir) / NAME
    source = files("vggss_tools.verify") / "plugin"
    for name in _FILES:
        text = source.joinpath(name).read_text(encoding="utf-8")
        target = folder / name
        if not target.is_file() or target.read_text(encoding="utf-8") != text:
            write_text_atomic(target, text)
    return folder
