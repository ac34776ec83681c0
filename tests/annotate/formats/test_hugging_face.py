"""The Parquet file as Hugging Face's ``datasets`` loads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import exchange_cases as cases
import pytest
from click.testing import Result


@pytest.mark.slow
def test_parquet_loads_with_frame_sound_boxes_and_class(
    tmp_path: Path, invoke: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frame is a picture, the sound its bytes, the rest plain values."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    datasets = pytest.importorskip("datasets")
    pytest.importorskip("PIL")
    world = cases.make_small_world(tmp_path / "data", 4, sizes=((64, 48), (33, 97)))
    out = tmp_path / "vggss.parquet"
    assert invoke("export", "parquet", "--out", out, "--data", world.workspace.root).exit_code == 0
    loaded = datasets.load_dataset(
        "parquet", data_files=str(out), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded.num_rows == 4
    assert type(loaded.features["frame"]).__name__ == "Image"
    assert type(loaded.features["sound"]).__name__ == "Audio"
    row = loaded[1]
    assert row["frame"].size == (33, 97)
    assert row["sound"]["bytes"] == b"no sound"
    assert row["clip_id"] == world.clips[1].clip_id
    assert row["class"] == world.clips[1].label
    assert row["boxes"] == [[0.125, 0.25, 0.5, 0.75], [0.11, 0.3, 0.9, 0.95]]
    assert row["sounding"] == [True, False]
    assert row["decision"] == "yes"
