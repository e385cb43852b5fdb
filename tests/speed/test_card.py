"""The measuring of a graphics card, walked on the CPU, and what it can do without."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from pipeline.errors import InputError
from pipeline.speed import card, card_search, embed
from pipeline.speed.harness import Setup
from pipeline.speed.method import made_method

ROOT = Path(__file__).parents[2]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two methods with narrow networks."""
    narrow = partial(made_method, blocks=[1], channels=[8], strides=[2])
    monkeypatch.setattr(card, "made_method", narrow)
    monkeypatch.setattr(card, "method_names", lambda: ["alignment", "slavc"])


def test_every_row_is_walked(tmp_path: Path, small: None) -> None:
    rows = list(card.measure(tmp_path, tiny=True, seconds=600, threads=1))
    assert [row.name for row in rows] == [
        "alignment, batch 4, 32 px",
        "alignment, batch 4, 32 px, from the disk",
        "alignment, batch 4, 32 px, from memory",
        "alignment, batch 4, 32 px, channels first",
        "alignment, batch 4, 32 px, cached gradients",
        "slavc, batch 4, 32 px",
    ]
    for row in rows:
        told = {fact.name: fact.value for fact in row.facts}
        # What is told of one step hangs together: its seconds, its clips, its operations.
        assert told["clips/s"] == pytest.approx(4 / row.ours, rel=0.1, abs=0.06)
        assert row.ratio == pytest.approx(row.theirs / row.ours)
        assert row.met is None  # no bar is for a CPU
        assert told.get("% loss", 1.0) > 0
    fed = {"clips/s", "TFLOP/s", "% waiting for the loader"}
    assert {fact.name for fact in rows[1].facts} == {*fed, "GB/s of the disk, front to back"}
    assert {fact.name for fact in rows[2].facts} == fed


def test_rows_end_with_the_time(tmp_path: Path, small: None) -> None:
    assert list(card.measure(tmp_path, tiny=True, seconds=0, threads=1)) == []


def test_a_device_finds_what_the_cpu_finds(tmp_path: Path) -> None:
    (row,) = card_search.measure(tmp_path, tiny=True, seconds=1, threads=1)
    assert row.name == "search of all 288 x 512, k = 8"
    assert row.ratio == pytest.approx(row.theirs / row.ours) and row.floor is not None
    assert {fact.name: fact.value for fact in row.facts}["% of neighbours not in both"] == 0


def test_embedding_has_a_row_an_encoder(tmp_path: Path) -> None:
    rows = list(embed.measure(tmp_path, Setup(0.15, 1, 1)))
    assert [row.name.split(" of ")[0] for row in rows] == ["image features", "audio features"]
    for row in rows:
        told = {fact.name: fact.value for fact in row.facts}
        assert told["clips/s"] == pytest.approx(5 / row.ours, rel=0.1)
        assert told["clips/s, float32"] == pytest.approx(5 / row.theirs, rel=0.1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_machine_without_a_gpu_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no GPU is here; --tiny"):
        next(card.measure(tmp_path, tiny=False, seconds=1, threads=1))
    with pytest.raises(InputError, match="no GPU is here; --tiny"):
        next(card_search.measure(tmp_path, tiny=False, seconds=1, threads=1))


def test_neither_a_decoder_nor_dvc_nor_faiss_is_needed() -> None:
    absent = "import sys; sys.modules.update(dict.fromkeys(('av', 'faiss', 'dvc', 'cv2')))"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"{absent}; import stages.bench, pipeline.speed.card_search, pipeline.speed.embed",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
