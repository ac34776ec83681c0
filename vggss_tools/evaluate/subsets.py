"""Subsets: on what kind of clip a score was earned.

A subset is a file with a list of clips, or one of the names below; ``not:`` before either takes
the others. Several subsets mean the samples that are in all of them.

Most names say something of every sample. The labels of VGGSounder cover part of the clips only,
and class, boxes and area belong to what sounds in the picture: what a name says nothing of is
neither in the subset nor in its ``not:``.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from vggss_tools.clip_lists import read_clip_list
from vggss_tools.errors import InvalidInput
from vggss_tools.evaluate.breakdown import AREA_BUCKETS, area_bucket
from vggss_tools.evaluate.test_sets import (
    EXTENDED_SUFFIX,
    PUBLISHED_NAME,
    Sample,
    TestSet,
    canonical_id,
)
from vggss_tools.evaluate.vggsounder import LABEL_SUBSETS, read_vggsounder
from vggss_tools.resources import resource

Bools = NDArray[np.bool_]

NOT = "not:"
# Before the name of a list of one's own, which may be called like a subset.
FILE = "file:"

# Lists of VGG-SS's clips that others score on.
_LISTS = {
    "ssltie": "the 4,911 clips of SSL-TIE's test list",
    "sspl": "the 4,692 clips of SSPL's test list",
    "sslalign": "the 4,655 clips of SSLalignment's test list",
    "htf": "the 4,670 clips of heartheflow's test list",
}
# Splits of the classes into those of the training clips and others.
_OPEN_SETS = {
    "ezvsl-heard": "EZ-VSL's 110 heard classes (2,564 clips of VGG-SS)",
    "ezvsl-unheard": "EZ-VSL's 110 unheard classes (2,575 clips)",
    "ssltie-heard": "SSL-TIE's 110 heard classes (2,425 clips, of its list)",
    "ssltie-unheard": "SSL-TIE's 110 unheard classes (2,463 clips, of its list)",
}

# Every name and what it holds, as a user reads it.
SUBSETS: Mapping[str, str] = MappingProxyType(
    {
        "common": "the 4,142 clips of VGG-SS that every published test list has",
        **_LISTS,
        **_OPEN_SETS,
        "class:NAME": "clips of one class",
        "boxes:N": "clips with N boxes",
        "boxes:N+": "clips with N boxes or more",
        "area:small": "truth below 32² pixels of 224²",
        "area:medium": "below 96²",
        "area:large": "below 144²",
        "area:huge": "from 144²",
        **{f"vggsounder:{name}": what for name, what in LABEL_SUBSETS.items()},
    }
)


@dataclass(frozen=True, slots=True)
class Subset:
    """Which samples of a test set are meant.

    Attributes
    ----------
    names : tuple of str
        As they were asked for, each once; a file as ``file:`` and its name without folders.
    mask : bool array (N,)
        In the order of the test set's samples; at least one is true.
    notes : tuple of str
        What a reader of the score has to know.
    files : tuple of (name, sha256)
        The lists that were read.
    """

    names: tuple[str, ...]
    mask: Bools
    notes: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """The names in one, joined by `` & ``."""
        return " & ".join(self.names)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Samples that are in (``mask``), and those of which something is said (``domain``)."""

    mask: Bools
    domain: Bools
    notes: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    reason: str = ""  # why the mask may be empty


def choose_subset(test_set: TestSet, spec: str) -> Subset:
    """Return one subset of a test set.

    Parameters
    ----------
    spec : a name of ``SUBSETS``, or the path of a list of clips; ``not:`` before it negates

    Raises
    ------
    VggssError
        If a file may not be read, or ``vggsounder`` is needed and not installed.
    InvalidInput
        If the name is none of ``SUBSETS``, or nothing is in the subset.
    """
    plain = spec.removeprefix(NOT)
    negated = plain != spec
    chosen, name = _chosen(test_set, plain)
    mask = chosen.domain & ~chosen.mask if negated else chosen.mask
    name = NOT + name if negated else name
    if not mask.any():
        reason = chosen.reason if not negated and chosen.reason else "nothing is left"
        raise InvalidInput(
            f"subset {name!r}: no sample of {test_set.name} is in it ({reason}); choose another"
        )
    return Subset((name,), mask, chosen.notes, chosen.files)


def choose_subsets(test_set: TestSet, specs: Sequence[str]) -> Subset:
    """Return the samples that are in all of the subsets; all samples for no ``specs``.

    Raises
    ------
    VggssError
        As ``choose_subset``; ``InvalidInput`` also where no sample is in all of them.
    """
    subsets = [choose_subset(test_set, spec) for spec in dict.fromkeys(specs)]
    mask = np.ones(len(test_set), dtype=np.bool_)
    for subset in subsets:
        mask &= subset.mask
    if not mask.any():
        each = ", ".join(f"{s.name!r} has {np.count_nonzero(s.mask):,}" for s in subsets)
        raise InvalidInput(f"subsets: no sample is in all of them ({each}); leave one of them out")
    return Subset(
        tuple(subset.name for subset in subsets),
        mask,
        tuple(dict.fromkeys(note for subset in subsets for note in subset.notes)),
        tuple(dict.fromkeys(file for subset in subsets for file in subset.files)),
    )


def _chosen(test_set: TestSet, spec: str) -> tuple[_Chosen, str]:
    kind, _, value = spec.partition(":")
    if spec == "common" or spec in _LISTS:
        return _of_lists(test_set, spec), spec
    if spec in _OPEN_SETS:
        return _of_open_set(test_set, *spec.split("-")), spec
    if kind == "class" and value:
        return _of_class(test_set, value), spec
    if kind == "boxes" and (found := re.fullmatch(r"(\d{1,6})(\+?)", value)):
        return _of_boxes(test_set, int(found[1]), or_more=bool(found[2])), spec
    if kind == "area" and value in AREA_BUCKETS:
        return _of_area(test_set, value), spec
    if kind == "vggsounder" and value in LABEL_SUBSETS:
        return _of_vggsounder(test_set, value), spec
    path = Path(spec)
    if spec and path.exists():
        return _of_file(test_set, path), FILE + path.name
    near = difflib.get_close_matches(spec, SUBSETS, n=1, cutoff=0.7)
    hint = f"did you mean {near[0]}? " if near else ""
    raise InvalidInput(
        f"subset {spec!r}: neither a file nor a name; {hint}names are {', '.join(SUBSETS)}, "
        f"each also with {NOT} before it"
    )


def _positives(test_set: TestSet) -> Bools:
    return _mask(test_set, lambda sample: not sample.negative)


def _mask(test_set: TestSet, holds: Callable[[Sample], bool]) -> Bools:
    return np.fromiter(map(holds, test_set.samples), dtype=np.bool_, count=len(test_set))


def _all(test_set: TestSet) -> Bools:
    return np.ones(len(test_set), dtype=np.bool_)


def _members(test_set: TestSet, ids: frozenset[str]) -> Bools:
    """Samples whose name, or whose picture and sound, are in a list."""
    return _mask(test_set, lambda s: s.name in ids or (s.image_id in ids and s.audio_id in ids))


# ----------------------------------------------------------------------------- lists of clips


def _of_file(test_set: TestSet, path: Path) -> _Chosen:
    clips = read_clip_list(path)
    ids = frozenset(canonical_id(one) for one in clips.ids)
    known = {name for s in test_set.samples for name in (s.name, s.image_id, s.audio_id)}
    unknown = sorted(ids - known)
    if len(unknown) == len(ids):
        raise InvalidInput(
            f"{path}: none of its {len(ids):,} ids is in {test_set.name}, such as {unknown[0]}; "
            "give a list of clips of that test set"
        )
    notes = [f"{clips.name}: {note}" for note in clips.notes if "no id" in note]
    mistyped = sorted(one for one in clips.ids if canonical_id(one) != one)
    notes += [f"{clips.name}: {one} was read as {canonical_id(one)}" for one in mistyped]
    if unknown:
        notes.append(
            f"{clips.name}: {len(unknown):,} of its {len(ids):,} ids are not in {test_set.name}, "
            f"such as {unknown[0]}"
        )
    mask = _members(test_set, ids)
    reason = "its ids are pictures and sounds of other pairs"
    return _Chosen(mask, _all(test_set), tuple(notes), ((clips.name, clips.sha256),), reason)


@cache
def _absent() -> Mapping[str, frozenset[str]]:
    """Return the lists that lack a clip of VGG-SS, for each clip that any of them lacks."""
    text = resource("vggss_subsets.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {row["clip_id"]: frozenset(row["absent_from"].split()) for row in rows}


def _of_lists(test_set: TestSet, name: str) -> _Chosen:
    if not _is_vggss(test_set):
        raise InvalidInput(
            f"subset {name!r}: a list of the published VGG-SS's clips, and this is "
            f"{test_set.name}; give the list as a file"
        )
    asked, absent = set(_LISTS) if name == "common" else {name}, _absent()

    def listed(clip_id: str) -> bool:
        return asked.isdisjoint(absent.get(clip_id, ()))

    own = {s.image_id for s in test_set.samples if not s.negative}
    mask = _mask(
        test_set,
        lambda s: {s.image_id, s.audio_id} <= own and listed(s.image_id) and listed(s.audio_id),
    )
    return _Chosen(mask, _all(test_set))


def _is_vggss(test_set: TestSet) -> bool:
    return test_set.name.removesuffix(EXTENDED_SUFFIX) == PUBLISHED_NAME


# ------------------------------------------------------------------------------------- classes


@cache
def _open_set(source: str) -> Mapping[str, str]:
    """Return ``heard`` or ``unheard`` by class; classes of neither are left out."""
    text = resource("open_set_classes.csv").read_text(encoding="utf-8")
    return {row["class"]: row[source] for row in csv.DictReader(text.splitlines()) if row[source]}


def _of_open_set(test_set: TestSet, source: str, part: str) -> _Chosen:
    split = _open_set(source)
    domain = _mask(test_set, lambda s: s.label in split)
    mask = _mask(test_set, lambda s: split.get(s.label) == part)
    if source in _LISTS and _is_vggss(test_set):
        listed = _of_lists(test_set, source).mask
        mask, domain = mask & listed, domain & listed
    return _Chosen(mask, domain, reason="it has no clip of these classes")


def _of_class(test_set: TestSet, label: str) -> _Chosen:
    labels = {sample.label for sample in test_set.samples if sample.label}
    if not labels:
        raise InvalidInput(f"subset 'class:{label}': {test_set.name} has no classes")
    if label not in labels:
        ordered = sorted(labels)
        near = [known for known in ordered if label.casefold() in known.casefold()][:3]
        near = near or difflib.get_close_matches(label.casefold(), ordered, n=3, cutoff=0.6)
        hint = f"near are {', '.join(map(repr, near))}" if near else "see by_class of a result"
        raise InvalidInput(
            f"subset 'class:{label}': {test_set.name} has no clip of that class; {hint}"
        )
    return _Chosen(_mask(test_set, lambda s: s.label == label), _positives(test_set))


# --------------------------------------------------------------------------------------- boxes


def _of_boxes(test_set: TestSet, count: int, *, or_more: bool) -> _Chosen:
    numbers = np.array([len(sample.edges) for sample in test_set.samples])
    positives = _positives(test_set)
    mask = positives & ((numbers >= count) if or_more else (numbers == count))
    held = numbers[positives]
    reason = f"its clips have {held.min()} to {held.max()} boxes" if len(held) else ""
    return _Chosen(mask, positives, reason=reason)


def _of_area(test_set: TestSet, bucket: str) -> _Chosen:
    positives = _positives(test_set)
    mask = np.array(
        [
            bool(positive) and area_bucket(int(np.count_nonzero(test_set.truth(i)))) == bucket
            for i, positive in enumerate(positives)
        ],
        dtype=np.bool_,
    )
    return _Chosen(mask, positives, reason="no truth is of that area")


# ---------------------------------------------------------------------------------- VGGSounder


def _of_vggsounder(test_set: TestSet, subset: str) -> _Chosen:
    sounder = read_vggsounder()
    said = [
        None
        if s.negative or s.image_id != s.audio_id or (clip := sounder.clips.get(s.image_id)) is None
        else clip.holds(subset, s.label)
        for s in test_set.samples
    ]
    mask = np.array([one is True for one in said], dtype=np.bool_)
    domain = np.array([one is not None for one in said], dtype=np.bool_)
    if subset == "covered":
        domain = _positives(test_set)
    note = f"{sounder.version} labels {np.count_nonzero(domain):,} of {len(test_set):,} samples"
    if subset != "background-music":
        note += " (without background music)"
    return _Chosen(
        mask,
        domain,
        (f"vggsounder:{subset}: {note}",) if subset != "covered" else (),
        reason=note,
    )
