"""Parts of a page: scores by class and size, baselines' curves, hashes, the first screen."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from dvc.repo import Repo
from made_pages import make_clips
from scipy.stats import binomtest

from pipeline.benchmarks import Predictions, Sample
from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
from pipeline.benchmarks.tasks import LocalizationBenchmark
from pipeline.report.breakdown import by_class, by_size, wilson
from pipeline.report.dots import Column, Value, dots
from pipeline.report.facts import benchmark_facts, run_facts
from pipeline.report.first_screen import first_screen
from pipeline.report.provenance import dvc_hash
from pipeline.report.runs import MAPS, Run, Scored, groups
from pipeline.report.scores import curve_charts
from pipeline.report.store import Seen
from pipeline.report.trivial import trivial_curves

CLIPS = [f"clip{number}" for number in range(12)]


@pytest.mark.parametrize(("hits", "count"), [(0, 4), (4, 4), (3, 10), (1, 1), (120, 252)])
def test_wilson_s_interval(hits: int, count: int) -> None:
    expected = binomtest(hits, count).proportion_ci(method="wilson")
    assert wilson(hits, count) == pytest.approx((100 * expected.low, 100 * expected.high), abs=1e-4)


def _made() -> tuple[LocalizationBenchmark, np.ndarray]:
    boxes = [[[0.02 * n, 0.05, 0.02 * n + 0.2 + 0.05 * n, 0.95]] for n in range(12)]
    samples = [Sample(clip, clip, clip) for clip in CLIPS]
    labels = [f"kind {'abc'[n % 3]}" for n in range(12)]
    benchmark = LocalizationBenchmark(samples, 12, Truth(boxes, fraction_boxes), labels=labels)
    maps = np.random.default_rng(0).random((12, 7, 7), np.float32)
    right = benchmark.ground_truth(0, 12).reshape(12, 7, 32, 7, 32).mean(axis=(2, 4))
    maps[::2] += 2 * right[::2].astype(np.float32)
    return benchmark, maps


def _seen() -> tuple[Any, Seen]:
    benchmark, maps = _made()
    table = benchmark.score(Predictions(maps)).rows
    facts = benchmark_facts(benchmark, table, {}, set())
    return facts, Seen("run", True, run_facts(benchmark, facts, table, maps), maps)


def test_classes_begin_with_the_weakest() -> None:
    facts, seen = _seen()
    found = by_class(facts, [seen])
    assert found is not None
    words, table = found
    right = seen.facts.cuts["median"] >= 0.5
    shares = {name: right[np.array(facts.classes) == name].mean() for name in set(facts.classes)}
    order = sorted(shares, key=lambda name: (shares[name], name))
    places = [table.index(f"{name}, 4<") for name in order]
    assert places == sorted(places)
    assert words == (
        f"By class: 3 classes, from {order[0]} ({100 * shares[order[0]]:.0f} %) to "
        f"{order[-1]} ({100 * shares[order[-1]]:.0f} %)"
    )


def _scored(**more: float) -> list[Scored]:
    benchmark, maps = _made()
    metrics = benchmark.score(Predictions(maps)).metrics
    metrics |= {"cIoU.centre": 1.0, "cIoU.random": 0.5, "cIoU.bound": 60.0, "leaked_clips": 0}
    run = Run("run-1", "x/run-1", "alignment", "list.txt", "vggsound", "a", seed=1)
    return [Scored(run, "vggss", "c", False, None, {**metrics, **more})]


def test_sizes_are_those_that_were_scored() -> None:
    scored = _scored()
    table = by_size("vggss", groups(scored))
    metrics = scored[0].metrics
    bands = [key for key in metrics if key.startswith("samples@area")]
    assert table is not None and len(bands) > 1
    for band in bands:
        assert f"frame, {metrics[band]:.0f} samples" in table
        assert f"<span>{metrics[band.replace('samples', 'cIoU')]:.1f}</span>" in table
    assert by_size("heard", groups(scored)) is None


def test_the_first_screen_answers_and_doubts() -> None:
    _, seen = _seen()
    text = first_screen(_scored(), ("vggss", "VGG-SS", seen))
    metrics = _scored()[0].metrics
    assert f"{metrics['cIoU']:.1f}&thinsp;%" in text and "of 60 possible on VGG-SS" in text
    assert "above the best map that learns nothing, centre Gaussian, with 1.0" in text
    assert "No clip of any test was trained on." in text and "One seed" in text
    assert "#kind/vggss/run/right" in text and "toy" not in text
    high = metrics["cIoU:high"]
    doubted = first_screen(_scored(**{"cIoU.texture": high, "leaked_clips": 3}), None)
    assert "not clearly above the best map that learns nothing, texture energy" in doubted
    assert "Clips of the tests were trained on: 3 of VGG-SS." in doubted
    assert "What fails?" not in doubted


def test_the_first_screen_tells_what_was_left_out_and_why() -> None:
    gone = {"is3": "data/is3: no such folder", "avsbench-s4": "data/avsbench: no such folder"}
    text = first_screen(_scored(), None, {**gone, "avsbench-ms3": gone["avsbench-s4"]})
    assert text.count("Left out, and not scored: ") == 2
    assert "(data/is3: no such folder)" in text
    assert "Left out" not in first_screen(_scored(), None)


def test_the_first_screen_of_a_run_beside_anyone_s_maps() -> None:
    ours = _scored()
    second = replace(ours[0], benchmark="flickr", corpus="f")
    seeds = [replace(ours[0], run=replace(ours[0].run, name=f"run-{n}", seed=n)) for n in (1, 2)]
    maps = Run("Theirs", "x/theirs", MAPS, "", "", "theirs")
    metrics = {k: v for k, v in ours[0].metrics.items() if k != "leaked_clips"}
    theirs = Scored(maps, "heard", "c", False, None, metrics)
    alone = first_screen([*ours, second, theirs], None)
    assert "Best of" not in alone and "SoundNet-Flickr" in alone and "One seed" in alone
    assert "No clip of any test is among those that our runs were trained on." in alone
    assert "What Theirs was trained on is not known." in alone
    beside = first_screen([*seeds, replace(theirs, benchmark="vggss")], None)
    assert "Best of 2 runs" in beside and "2 seeds of each run" in beside
    assert "seed" not in first_screen([theirs], None)


def test_curves_of_the_baselines_are_those_of_their_scores(tmp_path: Path) -> None:
    clips = make_clips(tmp_path, CLIPS, sounds=False)
    benchmark, maps = _made()
    textures: dict[str, np.ndarray] = {}
    found = trivial_curves(benchmark, clips.corpus, 7, 7, textures)
    assert list(found) == ["centre", "texture", "bound"] and set(textures) == set(CLIPS)
    bound = found["bound"]["success"]
    assert bound["iou_adaptive"][10] == 1 and bound["threshold"][10] == pytest.approx(0.5)
    # A map at its median meets half of the frame, so only what is large enough.
    assert 0 < bound["iou"][10] < 1
    again = trivial_curves(benchmark, clips.corpus, 7, 7, textures)
    assert again == found
    ours = {"success": benchmark.score(Predictions(maps)).curves["success"].to_pydict()}
    median, adaptive = map(str, curve_charts(ours, found))
    for text in (median, adaptive):
        for label in ("this run", "centre Gaussian", "texture energy", "the true box (bound)"):
            assert f"</svg> {label}</li>" in text


def test_hashes_are_dvc_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "results"
    (folder / "a-b").mkdir(parents=True)
    (folder / "a").mkdir()
    for name in ("a-b/one.json", "a/two.tsv", "a.txt"):
        (folder / name).write_text(name)
    (tmp_path / "weights").write_bytes(bytes(range(256)) * 99)
    monkeypatch.chdir(tmp_path)
    with Repo.init(".", no_scm=True) as repo:
        repo.add(["results", "weights"])
    for name in ("results", "weights"):
        (known,) = yaml.safe_load((tmp_path / f"{name}.dvc").read_text())["outs"]
        assert dvc_hash(tmp_path / name) == known["md5"]


def test_columns_of_one_scale_end_at_the_same_number() -> None:
    columns = [Column(name, [], [Value(mean, mean, mean)]) for name, mean in (("a", 78), ("b", 8))]
    apart = dots("label", "caption", "first", ["row"], columns)
    together = dots("label", "caption", "first", ["row"], columns, one_scale=True)
    assert "to 80" in apart and "to 8<" in apart
    assert together.count("to 80") == 2 and "to 8<" not in together
