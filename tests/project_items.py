"""Clips as project files get them: made by hand, or by Hypothesis."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from vggss_tools.annotate.events import Decision, EventBox
from vggss_tools.annotate.formats.exchange import Answer, Format, Item, Refused
from vggss_tools.boxes import Box

BOXES = (EventBox(Box(0.1, 0.2, 0.4, 0.7)), EventBox(Box(0.5, 0.5, 0.9, 0.95), False))


class BesideMedia:
    """Media in folders beside the project."""

    def frame(self, item: Item, beside: Path) -> str:
        return f"frames/{item.clip_id}.jpg"

    def clip(self, item: Item, beside: Path) -> str:
        return f"clips/{item.clip_id}.mp4"

    def audio(self, item: Item, beside: Path) -> str:
        return f"audio/{item.clip_id}.wav"


class InlineMedia(BesideMedia):
    """Media inside the project."""

    def frame(self, item: Item, beside: Path) -> str:
        return "data:image/jpeg;base64,AAAA"

    def clip(self, item: Item, beside: Path) -> str:
        return "data:video/mp4;base64,AAAA"


def make_item(number: int = 0, label: str = "dog barking", **changes: Any) -> Item:
    """Return a clip with two boxes and no decision."""
    values: dict[str, Any] = {
        "boxes": BOXES, "width": 320, "height": 240, "event_id": None,
        "frame": Path(f"/nowhere/clip{number:07d}_000010.jpg"),
        "clip": Path(f"/nowhere/clip{number:07d}_000010.mp4"),
    }  # fmt: skip
    return Item(f"clip{number:07d}_000010", label, "test", **{**values, **changes})


_fractions = st.floats(0, 1, allow_nan=False)
boxes = (
    st.tuples(
        st.lists(_fractions, min_size=2, max_size=2, unique=True).map(sorted),
        st.lists(_fractions, min_size=2, max_size=2, unique=True).map(sorted),
        st.booleans(),
    )
    .filter(lambda b: b[0][0] < b[0][1] and b[1][0] < b[1][1])
    .map(lambda b: EventBox(Box(b[0][0], b[1][0], b[0][1], b[1][1]), b[2]))
)
labels = st.text(
    st.characters(categories=("L", "N", "P", "S"), include_characters=" "), min_size=1, max_size=40
).filter(lambda text: text.strip() and text.isprintable())


@st.composite
def items(draw: st.DrawFn, most: int = 4) -> list[Item]:
    """Some clips, with whatever boxes, sizes, classes and decisions."""
    return [
        make_item(
            number,
            draw(labels),
            boxes=tuple(draw(st.lists(boxes, max_size=5))),
            width=draw(st.integers(1, 5000)),
            height=draw(st.integers(1, 5000)),
            decision=draw(st.sampled_from(list(Decision))),
            offset=draw(st.floats(0, 500)),
            event_id=draw(st.none() | st.uuids().map(str)),
        )
        for number in range(draw(st.integers(1, most)))
    ]


def known_of(clips: Sequence[Item]) -> dict[str, Item]:
    """Return clips by their ids."""
    return {item.clip_id: item for item in clips}


def written(format_: Format, clips: Sequence[Item], path: Path, media: Any = None) -> Any:
    """Write a project anew; return its JSON."""
    path.unlink(missing_ok=True)
    format_.write(clips, path, media or BesideMedia())
    return json.loads(path.read_text(encoding="utf-8"))


def read_json(format_: Format, value: Any, clips: Sequence[Item], path: Path) -> list[Answer]:
    """Read a project that holds this JSON."""
    path.write_text(json.dumps(value), encoding="utf-8")
    return format_.read(path, known_of(clips))


def expected(item: Item) -> tuple[str, str, Decision | None, tuple[EventBox, ...], str]:
    """Return what a project says of a clip that nobody touched."""
    decision = None if item.decision is Decision.UNSEEN else item.decision
    return item.clip_id, item.label, decision, item.boxes, item.event_id or ""


def said(answer: Answer) -> tuple[Any, ...]:
    """Return what an answer says, as ``expected`` does."""
    return answer.clip_id, answer.label, answer.decision, answer.boxes, answer.base


HOSTILE: list[Any] = [
    None, True, -1, 0, 1e308, 10**400, "", "x", "../../etc/passwd", "<script>alert(1)</script>",
    [], {}, [[]], [None], {"x": {}}, "\u0000", "\ud800", [1e999], -0.0, "9" * 5000,
]  # fmt: skip


def check_mutations(
    format_: Format, project: Any, clips: Sequence[Item], path: Path, seeds: Iterable[int]
) -> int:
    """Read mutated projects, each of which is taken or refused in one line; count the refused."""
    refusals = []
    for seed in seeds:
        try:
            answers = read_json(format_, mutated(project, seed), clips, path)
        except Refused as error:
            refusals.append(str(error))
        else:
            assert all(isinstance(answer, Answer) for answer in answers)
    assert not [text for text in refusals if "\n" in text or len(text) > 400]
    return len(refusals)


def mutated(value: Any, seed: int) -> Any:
    """Return a copy of JSON with one to three places changed at random."""
    chance = random.Random(seed)
    value = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        places: list[tuple[Any, Any]] = []
        _places(value, places)
        if not places:
            break
        holder, key = chance.choice(places)
        act = chance.random()
        if act < 0.25:
            del holder[key]
        elif act < 0.35 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif act < 0.45 and isinstance(holder, dict):
            holder[chance.choice(["x", "", "__proto__", "vid"])] = holder.pop(key)
        else:
            holder[key] = copy.deepcopy(chance.choice(HOSTILE))
    return value


def _places(value: Any, found: list[tuple[Any, Any]]) -> None:
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], (dict, list)):
            _places(value[key], found)
