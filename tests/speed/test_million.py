"""What a million clips take: every part runs on made ones, and what is inferred is a line's or a
square's next value."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.clips.decoded import DecodedCorpus
from pipeline.speed import million, million_work
from pipeline.speed.harness import MEBIBYTE, Setup


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Calls that would get a process of their own stay in this one, and take what they are told;
    which were made, with how many clips. So do decode's, and DVC does nothing."""
    made: list[tuple[str, int]] = []

    def cost(
        prepare: Callable[..., Callable[[], object]], count: int, *rest: object
    ) -> tuple[float, int]:
        prepare(count, *rest)()
        made.append((prepare.__name__, count))
        return count / 64, count * 2**14

    def in_this_process(tasks: list, workers: int, worker: Callable[..., None]) -> list[str]:
        for task in tasks:
            worker(task, lambda number: None)
        return [item for task in tasks for item in task.items]

    monkeypatch.setattr(million, "cost_alone", cost)
    monkeypatch.setattr("pipeline.execution.run.run_in_processes", in_this_process)
    monkeypatch.setattr(million, "_dvc", lambda project, *words: 1.0 + words.count("status"))
    monkeypatch.setattr(million_work, "K", 8)
    monkeypatch.setattr(million_work, "SHARDS", 2)
    return made


def test_every_part_is_measured_at_every_size(tmp_path: Path, here: list[tuple[str, int]]) -> None:
    rows = list(million.measure(tmp_path, Setup(repeats=1, clips=(640, 1280))))
    assert [row.name.rsplit(", ", 1)[1] for row in rows[:2]] == ["640", "1280"]
    assert {count for name, count in here if name != "retrieval_of"} == {640, 1280}
    first, last = (row for row in rows if row.name.startswith("open a decoded corpus"))
    assert (first.ours, last.ours, last.ratio) == (10, 20, 1.0)
    assert first.facts[0].value == round(640 * 2**14 / MEBIBYTE, 1) and len(first.facts) == 1
    found = {fact.name: fact.value for fact in last.facts}
    assert found["s at a million, inferred"] == pytest.approx(1_000_000 / 64)
    assert found["MiB at a million, inferred"] == pytest.approx(1_000_000 / 64)
    pairs = [row for row in rows if row.name.startswith("retrieval")]
    assert [row.name.split()[-1] for row in pairs] == ["32", "64"]
    assert pairs[1].ratio == 2.0  # twice the time for what should have taken four times it
    assert [row.ours for row in rows if row.name.startswith("dvc status")] == [2.0] * 4
    assert not list(tmp_path.glob("scratch/*"))


def test_a_million_lies_on_the_line_or_on_the_square() -> None:
    assert million.inferred([10, 40], [5, 11], 1) == pytest.approx(11 + 0.2 * 999_960)
    assert million.inferred([1000, 2000], [3, 12], 2) == pytest.approx(3e6)
    assert million.inferred([1000], [1], 1) == 1000
    assert million.inferred([10, 20], [4, 3], 1) == 3  # noise makes nothing smaller


def test_what_is_made_is_what_stages_read(tmp_path: Path, here: list[tuple[str, int]]) -> None:
    million_work.decode_without_media(200, tmp_path)()
    decoded = DecodedCorpus(tmp_path / "decoded")
    assert len(decoded) == 200 and decoded.frame(199).shape == (2, 2, 3)
    corpus = DecodedCorpus(
        million_work.corpus_folder(200, tmp_path), tmp_path / "corpus-200/spectrograms"
    )
    assert sorted(decoded.clip_ids) == corpus.clip_ids
    assert corpus.spectrogram(199).shape == (64, 32)
