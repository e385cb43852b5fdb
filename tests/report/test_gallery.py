"""Galleries show the samples that their scores choose, whatever these are called."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
from made_pages import BOXES, HOSTILE, Reader, make_clips
from markupsafe import Markup

from pipeline.benchmarks import Benchmark, Predictions, Sample
from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
from pipeline.benchmarks.metrics.retrieval import best_answers, partner_ranks
from pipeline.benchmarks.tasks import DetectionBenchmark, LocalizationBenchmark
from pipeline.report.clips import Clips
from pipeline.report.facts import benchmark_facts, run_facts
from pipeline.report.gallery import choose, gallery
from pipeline.report.page import Section, page


def test_strange_names_stay_text(tmp_path: Path) -> None:
    clips = make_clips(tmp_path, [HOSTILE, "b", "c"], sounds=False)
    samples = [Sample(clip, clip, clip) for clip in (HOSTILE, "b", "c")]
    truth = Truth([[box] for box in BOXES[:3]], fraction_boxes)
    benchmark = LocalizationBenchmark(samples, 3, truth, "half-pixel")
    maps = np.random.default_rng(0).random((3, 7, 7), np.float32)
    rows = benchmark.score(Predictions(maps)).rows
    cases = _gallery(benchmark, rows, maps, clips)
    text = page(HOSTILE, HOSTILE, [Section("a", HOSTILE, cases)])
    reader = Reader(text)
    assert all(attributes.keys() & {"onerror"} == set() for _, attributes in reader.elements)
    assert all(str(image["src"]).startswith("data:image/webp") for image in reader.of("img"))
    assert len(reader.of("img")) == 6 and len(reader.of("script")) == 1
    assert f"frame of {HOSTILE}" in {image["alt"] for image in reader.of("img")}
    # Its file has gone, and the page says so instead of a player.
    assert text.count("cannot be played: unreadable: there is no such file") == 3


def test_surest_negatives_are_shown(tmp_path: Path) -> None:
    clips = make_clips(tmp_path, list("abcd"))
    pairs = [Sample("a", "a", "a"), Sample("b+a", "b", "a"), Sample("c+a", "c", "a")]
    truth = Truth([[BOXES[0]], [], []], fraction_boxes)
    benchmark = DetectionBenchmark(pairs, 3, truth, np.array([True, False, False]))
    maps = np.stack([np.full((7, 7), value, np.float32) for value in (0.9, 0.1, 0.5)])
    text = _gallery(benchmark, benchmark.score(Predictions(maps)).rows, maps, clips)
    surest = text.partition("Surest where nothing sounds")[2]
    assert re.findall(r"heat map of (\w)", surest) == ["c", "b"]
    assert "sureness 0.75" in surest and "<b>IoU" not in surest
    assert "frame c" in surest and "sound a" in surest


def test_no_clip_is_shown_twice_where_others_are_left(tmp_path: Path) -> None:
    names = [f"clip{number:02d}" for number in range(20)]
    clips = make_clips(tmp_path, names, sounds=False)
    truth = Truth([[BOXES[n % len(BOXES)]] for n in range(20)], fraction_boxes)
    benchmark = LocalizationBenchmark([Sample(n, n, n) for n in names], 20, truth)
    maps = np.random.default_rng(0).random((20, 7, 7), np.float32)
    rows = benchmark.score(Predictions(maps)).rows
    shown: set[str] = set()
    texts = [_gallery(benchmark, rows, maps, clips, shown) for _ in range(3)]
    drawn = [set(re.findall(r"heat map of (\w+)", text)) for text in texts]
    assert [len(each) for each in drawn] == [9, 9, 9]
    assert not drawn[0] & drawn[1]  # and with two clips left it begins again
    assert shown == drawn[0] | drawn[1] | drawn[2]


def _gallery(
    benchmark: Benchmark,
    rows: pa.Table,
    maps: np.ndarray,
    clips: Clips,
    shown: set[str] | None = None,
) -> Markup:
    facts = benchmark_facts(benchmark, rows, {}, set())
    run = run_facts(benchmark, facts, rows, maps)
    return gallery(benchmark, facts, run, maps, clips, shown)


def test_choice_of_cases() -> None:
    chosen = choose(range(100), 3)
    assert chosen == {"best": [0, 1, 2], "typical": [49, 50, 51], "worst": [97, 98, 99]}
    for count in range(12):
        shown = [n for part in choose(range(count), 3).values() for n in part]
        assert len(shown) == len(set(shown)) == min(count, 9)


def test_best_answers_agree_with_the_ranks() -> None:
    similarities = np.random.default_rng(0).integers(0, 6, (30, 30)).astype(np.float32)
    for direction in ("a2i", "i2a"):
        answers = best_answers(similarities, direction)
        ranks = partner_ranks(similarities, direction)
        rows = similarities.T if direction == "a2i" else similarities
        for query, found in enumerate(answers):
            np.testing.assert_array_equal(rows[query, found], np.sort(rows[query])[::-1][:5])
            assert (query in found) == (ranks[query] <= 5)
            if query in found:
                assert found.tolist().index(query) == ranks[query] - 1
    assert best_answers(similarities[:2, :2], "a2i").shape == (2, 2)


def test_a_sound_that_is_read_ahead_is_the_same_and_counts_once_it_is_asked_for(
    tmp_path: Path,
) -> None:
    clips, others = (make_clips(tmp_path / name, ["a", "b"]) for name in ("ahead", "later"))
    for clip in ("a", "b", "a"):
        clips.read_ahead(clip)
    assert clips.played == []
    assert clips.player("a") == others.player("a") and clips.player("a").uri
    assert clips.played == ["a"]
