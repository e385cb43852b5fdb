"""What was wrong with a clip and could be mended is told: in its row, the counts, the report."""

from pathlib import Path

import numpy as np
import pytest
from made_media import tones, write_media

from pipeline.base.files import read_json, read_parquet
from pipeline.corpora.layouts import find_sources
from pipeline.corpora.source import Source
from pipeline.decode.corpus import decode_corpus
from pipeline.decode.taken import USUAL, Taken
from pipeline.execution.run import Engine
from pipeline.report.health import corpora_health

RATE = 16000


def decode(root: Path, folder: Path, taken: Taken = USUAL) -> dict[str, int | float]:
    """The videos below `root`, and one of them without its sound, decoded into `folder`."""
    mute = Source("mute", root / "good.mp4", None)
    return decode_corpus(
        [*find_sources("folder", root), mute], root, folder, work=folder.with_name("work"), side=16,
        max_seconds=10.0, shards=2, seconds_limit=60.0, max_reject_share=1.0,
        engine=Engine(workers=1), taken=taken,
    )  # fmt: skip


def rows(folder: Path) -> dict[str, dict[str, object]]:
    """The rows of the clip table by clip id."""
    return {row["clip_id"]: row for row in read_parquet(folder / "clips.parquet").to_pylist()}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of 10 s: a good one, one with a hole, one whose channels cancel in a quarter of it."""
    root = tmp_path_factory.mktemp("media")
    tone = tones(10, RATE)[0]
    inverted = tone.copy()
    inverted[: len(tone) // 4] *= -1
    write_media(root / "good.mp4", seconds=10, sound=np.stack([tone, tone]))
    write_media(root / "hole.mkv", seconds=10, sound=np.stack([tone]), sound_hole=(4, 4.8))
    write_media(root / "inverted.mp4", seconds=10, sound=np.stack([tone, inverted]))
    return root


def test_what_was_mended_in_a_sound_is_told(root: Path, tmp_path: Path) -> None:
    summary = decode(root, tmp_path / "decoded")
    found = rows(tmp_path / "decoded")
    assert {name: row["cancelled"] for name, row in found.items()} == {
        "good": False, "hole": False, "inverted": True, "mute": None,
    }  # fmt: skip
    assert found["hole"]["holes"] == pytest.approx(0.8, abs=0.05)
    assert [found[name]["holes"] for name in ("good", "inverted", "mute")] == [0, 0, None]
    # Of the quarter that cancels nothing is lost: -13.5 dB is the one channel's own power.
    own = 20 * np.log10(0.3 / np.sqrt(2))
    assert found["inverted"]["loudness"] == pytest.approx(own, abs=0.2)
    assert (summary["cancelled"], summary["with_holes"], summary["rejects"]) == (1, 1, 0)
    assert summary == read_json(tmp_path / "decoded/summary.json")


def test_the_report_tells_the_counts() -> None:
    counts = {"clips": 91, "rejects": 92, "silent": 93, "cancelled": 94, "with_holes": 95}
    text = str(corpora_health({"made": {**counts, "still": 96, "duplicates": 97}}))
    places = [text.index(f">{number}<") for number in range(91, 98)]
    assert places == sorted(places)
    assert text.index("channels cancel</th>") < text.index("with holes</th>")
