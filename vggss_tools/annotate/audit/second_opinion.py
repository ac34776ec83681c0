"""A second opinion on annotated clips: VGGSounder's independent labels.

VGG-SS says of a clip that its class is heard and comes from the boxes. VGGSounder's annotators were
asked about the same clips anew. Where they do not hear the class, or do not see what makes it, the
clip is worth another look; it is not wrong for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vggss_tools.annotate.vggss_json import Entry
from vggss_tools.evaluate.vggsounder import SounderClip, VGGSounder

# Reason → what is said of the clip. The last two are asked only where the class is confirmed.
DOUBTS: Mapping[str, str] = MappingProxyType(
    {
        "other-labels": "the class is not among its labels",
        "audible-only": "the class is heard and not seen",
        "visible-only": "the class is seen and not heard",
        "static-image": "the picture is a still image",
        "voice-over": "a voice speaks over it",
    }
)


@dataclass(frozen=True, slots=True)
class SecondOpinion:
    """What the other labels say about a file of boxes.

    Attributes
    ----------
    version : str
        Of the label table.
    n_clips, covered, confirmed : int
        Clips of the file; those that the table labels; those whose class is among their labels.
    doubtful : mapping
        Clip id → its reasons (keys of ``DOUBTS``), in the file's order.
    """

    version: str
    n_clips: int
    covered: int
    confirmed: int
    doubtful: Mapping[str, tuple[str, ...]]

    def counts(self) -> dict[str, int]:
        """Return the clips of each reason; a clip may have several."""
        number = Counter(reason for reasons in self.doubtful.values() for reason in reasons)
        return {reason: number[reason] for reason in DOUBTS}


def ask_vggsounder(entries: Iterable[Entry], labels: VGGSounder) -> SecondOpinion:
    """Compare the class of each clip with the other labels."""
    entries = list(entries)
    doubtful: dict[str, tuple[str, ...]] = {}
    covered = confirmed = 0
    for entry in entries:
        other = labels.clips.get(entry.file)
        if other is None or other.holds("covered", entry.label) is None:
            continue
        covered += 1
        confirmed += entry.label in other.labels
        reasons = _reasons(other, entry.label)
        if reasons:
            doubtful[entry.file] = reasons
    return SecondOpinion(
        labels.version, len(entries), covered, confirmed, MappingProxyType(doubtful)
    )


def format_doubtful(opinion: SecondOpinion) -> str:
    """Return the clips as a list, one a line with a tab and its reasons."""
    lines = [f"{clip}\t{', '.join(reasons)}\n" for clip, reasons in opinion.doubtful.items()]
    return "".join(lines)


def _reasons(other: SounderClip, label: str) -> tuple[str, ...]:
    if label not in other.labels:
        return ("other-labels",)
    return tuple(
        reason for reason in DOUBTS if reason != "other-labels" and other.holds(reason, label)
    )
