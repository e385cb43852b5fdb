"""Galleries show the samples that their scores choose, whatever these are called."""

import re
from pathlib import Path

import numpy as np
from made_pages import BOXES, HOSTILE, Reader, make_clips

from pipeline.benchmarks import Predictions, Sample
from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
from pipeline.benchmarks.metrics.retrieval import best_answers, partner_ranks
from pipeline.benchmarks.tasks import DetectionBenchmark, LocalizationBenchmark
from pipeline.report.gallery import choose, gallery
from pipeline.report.page import Section, page


def test_strange_names_stay_text(tmp_path: Path) -> None:
    clips = make_clips(tmp_path, [HOSTILE, "b", "c"], sounds=False)
    samples = [Sample(clip, clip, clip) for clip in (HOSTILE, "b", "c")]
    truth = Truth([[box] for box in BOXES[:3]], fraction_boxes)
    benchmark = LocalizationBenchmark(samples, 3, truth, "half-pixel")
    maps = np.random.default_rng(0).random((3, 7, 7), np.float32)
    rows = benchmark.score(Predictions(maps)).rows
    text = page(HOSTILE, [HOSTILE], [Section("a", HOSTILE, gallery(benchmark, rows, maps, clips))])
    reader = Reader(text)
    assert all(attributes.keys() & {"onerror"} == set() for _, attributes in reader.elements)
    assert all(str(image["src"]).startswith("data:image/webp") for image in reader.of("img"))
    assert len(reader.of("img")) == 6 and not reader.of("script")
    assert f"frame of {HOSTILE}" in {image["alt"] for image in reader.of("img")}
    # Its file has gone, and the page says so instead of a player.
    assert text.count("cannot be played: unreadable: there is no such file") == 3


def test_surest_negatives_are_shown(tmp_path: Path) -> None:
    clips = make_clips(tmp_path, list("abcd"))
    pairs = [Sample("a", "a", "a"), Sample("b+a", "b", "a"), Sample("c+a", "c", "a")]
    truth = Truth([[BOXES[0]], [], []], fraction_boxes)
    benchmark = DetectionBenchmark(pairs, 3, truth, np.array([True, False, False]))
    maps = np.stack([np.full((7, 7), value, np.float32) for value in (0.9, 0.1, 0.5)])
    text = gallery(benchmark, benchmark.score(Predictions(maps)).rows, maps, clips)
    surest = text.partition("Surest where nothing sounds")[2]
    assert re.findall(r"heat map of (\w)", surest) == ["c", "b"]
    assert "confidence 0.75" in surest and "<b>IoU" not in surest
    assert "frame c" in surest and "sound a" in surest


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
