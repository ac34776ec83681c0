"""One data directory: where everything in it lies.

::

    vggss-data/
      clips.parquet  ledger.sqlite  proposals.parquet  annotations.jsonl
      clips/<clip_id>.mp4   frames/<clip_id>.jpg   audio/<clip_id>.wav
      runs/<name>/…   releases/<name>/vggss.json …
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vggss_tools.clips import Clip, read_clips
from vggss_tools.errors import VggssError

# A release is a folder with this file in it; a folder being made does not have it yet.
RELEASE_FILE = "vggss.json"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A data directory, which need not exist yet.

    Attributes
    ----------
    root : Path
        The directory itself.
    """

    root: Path

    def __init__(self, root: Path | str) -> None:
        object.__setattr__(self, "root", Path(root).expanduser().absolute())

    @classmethod
    def create(cls, root: Path | str) -> Workspace:
        """Return the data directory at ``root``, making the folder if need be."""
        workspace = cls(root)
        try:
            workspace.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise VggssError(
                f"{root}: cannot make the data directory ({error.strerror}); "
                "choose another directory"
            ) from None
        return workspace

    @property
    def clips_table(self) -> Path:
        """Clip table: ``clip_id, label, split``."""
        return self.root / "clips.parquet"

    @property
    def ledger_path(self) -> Path:
        """SQLite file: what happened to each clip at each stage."""
        return self.root / "ledger.sqlite"

    @property
    def proposals_table(self) -> Path:
        """All detections of all clips."""
        return self.root / "proposals.parquet"

    @property
    def annotations_log(self) -> Path:
        """Append-only log of annotation events."""
        return self.root / "annotations.jsonl"

    @property
    def truth_table(self) -> Path:
        """Exact boxes at every frame; sample worlds only."""
        return self.root / "truth.parquet"

    @property
    def own_files(self) -> tuple[Path, ...]:
        """The files that no command may be told to write its results to."""
        return (
            self.annotations_log,
            self.clips_table,
            self.ledger_path,
            self.proposals_table,
            self.truth_table,
        )

    def clip_path(self, clip_id: str) -> Path:
        """Video of a clip."""
        return self.root / f"clips/{clip_id}.mp4"

    def frame_path(self, clip_id: str) -> Path:
        """Benchmark frame of a clip."""
        return self.root / f"frames/{clip_id}.jpg"

    def audio_path(self, clip_id: str) -> Path:
        """Sound of a clip round its centre."""
        return self.root / f"audio/{clip_id}.wav"

    def clip_offsets(self) -> dict[str, float]:
        """Return where in ``clips/<clip_id>.mp4`` the clip's ten seconds start, in seconds.

        0.0 for a clip of which nothing else is recorded, such as one that was put there by hand.
        """
        from vggss_tools.ledger import Ledger

        if not self.ledger_path.is_file():
            return defaultdict(float)
        with Ledger(self.ledger_path, for_reading=True) as ledger:
            return ledger.offsets()

    def truth_path(self, clip_id: str) -> Path:
        """Exact boxes of one clip at every frame; sample worlds only."""
        return self.root / f"truth/{clip_id}.json"

    def proposal_path(self, clip_id: str) -> Path:
        """Detections of one clip, before they are gathered in :attr:`proposals_table`."""
        return self.root / f"proposals/{clip_id}.json"

    def run_dir(self, name: str) -> Path:
        """Folder of one training or prediction run."""
        return self.root / "runs" / name

    def release_dir(self, name: str) -> Path:
        """Folder of one release of annotations."""
        return self.root / "releases" / name

    def newest_release(self, *, not_split: str | None = None) -> Path | None:
        """Folder of the release that was written last, or None.

        Parameters
        ----------
        not_split : str, optional
            Leave out releases of this split, such as the one that a model was trained on. A
            release without a manifest is of no known split and stays in.
        """
        found: Iterable[Path] = (self.root / "releases").glob(f"*/{RELEASE_FILE}")
        if not_split is not None:
            found = [path for path in found if _split_of(path.parent) != not_split]
        newest = max(found, key=lambda path: (path.stat().st_mtime_ns, path), default=None)
        return newest.parent if newest else None

    def clips(self, split: str | None = None) -> list[Clip]:
        """Return the clips of one split, or all, in the table's order.

        Raises
        ------
        VggssError
            If the directory has no clip table, or no clip of that split.
        """
        if not self.clips_table.is_file():
            raise VggssError(
                f"{self.root}: no clips in this data directory; choose another with --data DIR, "
                "or make a sample world with `vggss sample DIR`"
            )
        clips = read_clips(self.clips_table)
        if split is None:
            return clips
        chosen = [clip for clip in clips if clip.split == split]
        if not chosen:
            known = ", ".join(sorted({clip.split for clip in clips})) or "none"
            raise VggssError(
                f"{self.clips_table}: no clip of split {split!r}; the splits there are: {known}"
            )
        return chosen


def _split_of(release: Path) -> str | None:
    """Return the split of a release, or None where no manifest says it."""
    try:
        manifest = json.loads((release / "release.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return manifest.get("split") if isinstance(manifest, dict) else None
