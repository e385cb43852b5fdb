"""The end of a stage: a line with its numbers everywhere, and a table on a terminal."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.execution import progress
from pipeline.execution.summary import show_summary
from stages.evaluate import show_scores


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is written to a terminal of 80 columns."""
    text = io.StringIO()
    terminal = Console(file=text, force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr(progress, "console", terminal)
    return text


def test_a_summary_names_what_was_made_and_its_size(tmp_path: Path, shown: io.StringIO) -> None:
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "frames.npy").write_bytes(bytes(1_200_000))
    (tmp_path / "clips.parquet").write_bytes(bytes(34_000))
    facts = {"clips": 144_000, "median, s": 9.984, "index": "[exact]"}
    show_summary("decode toy", facts, tmp_path / "shards", tmp_path / "clips.parquet")
    lines = shown.getvalue().split("\n")
    assert "decode toy: done in " in lines[0]
    cells = {line.split()[0]: line.split()[-1] for line in lines[1:] if line.strip()}
    assert cells["clips"] == "144,000" and cells["median,"] == "9.984"
    assert cells["index"] == "[exact]"  # text, not mark-up
    text = " ".join(shown.getvalue().split())
    assert "1.2 MB" in text and "34 kB" in text


def test_numbers_keep_their_digits(tmp_path: Path, shown: io.StringIO) -> None:
    (tmp_path / "nearly.npy").write_bytes(bytes(999_700))
    show_summary("x", {"large": 144_000.5, "small": 0.123456}, tmp_path / "nearly.npy")
    text = shown.getvalue()
    assert "144,000.5" in text and " 0.1235" in text and " 1 MB" in text


def test_an_evaluation_shows_the_scores_of_a_paper_beside_the_baselines(
    shown: io.StringIO,
) -> None:
    metrics = {"cIoU": 42.857, "cIoU.random": 0.397, "cIoU_ogl": 41.0, "samples": 252}
    show_scores("toy/full-0 on scenes", metrics, Path("data/results/toy/full-0/toy"))
    rows = [line.split() for line in shown.getvalue().split("\n") if line.strip()]
    assert ["run", "random"] in rows
    assert ["cIoU", "42.86", "0.40"] in rows and ["samples", "252"] in rows
    assert "cIoU_ogl" not in shown.getvalue()
    assert "data/results/toy/full-0/toy/metrics.json has all 4" in shown.getvalue()


def test_a_log_gets_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=text, width=40))
    show_summary("decode toy", {"clips": 5200, "duration": 3.0}, tmp_path)
    show_summary("embed toy image", {"clips": 5200, "with features": 5199, "more": 1}, tmp_path)
    scores = {"cIoU": 42.8, "cIoU.a": 3.0, "cIoU.b": 4.0, "cIoU.bound": 50.0}
    show_scores("r on scenes", scores, tmp_path)
    decoded, embedded, scored = text.getvalue().splitlines()
    assert decoded.startswith("decode toy: done in ") and decoded.endswith("clips 5,200, rejects 0")
    assert embedded.endswith("; clips 5,200, with features 5,199")
    assert scored.endswith("; cIoU 42.80, the best baseline's 4.00 (b)")


def test_a_line_of_sureness_leaves_out_no_word(tmp_path: Path, shown: io.StringIO) -> None:
    page = tmp_path / "page.html"
    page.write_text("")
    counts = {"clips": 7, "not sure": 4, "hardly sure": 3}  # in the order in which they were met
    show_summary("index of mine by r", counts, page)
    assert "; clips 7, sure 0, hardly sure 3, not sure 4, silent 0\n" in shown.getvalue()
    show_summary("report of mine", {**counts, "rejected": 2}, page, kind="gallery")
    assert "; sure 0, hardly sure 3, not sure 4, silent 0, rejected 2\n" in shown.getvalue()
