"""Videos and a server for the tests of fetching."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fetch.fault_server import FaultServer, fault_server
from fetch.videos import make_video

DASH = ("-movflags", "+dash+global_sidx")


@dataclass(frozen=True)
class Videos:
    """A clip of ten seconds, and a video of a minute in two shapes."""

    clip: Path
    whole: Path
    picture: Path
    sound: Path
    folder: Path


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Videos:
    """Make the videos, once."""
    folder = tmp_path_factory.mktemp("videos")
    return Videos(
        clip=make_video(folder / "clip.mp4"),
        whole=make_video(folder / "whole.mp4", seconds=60),
        picture=make_video(folder / "picture.mp4", seconds=60, sound=False, options=DASH),
        sound=make_video(folder / "sound.mp4", seconds=60, picture=False, options=DASH),
        folder=folder,
    )


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """Run a server that holds nothing yet."""
    with fault_server() as running:
        yield running
