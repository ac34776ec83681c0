"""``vggss match-classes``: the detector classes of every sound class, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vggss_tools.cli.options import FiniteRange, data_option, emit_json, json_option, say
from vggss_tools.workspace import Workspace

if TYPE_CHECKING:
    from vggss_tools.propose.detector import DetectorCard
    from vggss_tools.propose.matching import Matcher

SCHEMA = "vggss-class-matches/1"


@click.command("match-classes")
@click.option(
    "--detector",
    metavar="NAME[:ARGUMENT]",
    default="openimages",
    show_default=True,
    help="Detector whose classes are matched; it is not loaded.",
)
@click.option(
    "--vectors",
    metavar="PATH",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Word vectors for what no table knows; may be given often, the next for words that those "
    "before lack.  [default: word2vec-google-news-300 by gensim's downloader, if needed]",
)
@click.option("--no-table", is_flag=True, help="Word vectors alone, without the shipped tables.")
@click.option(
    "--overrides",
    metavar="FILE.csv",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A table of your own (sound_class, object) that goes before everything else.",
)
@click.option(
    "--threshold",
    type=FiniteRange(0, 1),
    default=0.5,
    show_default=True,
    help="Leave out computed matches that are less similar; a row of a table stands.",
)
@click.option(
    "--top-k",
    type=click.IntRange(min=1),
    help="At most so many matches a sound class.  [default: all]",
)
@click.option(
    "--class", "only", metavar="NAME", multiple=True, help="Only this sound class; may be repeated."
)
@data_option
@json_option
def command(
    detector: str,
    vectors: tuple[Path, ...],
    *,
    no_table: bool,
    overrides: Path | None,
    threshold: float,
    top_k: int | None,
    only: tuple[str, ...],
    workspace: Workspace,
    json_out: str | None,
) -> None:
    """Match VGG-Sound's classes to the classes of a detector.

    For detectors with classes of OpenImages or COCO the matches are in a reviewed table that comes
    with the tool. Others are matched by word vectors, if some are given or on this machine, else by
    the words of their names. Matches are in order of preference, each with its reason.

    \b
    Examples:
      vggss match-classes --detector openimages --json matches.json
      vggss match-classes --detector coco --class "dog barking"
      vggss match-classes --detector openimages --no-table --vectors GoogleNews.bin --top-k 3
    """
    from vggss_tools.classes import check_class, vggsound_classes
    from vggss_tools.propose.detector import describe_detector
    from vggss_tools.propose.matching import load_matcher
    from vggss_tools.propose.proposals import usable_matches

    sound_classes = [check_class(name) for name in only] or list(vggsound_classes())
    card = describe_detector(detector)
    rule = load_matcher(
        "word2vec" if no_table else "auto",
        vectors=vectors,
        overrides=overrides,
        detector_classes=override_vocabulary(card),
        threshold=threshold,
    )
    say_outside_of_table(rule, card)
    matches = []
    for sound_class in sound_classes:
        found = list(usable_matches(rule, sound_class, card.classes, threshold).values())
        matches.append((sound_class, found[:top_k]))
    if json_out != "-":
        for sound_class, found in matches:
            click.echo(sound_class)
            for m in found:
                click.echo(f"  {m.similarity:.2f}  {m.detector_class}  ({m.reason})")
    emit_json(
        {
            "schema": SCHEMA,
            "detector": card.name,
            "settings": {"matcher": rule.settings(), "threshold": threshold, "top_k": top_k},
            "matches": [
                {
                    "sound_class": sound_class,
                    "detector_classes": [
                        {
                            "name": m.detector_class,
                            "similarity": m.similarity,
                            "source": m.source,
                            "reason": m.reason,
                        }
                        for m in found
                    ],
                }
                for sound_class, found in matches
            ],
        },
        json_out,
    )
    n_matched = sum(bool(found) for _, found in matches)
    say(f"{n_matched} of {len(matches)} sound classes match classes of {card.name}")


def override_vocabulary(card: DetectorCard) -> tuple[str, ...] | None:
    """Return the classes that --overrides may name; None: any, as a file lists what was found."""
    return None if card.name == "boxes" else card.classes


def say_outside_of_table(rule: Matcher, card: DetectorCard) -> None:
    """Name the classes that the reviewed table leaves to the next matcher."""
    from vggss_tools.propose.matching import outside_of_table

    if names := outside_of_table(rule, card.classes):
        say(
            f"{len(names)} of {len(card.classes)} classes of {card.name} are not in the reviewed "
            f"table, which leaves them to the next matcher: {', '.join(names)}"
        )
