"""Finding the projects in what was given to ``vggss import``, and reading them."""

from __future__ import annotations

from pathlib import Path

from vggss_tools.annotate.assigning import reviewer_in_name
from vggss_tools.annotate.formats.exchange import Format, Refused
from vggss_tools.annotate.importing import AnswerFile
from vggss_tools.annotate.items import WorkspaceItems
from vggss_tools.atomic import PART_PREFIX
from vggss_tools.errors import VggssError, not_readable


def read_answer_files(path: Path, format_: Format, known: WorkspaceItems) -> list[AnswerFile]:
    """Read one project, or every project in a folder.

    Returns
    -------
    list of AnswerFile, sorted by name

    Raises
    ------
    VggssError
        If there is no such file, it cannot be read, or a folder holds no project.
    Refused
        As the format does; of several files the message names which.
    """
    if not path.exists():
        raise VggssError(f"{path}: no such file or folder; give what is to be imported")
    projects = find_projects(path, format_)
    files = []
    for project in projects:
        try:
            answers = format_.read(project, known)
        except Refused as error:
            if len(projects) == 1:
                raise
            # Of what is wrong with the file as a whole, its name is the place already.
            cause = str(error).removeprefix(f"{project.name}: ")
            raise Refused(project.name, cause) from None
        except PermissionError as error:
            raise not_readable(project, error) from None
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise VggssError(
                f"{error.filename}: {error.strerror}; give a {format_.name} project"
            ) from None
        files.append(
            AnswerFile(project.name, answers, format_.precision, reviewer_in_name(project))
        )
    return files


def find_projects(path: Path, format_: Format) -> list[Path]:
    """Return the path itself, or the projects in it if it is a folder of several."""
    if not path.is_dir():
        return [path]
    if not format_.suffix and (_is_one(path) or not _split_names(path, format_)):
        return [path]
    found = (
        [one for one in path.glob(f"*{format_.suffix}") if one.is_file()]
        if format_.suffix
        else _split_names(path, format_)
    )
    found = [one for one in found if not one.name.startswith((".", PART_PREFIX))]
    if not found:
        raise VggssError(
            f"{path}: no *{format_.suffix} in this folder; give a {format_.name} project"
        )
    return sorted(found)


def _is_one(path: Path) -> bool:
    """Whether the folder holds something to read itself, and not only folders that do."""
    return any(one.is_file() and one.suffix in (".json", ".tar") for one in path.iterdir())


def _split_names(path: Path, format_: Format) -> list[Path]:
    return [one for one in path.glob(f"{format_.name}--*") if not one.name.endswith(".part")]
