"""Files that come with the tool: ``annotations/`` and ``pipelines/`` of the repository.

They are installed as the packages ``vggss_tools.annotations`` and ``vggss_tools.pipelines``. In a
checkout, installed or not, they are the folders beside the package, so that data and code are
always of one version.
"""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

Room = Literal["annotations", "pipelines"]

_CHECKOUT = Path(__file__).resolve().parent.parent


def resource_folder(room: Room) -> Traversable:
    """Return the folder of one room; list it with ``iterdir``, descend with ``/``."""
    if (_CHECKOUT / "setup.cfg").is_file():
        return _CHECKOUT / room
    return resources.files(f"vggss_tools.{room}")


def resource(name: str, room: Room = "annotations") -> Traversable:
    """Return one file of a room; read it with ``read_text(encoding="utf-8")``.

    Raises
    ------
    FileNotFoundError
        If the room has no such file.
    """
    found = resource_folder(room).joinpath(name)
    if not found.is_file():
        raise FileNotFoundError(f"{room}/{name}: not among the files that come with vggss-tools")
    return found
