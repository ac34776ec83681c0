"""Test sets: which pictures and sounds are scored, and against which truth.

A test set is a list of samples, each one picture with one sound. Most are clips with their own
sound; extended sets add negatives (nothing in the picture sounds), and the synthetic pairs of IS3
and VPO show one picture with several sounds. The truth of a sample is the union of its boxes, or,
where several people drew them, their consensus.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vggss_tools.annotate.vggss_json import Annotations
from vggss_tools.evaluate.masks import GRID, mask_of_edges, pixel_edges

PUBLISHED_NAME = "vgg-ss"
# With negatives beside the clips.
EXTENDED_SUFFIX = "-extended"

# The official list of Flickr-SoundNet's test photos mistypes one; no photo has the first id.
MISTYPED_IDS: Mapping[str, str] = {"3908875357": "3908875350"}

Edges = NDArray[np.int64]


def canonical_id(name: str) -> str:
    """Return the id that is meant by ``name``: itself, but for the mistyped Flickr photo."""
    return MISTYPED_IDS.get(name, name)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One picture with one sound; compared by identity.

    Attributes
    ----------
    name : str
        Its name in results: the clip id, or what the test set calls it.
    image_id, audio_id : str
        What a predictions file calls its picture and its sound.
    label : str
        Sound class; empty where the set has none.
    edges : int64 array (n, 4)
        Boxes on the 224 x 224 grid, ``xmin, ymin`` inclusive, ``xmax, ymax`` exclusive.
    negative : bool
        Nothing in the picture sounds; there are no boxes.
    same_class : bool
        A negative whose picture and sound are of one class, and so perhaps none.
    group : str
        Samples that share a picture's scene, for IIoU; empty where there are no groups.
    """

    name: str
    image_id: str
    audio_id: str
    label: str
    edges: Edges
    negative: bool = False
    same_class: bool = False
    group: str = ""


@dataclass(frozen=True)
class TestSet:
    """Samples with their truth.

    Attributes
    ----------
    name : str
        ``vgg-ss``, ``flickr-soundnet``, ``is3``, …, or a release's name.
    sha256 : str
        Of the annotation file's bytes. With negatives, of the two files' checksums one after the
        other; of a folder, of its files' names and checksums.
    samples : tuple of Sample
        In the file's order; no two with the same picture and sound.
    consensus : int
        1: the truth is the union of the boxes. C: a pixel's weight is the number of boxes over
        it, divided by C, at most 1.
    notes : tuple of str
        What was corrected or left out while reading.
    sources : tuple of str
        sha256 of each file that was read: the annotations, then the negatives.
    """

    __test__ = False  # pytest collects classes of this name otherwise

    name: str
    sha256: str
    samples: tuple[Sample, ...]
    consensus: int = 1
    notes: tuple[str, ...] = field(default=())
    sources: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples)

    @property
    def published(self) -> bool:
        """Whether this is the published VGG-SS."""
        return self.name == PUBLISHED_NAME

    @cached_property
    def positions(self) -> Mapping[tuple[str, str], int]:
        """Where the sample of a picture and a sound stands.

        A sample is also found under its name alone, as picture and sound: a predictions file
        without ``image_id`` and ``audio_id`` means that. So are mistyped ids (``canonical_id``).
        Two keys may therefore mean one sample.
        """
        found = {(s.image_id, s.audio_id): i for i, s in enumerate(self.samples)}
        for i, sample in enumerate(self.samples):
            found.setdefault((sample.name, sample.name), i)
        for wrong, right in MISTYPED_IDS.items():
            for (image, audio), i in list(found.items()):
                if right in (image, audio):
                    alias = tuple(wrong if one == right else one for one in (image, audio))
                    found.setdefault((alias[0], alias[1]), i)
        return found

    def only(self, mask: Sequence[bool] | NDArray[np.bool_]) -> TestSet:
        """Return the samples where ``mask`` (one value a sample) is true; all else stays."""
        kept = zip(self.samples, mask, strict=True)
        return replace(self, samples=tuple(sample for sample, keep in kept if keep))

    def truth(self, index: int) -> NDArray[Any]:
        """Return the truth of a sample: a bool mask (224, 224), or weights 0..1 as float64."""
        sample = self.samples[index]
        if self.consensus == 1:
            return mask_of_edges(sample.edges)
        votes = np.zeros((GRID, GRID), dtype=np.float64)
        for xmin, ymin, xmax, ymax in sample.edges.tolist():
            votes[ymin:ymax, xmin:xmax] += 1
        return np.minimum(votes / self.consensus, 1.0)


def test_set_of(annotations: Annotations) -> TestSet:
    """Return the annotated clips, each with its own sound, as a test set."""
    return TestSet(
        annotations.name,
        annotations.sha256,
        tuple(
            Sample(entry.file, entry.file, entry.file, entry.label, pixel_edges(entry.boxes))
            for entry in annotations.entries
        ),
        sources=(annotations.sha256,),
    )


# A function of a name that begins with `test` is no test.
test_set_of.__test__ = False  # type: ignore[attr-defined]
