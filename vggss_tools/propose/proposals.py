"""Proposals: what a detector found, with the sound class that it may be the source of.

On disk there is one JSON file a clip with its detections, and one Parquet table of all clips
with the matches. Detecting is slow and does not look at the clip's label; matching is quick. So
another matcher makes another table of the same detections.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vggss_tools.atomic import atomic_path, write_text_atomic
from vggss_tools.boxes import Box
from vggss_tools.errors import InvalidInput, VggssError, not_readable
from vggss_tools.propose.detector import Detection
from vggss_tools.propose.matching import SIMILARITY_THRESHOLD, Match, Matcher

DETECTIONS_SCHEMA = "vggss-detections/1"

COLUMNS = (
    "clip_id", "xmin", "ymin", "xmax", "ymax", "score", "detector_class", "sound_class",
    "similarity", "detector", "kept", "reason",
)  # fmt: skip
KEPT = "kept"
REGION = "region over"  # begins the reason of a box that no detector drew
# Matches that a person has looked at stand, whatever their similarity.
REVIEWED = ("table", "override")


@dataclass(frozen=True, slots=True)
class Proposal:
    """One detection in one clip.

    Attributes
    ----------
    detector_class : str
        Class, as the detector calls it.
    score : float
        The detector's confidence, 0..1.
    sound_class : str or None
        The clip's label, if ``detector_class`` was matched to it; the proposal is then a
        candidate for what sounds.
    similarity : float or None
        Similarity of the match, 0..1.
    detector : str
        Name of the detector; "" if it is not known.
    kept : bool
        Whether it was chosen as one of the clip's boxes. Without a word on it a candidate is: so
        were those of tables that have no such column.
    reason : str
        Why it was chosen or not.
    """

    clip_id: str
    box: Box
    detector_class: str
    score: float
    sound_class: str | None = None
    similarity: float | None = None
    detector: str = ""
    kept: bool = None  # type: ignore[assignment]  # settled below
    reason: str = ""

    def __post_init__(self) -> None:
        if self.kept is None:
            object.__setattr__(self, "kept", self.sound_class is not None)

    @property
    def is_candidate(self) -> bool:
        """Whether the object may be what sounds."""
        return self.sound_class is not None

    @property
    def is_region(self) -> bool:
        """Whether it is a box over several detections, which know the label, and not one itself.

        A baseline that is to be blind to the sound must leave it out.
        """
        return self.reason.startswith(REGION)


def write_detections(
    path: Path, clip_id: str, detections: Sequence[Detection], settings: Mapping[str, Any]
) -> None:
    """Write the detections of one clip and the settings that they were made with."""
    rows = [{"class": d.label, "score": d.score, "bbox": d.box.as_list()} for d in detections]
    value = {
        "schema": DETECTIONS_SCHEMA,
        "clip_id": clip_id,
        "settings": settings,
        "detections": rows,
    }
    write_text_atomic(path, json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def read_detections(path: Path) -> list[Detection]:
    """Read the detections of one clip.

    Raises
    ------
    InvalidInput
        If the file is not such a file.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["schema"] != DETECTIONS_SCHEMA:
            raise ValueError(f"schema {value['schema']!r} is not {DETECTIONS_SCHEMA!r}")
        return [
            Detection(Box.from_sequence(row["bbox"]), str(row["class"]), float(row["score"]))
            for row in value["detections"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(
            f"{path}: not a file of detections ({error}); remove it and run "
            "`vggss propose-boxes` again"
        ) from None


def match_detections(
    clip_id: str,
    label: str,
    detections: Iterable[Detection],
    matches: Mapping[str, Match],
    detector: str = "",
) -> list[Proposal]:
    """Make every detection a proposal; those of a matched class become candidates for ``label``.

    Nothing is chosen yet: see :func:`vggss_tools.propose.choosing.choose_boxes`.
    """
    proposals = []
    for d in detections:
        match = matches.get(d.label)
        proposals.append(
            Proposal(
                clip_id=clip_id,
                box=d.box,
                detector_class=d.label,
                score=d.score,
                sound_class=label if match else None,
                similarity=match.similarity if match else None,
                detector=detector,
            )
        )
    return proposals


def usable_matches(
    matcher: Matcher,
    label: str,
    classes: Sequence[str],
    threshold: float = SIMILARITY_THRESHOLD,
) -> dict[str, Match]:
    """Return the matches of a sound class with ``similarity >= threshold``, by detector class.

    The threshold is for what was computed; a row of a table is its own decision.
    """
    return {
        match.detector_class: match
        for match in matcher.match(label, classes)
        if match.similarity >= threshold or match.source in REVIEWED
    }


def write_proposals(path: Path, proposals: Sequence[Proposal]) -> bool:
    """Write the table atomically, in the given order; False if it already holds just that.

    Columns: ``clip_id`` (string), ``xmin, ymin, xmax, ymax`` (float64, fractions of the frame),
    ``score`` (float64), ``detector_class`` (string), ``sound_class`` (string or null),
    ``similarity`` (float64 or null), ``detector`` (string), ``kept`` (bool), ``reason`` (string).
    """
    import pyarrow as pa

    kinds = {"score": pa.float64(), "similarity": pa.float64(), "kept": pa.bool_()}
    columns: dict[str, pa.Array] = {}
    for name in COLUMNS:
        if name in ("xmin", "ymin", "xmax", "ymax"):
            columns[name] = pa.array([getattr(p.box, name) for p in proposals], pa.float64())
        else:
            kind = kinds.get(name, pa.string())
            columns[name] = pa.array([getattr(p, name) for p in proposals], kind)
    return write_table(path, pa.table(columns))


def write_table(path: Path, table: Any) -> bool:
    """Write an Arrow table as Parquet, atomically; False if the file already holds just that."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    content = sink.getvalue().to_pybytes()
    if path.is_file() and path.read_bytes() == content:
        return False
    with atomic_path(path) as part:
        part.write_bytes(content)
    return True


def read_proposals(path: Path | str) -> list[Proposal]:
    """Read a table of proposals, in its own order.

    ``detector``, ``kept`` and ``reason`` may be missing, as in tables of earlier versions.

    Raises
    ------
    VggssError
        If there is none, or it may not be read.
    InvalidInput
        If it is not such a table; the message names the row where there is one.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(path)
    if not path.is_file():
        raise VggssError(f"{path}: no such proposals table; make it with `vggss propose-boxes`")
    try:
        rows = pq.read_table(path).to_pylist()
    except PermissionError as error:
        raise not_readable(path, error) from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(
            f"{path}: not a readable Parquet file ({reason}); make it again with "
            "`vggss propose-boxes`"
        ) from None
    proposals = []
    for number, row in enumerate(rows):
        try:
            box = Box.from_sequence([row[axis] for axis in ("xmin", "ymin", "xmax", "ymax")])
            proposals.append(
                Proposal(
                    clip_id=row["clip_id"],
                    box=box,
                    detector_class=row["detector_class"],
                    score=float(row["score"]),
                    sound_class=row["sound_class"],
                    similarity=row["similarity"],
                    detector=row.get("detector") or "",
                    kept=row.get("kept"),
                    reason=row.get("reason") or "",
                )
            )
        except KeyError as error:
            raise InvalidInput(f"{path}: no column {error}; a table of proposals has it") from None
        except (TypeError, ValueError) as error:
            where = f"row {number} ({row.get('clip_id')})"
            raise InvalidInput(f"{path}: {where}: {error}; correct that row") from None
    return proposals


def by_clip(proposals: Iterable[Proposal]) -> dict[str, list[Proposal]]:
    """Group proposals by clip, in their own order."""
    grouped: dict[str, list[Proposal]] = {}
    for one in proposals:
        grouped.setdefault(one.clip_id, []).append(one)
    return grouped
