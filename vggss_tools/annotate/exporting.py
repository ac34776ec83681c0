"""Items into project files: one, or several by number or by reviewer; nothing is overwritten."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vggss_tools.annotate.assigning import assign, check_reviewers, project_name
from vggss_tools.annotate.events import Decision
from vggss_tools.annotate.formats.exchange import Format, Item, Media, Refused
from vggss_tools.annotate.importing import blind
from vggss_tools.atomic import check_writable, part_path, publish, sync_folder
from vggss_tools.errors import InvalidInput, VggssError

_REMEDIES = {
    "frame": "vggss extract",
    "width": "vggss extract",
    "height": "vggss extract",
    "audio": "vggss extract",
    "clip": "vggss fetch",
}
_ANYTHING = {
    "frame": "frame",
    "width": "frame",
    "height": "frame",
    "audio": "sound",
    "clip": "clip",
}


@dataclass(frozen=True, slots=True)
class Project:
    """One file or folder that is to be written."""

    path: Path
    items: tuple[Item, ...]
    reviewer: str | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes
    ----------
    projects : tuple of Project
    left_out : dict
        Reason -> clips that could not be written, or boxes for broken ones.
    without : dict
        ``frame`` or ``sound`` -> clips that were written without one, where the format holds it.
    """

    projects: tuple[Project, ...]
    left_out: dict[str, int]
    without: dict[str, int]

    @property
    def n_clips(self) -> int:
        """Clips in at least one of the projects."""
        return len({item.clip_id for project in self.projects for item in project.items})


def export(
    items: Sequence[Item],
    format_: Format,
    out: Path,
    media: Media,
    *,
    per_file: int | None = None,
    reviewers: Sequence[str] = (),
    overlap: int = 1,
) -> Exported:
    """Write the items.

    Parameters
    ----------
    out : Path
        The file, or the folder of formats that are one; with ``per_file`` or ``reviewers`` a
        folder of several of either. It must not exist, or be an empty folder.
    per_file : int, optional
        Clips of one project at most.
    reviewers : sequence of str
        A project for each, without anybody's decisions.
    overlap : int
        Reviewers who see one clip.

    Raises
    ------
    WrongUsage
        If the reviewers cannot be served.
    VggssError
        If ``out`` is there, or nothing is left to write.
    """
    if reviewers:
        check_reviewers(reviewers, overlap)
    left_out: Counter[str] = Counter()
    fit = [item for item in items if _fits(item, format_, left_out)]
    if not fit:
        why = "; ".join(f"{count:,} {reason}" for reason, count in left_out.items())
        raise VggssError(f"{format_.name}: nothing to export ({why or 'no clip is chosen'})")
    if not getattr(format_, "holds_broken", False):
        broken = sum(len(item.broken) for item in fit)
        if broken:
            left_out["broken boxes, which it cannot hold"] = broken
    if reviewers or per_file:
        projects = _split(
            blind(fit) if reviewers else fit, format_, out, per_file, reviewers, overlap
        )
        _check_folder_free(out)
        _write_folder(projects, format_, out, media)
    else:
        projects = [Project(out, tuple(fit))]
        if format_.suffix:
            _check_file_free(out)
        else:
            _check_folder_free(out)
        _write(projects[0], format_, media)
    return Exported(tuple(projects), dict(left_out), _without(projects, format_))


def _without(projects: Sequence[Project], format_: Format) -> dict[str, int]:
    """Count the clips that lack what the format would have held."""
    written = {item.clip_id: item for project in projects for item in project.items}
    counts = {
        _ANYTHING[name]: sum(getattr(item, name) is None for item in written.values())
        for name in getattr(format_, "holds_if_there", ())
    }
    return {what: count for what, count in counts.items() if count}


def _fits(item: Item, format_: Format, left_out: Counter[str]) -> bool:
    for name in format_.needs:
        if getattr(item, name) is None:
            left_out[f"without a {_ANYTHING[name]} ({_REMEDIES[name]})"] += 1
            return False
    holds = getattr(format_, "holds", None)
    if holds is not None and not holds(item):
        reason = (
            "with no sounding box" if item.decision is Decision.YES
            else f"decided {str(item.decision).replace('_', ' ')}"
        )  # fmt: skip
        left_out[reason] += 1
        return False
    return True


def _split(
    items: Sequence[Item],
    format_: Format,
    out: Path,
    per_file: int | None,
    reviewers: Sequence[str],
    overlap: int,
) -> list[Project]:
    by_id = {item.clip_id: item for item in items}
    shares: dict[str | None, list[str]] = (
        {name: clips for name, clips in assign(by_id, reviewers, overlap).items() if clips}
        if reviewers
        else {None: list(by_id)}
    )
    projects = []
    for reviewer, clips in shares.items():
        size = per_file or len(clips)
        for number, start in enumerate(range(0, len(clips), size), 1):
            name = project_name(format_.name, reviewer, number if per_file else None)
            part = tuple(by_id[clip] for clip in clips[start : start + size])
            projects.append(Project(out / f"{name}{format_.suffix}", part, reviewer))
    return projects


def _write(project: Project, format_: Format, media: Media) -> None:
    """Write one project under a temporary name in its folder, so that references hold."""
    final = project.path
    final.parent.mkdir(parents=True, exist_ok=True)
    part = part_path(final)
    try:
        format_.write(project.items, part, media)
        if part.is_dir():
            if final.is_dir():
                final.rmdir()  # empty, as was seen
            part.rename(final)
            sync_folder(final.parent)
        else:
            publish(part, final)
    except Refused as error:
        raise InvalidInput(f"{format_.name}: {error}") from None
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        part.unlink(missing_ok=True)


def _write_folder(projects: Sequence[Project], format_: Format, out: Path, media: Media) -> None:
    """Write all or none."""
    was_there = out.is_dir()
    try:
        for project in projects:
            _write(project, format_, media)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        if was_there:
            out.mkdir()
        raise


def _check_file_free(out: Path) -> None:
    if out.exists():
        raise VggssError(f"{out}: is there already; choose another --out, or remove it first")
    check_writable(out)


def _check_folder_free(out: Path) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise VggssError(f"{out}: is there already and not an empty folder; choose another --out")
    check_writable(out / ".vggss-export")
