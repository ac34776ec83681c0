"""Fill in what word vectors say in ``annotations/class_matches.csv``; the review is kept.

Run by hand after a change of the table or of the rules of word matching::

    python tests/propose/make_class_matches.py GoogleNews-vectors-negative300-bolukbasi.bin

For every sound class and detector it writes what ``vggss match-classes --no-table`` finds: the
similarity of each object beside it, and which class the vectors would have taken where the review
took another one. A row that the review does not have is not added, only counted.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from vggss_tools.classes import openimages_classes
from vggss_tools.propose.class_tables import REVIEWED_TABLE
from vggss_tools.propose.coco_card import CLASSES as COCO_CLASSES
from vggss_tools.propose.word_matching import WordVectorMatcher
from vggss_tools.propose.word_vectors import read_vectors

PATH = Path(__file__).parents[2] / "annotations" / REVIEWED_TABLE
SAID = re.compile(r"^word2vec says [^:]*(?:: |$)")
RELATIONS = {
    "same": "the thing itself",
    "kind": "a usual kind of it, or another word for it",
    "wider": "the wider class",
    "called so": "called so in everyday speech",
    "broad": "only this broad class covers it",
    "look-alike": "looks alike",
    "part": "the part where the sound comes from",
    "touched": "what is touched or struck",
    "none": "no class for it",
}


def fill_in(rows: Sequence[dict[str, str]], matcher: WordVectorMatcher) -> dict[str, int]:
    """Write the vectors' columns into the rows; return how many agree, by detector."""
    vocabularies = {"openimages": openimages_classes(), "coco": COCO_CLASSES}
    agree = dict.fromkeys(vocabularies, 0)
    for row in rows:
        sound, detector, name = row["sound_class"], row["detector"], row["object"]
        found = matcher.match(sound, vocabularies[detector])
        value = {match.detector_class: match.similarity for match in found}
        row["word2vec"] = f"{value[name]:.2f}" if name in value else ""
        first = found[0].detector_class if found else ""
        same = first == name if row["rank"] == "1" else name in value
        row["source"] = "word2vec" if same else "review"
        why = SAID.sub("", row["reason"]) or RELATIONS[row["relation"]]
        if row["rank"] == "1" and not same:
            said = f"{first} ({found[0].similarity:.2f})" if found else "nothing"
            why = f"word2vec says {said}: {why}"
        row["reason"] = why
        agree[detector] += same and row["rank"] == "1"
    return agree


def main(paths: Sequence[str]) -> None:
    """Rewrite the table."""
    with PATH.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    agree = fill_in(rows, WordVectorMatcher(read_vectors([Path(path) for path in paths])))
    with PATH.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    sys.stdout.write(f"{PATH.name}: {len(rows)} rows; first classes as by vectors: {agree}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
