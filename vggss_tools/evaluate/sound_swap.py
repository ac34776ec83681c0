"""Does the map follow the sound? Frames seen with the sound of what is silent in them.

For each row of a predictions file with a picture and another clip's sound: does the map's maximum
move into the boxes of the silent object whose class is heard? A map that never listens cannot.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from vggss_tools.annotate.vggss_json import Annotations, Entry
from vggss_tools.errors import InvalidInput
from vggss_tools.evaluate.masks import Mask, box_mask
from vggss_tools.evaluate.metrics import peak_inside
from vggss_tools.evaluate.predictions import Predictions
from vggss_tools.evaluate.protocols import Resize, resize_map
from vggss_tools.progress import track


@dataclass(frozen=True, slots=True)
class SwapScores:
    """What became of the maximum.

    Attributes
    ----------
    rate : float
        Share of rows whose maximum lies in the silent object that is heard.
    stay_rate : float
        Share whose maximum lies in the boxes of what would sound.
    n : int
        Rows scored.
    n_skipped : int
        Rows of other pictures, or with a sound of no class that is silent in the picture.
    """

    rate: float
    stay_rate: float
    n: int
    n_skipped: int


def score_swaps(
    swapped: Predictions,
    annotations: Annotations,
    silent: Iterable[Entry],
    resizes: Iterable[Resize],
    labels: Mapping[str, str] | None = None,
) -> dict[Resize, SwapScores]:
    """Score swapped sounds, once for each way of resizing.

    Parameters
    ----------
    silent : entries of a release's ``silent.json``, one a clip and class
    labels : classes of clips that lend their sound and are not in the annotations

    Raises
    ------
    InvalidInput
        If not one row can be scored.
    """
    sounding = {entry.file: entry for entry in annotations.entries}
    classes = {**(labels or {}), **{entry.file: entry.label for entry in annotations.entries}}
    silent_boxes = {(entry.file, entry.label): entry.boxes for entry in silent}
    moved = dict.fromkeys(resizes, 0)
    stayed = dict.fromkeys(moved, 0)
    n = n_skipped = 0
    rows = track(swapped.maps(), "scoring swapped sounds", total=len(swapped), unit="map")
    for row, raw in enumerate(rows):
        image, audio = swapped.image_id[row], swapped.audio_id[row]
        boxes = silent_boxes.get((image, classes.get(audio, "")))
        if image not in sounding or boxes is None:
            n_skipped += 1
            continue
        n += 1
        heard: Mask = box_mask(boxes)
        own: Mask = box_mask(sounding[image].boxes)
        for resize in moved:
            resized = resize_map(raw, resize)
            moved[resize] += peak_inside(resized, heard)
            stayed[resize] += peak_inside(resized, own)
    if not n:
        raise InvalidInput(
            f"--swap-predictions {swapped.name}: no row has the sound of a class that is silent "
            "in its picture; write it with `vggss predict --sound swap`, and give that release's "
            "silent.json"
        )
    return {
        resize: SwapScores(moved[resize] / n, stayed[resize] / n, n, n_skipped) for resize in moved
    }
