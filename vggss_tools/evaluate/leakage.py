"""Leakage: how much of a test set was trained on.

Lists that are called 144k in several repositories are different lists: of the 5,158 clips of
VGG-SS one holds 3,709, another 3,715, a third none. A score says little without this number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypedDict

from vggss_tools.clip_lists import ClipList, video_of

SCHEMA: Literal["vggss-leakage/1"] = "vggss-leakage/1"


class Leakage(TypedDict):
    """What a training list shares with a test set.

    ``n_list`` and ``n_test`` count clips, each once. ``n_leaked``: clips of the test set that are
    in the list, by id; ``leaked``: these, sorted. ``n_same_video``: other clips of the list whose
    YouTube video is one of the test set's. ``list`` and ``test_set`` are file names.
    """

    schema: Literal["vggss-leakage/1"]
    list: str
    n_list: int
    test_set: str
    n_test: int
    n_leaked: int
    n_same_video: int
    leaked: list[str]


def leakage(train: ClipList, test_ids: Sequence[str], test_name: str) -> Leakage:
    """Count what a training list shares with a test set.

    Parameters
    ----------
    train : ClipList
    test_ids : clips of the test set, as :func:`~vggss_tools.clip_lists.clip_id_of` gives them
    test_name : its file's name
    """
    leaked = sorted(set(train.ids).intersection(test_ids))
    return {
        "schema": SCHEMA,
        "list": train.name,
        "n_list": len(train.ids),
        "test_set": test_name,
        "n_test": len(set(test_ids)),
        "n_leaked": len(leaked),
        "n_same_video": len(same_video(train.ids, test_ids)),
        "leaked": leaked,
    }


def same_video(train_ids: Iterable[str], test_ids: Iterable[str]) -> list[str]:
    """Return the training clips of the test set's videos, without the test clips, sorted.

    Photo ids have no video; they leak by id only.
    """
    test = set(test_ids)
    videos = {video_of(clip) for clip in test} - {None}
    return sorted(c for c in set(train_ids) - test if video_of(c) in videos)


def format_leakage(found: Sequence[Leakage]) -> str:
    """Return a table for a terminal, one row a list."""
    head = ("list", "clips", "leaked", "of the test set", "same video")
    rows = [
        (
            one["list"],
            f"{one['n_list']:,}",
            f"{one['n_leaked']:,}",
            f"{100 * one['n_leaked'] / one['n_test']:.1f}%",
            f"{one['n_same_video']:,}",
        )
        for one in found
    ]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in (head, *rows)
    ]
    return "\n".join([f"Test set {found[0]['test_set']}: {found[0]['n_test']:,} clips", *lines])
