"""The same scores over parts of a benchmark's samples: sizes, lists, what can be localized."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.benchmarks import Predictions, Sample, open_benchmark
from pipeline.benchmarks.metrics.baselines import true_maps
from pipeline.benchmarks.metrics.bootstrap import intervals
from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
from pipeline.benchmarks.tasks import DetectionBenchmark, LocalizationBenchmark, RetrievalBenchmark
from pipeline.benchmarks.tasks.parts import size_bands
from pipeline.benchmarks.vggss import comparable
from pipeline.corpora.lists import read_clip_list, read_vggsounder
from pipeline.errors import InputError

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "annotations"
WIDTHS = (0.0, 0.02, 0.1, 0.1, 0.2, 0.4, 1.0)  # shares of the frame, one box each


def _benchmark(parts: dict[str, np.ndarray] | None = None) -> LocalizationBenchmark:
    samples = [Sample(str(n), str(n), str(n)) for n in range(len(WIDTHS))]
    truth = Truth([[[0, 0, width, 1]] for width in WIDTHS], fraction_boxes)
    return LocalizationBenchmark(samples, len(samples), truth, parts=parts or {})


def test_bands_are_closed_below_and_open_above() -> None:
    bands = size_bands(np.array([0, 0.0499, 0.05, 0.15, 0.29, 0.3, 1]))
    assert {name: members.tolist().count(True) for name, members in bands.items()} == {
        "area-0-5": 2,
        "area-5-15": 1,
        "area-15-30": 2,
        "area-30-100": 2,
    }
    assert (np.sum(list(bands.values()), axis=0) == 1).all()


def test_a_part_s_scores_are_those_of_its_samples_alone() -> None:
    odd = np.arange(len(WIDTHS)) % 2 == 1
    benchmark = _benchmark({"odd": odd, "none": np.zeros(len(WIDTHS), dtype=bool)})
    rng = np.random.default_rng(4)
    truth = benchmark.ground_truth(0, len(WIDTHS))
    maps = true_maps(truth) + rng.random(truth.shape, dtype=np.float32)
    objects = rng.random((len(WIDTHS), 7, 7), dtype=np.float32)
    metrics = benchmark.score(Predictions(maps, objects)).metrics
    alone = benchmark.select(np.flatnonzero(odd).tolist())
    own = alone.score(Predictions(maps[odd], objects[odd])).metrics
    for name in ("cIoU", "AUC", "cIoU_adaptive", "cIoU_ogl", "AUC_adaptive_ogl", "cIoU_ogl"):
        assert metrics[f"{name}@odd"] == own[name], name
    for end in (":low", ":high"):
        assert metrics[f"cIoU@odd{end}"] == own[f"cIoU{end}"] == own[f"cIoU@odd{end}"]
    assert metrics["samples@odd"] == own["samples"] == 3
    assert not any("@none" in name for name in metrics)
    counts = [metrics[f"samples@area-{band}"] for band in ("0-5", "5-15", "15-30", "30-100")]
    assert counts == [2, 2, 1, 2]


def test_a_share_stands_within_its_interval() -> None:
    benchmark = _benchmark()
    maps = np.random.default_rng(0).random((len(WIDTHS), 9, 9), dtype=np.float32)
    scores = benchmark.score(Predictions(maps))
    hits = scores.rows["iou"].to_numpy()[:, None] >= 0.5
    ends = [scores.metrics["cIoU:low"], scores.metrics["cIoU:high"]]
    np.testing.assert_allclose(ends, 100 * intervals(hits)[:, 0])
    assert not any(name.startswith("AUC") and ":" in name for name in scores.metrics)


def _areas(name: str) -> np.ndarray:
    if not SHARED.is_dir():
        pytest.skip("the official lists (../shared/annotations) are absent")
    benchmark = open_benchmark(name, SHARED, lambda _: True)
    count = len(benchmark.samples)
    parts = [benchmark.ground_truth(n, min(n + 64, count)) for n in range(0, count, 64)]
    return np.concatenate([part.mean(axis=(1, 2)) for part in parts])


def test_sizes_of_the_clips_that_the_paper_scores() -> None:
    area = _areas("vggss-4655")
    shares = [100 * float(members.mean()) for members in size_bands(area).values()]
    np.testing.assert_allclose(shares, [9, 21, 26, 44], atol=0.6)
    # Half of the frame lights up, so a region needs a quarter of it to be met with IoU 0.5.
    assert 100 * float(np.mean(area >= 0.25)) == pytest.approx(50.9, abs=0.1)


SOUNDER = """video_id,label,modality,background_music,static_image,voice_over
aaaaaaaaaaa_000001,"dog, Barking",AV,True,False,False
aaaaaaaaaaa_000001,cat-purring,AV,True,False,False
bbbbbbbbbbb_000002,cat purring,A,False,True,False
ccccccccccc_000003,rain,AV,False,False,True
"""


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    clips = {
        "aaaaaaaaaaa_000001": "dog barking",
        "bbbbbbbbbbb_000002": "Cat purring",
        "ccccccccccc_000003": "thunder",
        "ddddddddddd_000004": "rain",
    }
    entries = [{"file": c, "class": k, "bbox": [[0, 0, 0.5, 1]]} for c, k in clips.items()]
    (tmp_path / "vggss.json").write_text(json.dumps(entries))
    return tmp_path


def test_parts_by_the_paper_s_clips_and_by_what_is_seen_and_heard(annotations: Path) -> None:
    maps = np.zeros((4, 4, 4), dtype=np.float32)
    maps[:2, :, :2] = maps[2:, :, 2:] = 1  # the first two are met
    plain = open_benchmark("vggss", annotations, lambda _: True).score(Predictions(maps)).metrics
    assert plain["cIoU"] == 50.0 and {name for name in plain if "@" in name} == {
        f"{name}@area-30-100" for name in plain if name in ("cIoU", "AUC", "samples")
    } | {f"{m}_{form}@area-30-100" for m in ("cIoU", "AUC") for form in ("adaptive", "half")} | {
        f"cIoU{form}@area-30-100:{end}"
        for form in ("", "_adaptive", "_half")
        for end in ("low", "high")
    }
    (annotations / "vggss_available_4654.txt").write_text(  # under the former name
        "bbbbbbbbbbb_2000_12000\nccccccccccc_3000_13000\nddddddddddd_4000_14000"
    )
    (annotations / "vggsounder.csv").write_text(SOUNDER)
    benchmark = open_benchmark("vggss", annotations, lambda _: True)
    metrics = benchmark.score(Predictions(maps)).metrics
    assert {name: value for name, value in metrics.items() if name in plain} == plain
    assert metrics["cIoU@available"] == pytest.approx(100 / 3)
    expected = {"available": 3, "seen-and-heard": 1, "several": 1, "still": 1, "music": 1}
    for part, count in {**expected, "voice": 1}.items():
        assert metrics[f"samples@{part}"] == count, part
    scores = {part: metrics[f"cIoU@{part}"] for part in ("seen-and-heard", "still", "voice")}
    assert scores == {"seen-and-heard": 100.0, "still": 100.0, "voice": 0.0}
    assert metrics["samples_not_in_vggsounder"] == 1
    assert metrics["samples_class_not_in_vggsounder"] == 1
    fewer = open_benchmark("vggss", annotations, {"ddddddddddd_000004", "aaaaaaaaaaa_000001"})
    metrics = fewer.score(Predictions(maps[[0, 3]])).metrics
    assert (metrics["samples@available"], metrics["samples_not_in_vggsounder"]) == (1, 1)
    assert metrics["cIoU@available"] == 0.0


def test_a_set_is_scored_without_the_lists_of_its_parts(annotations: Path) -> None:
    """Their imports alone promise them, but VGG-SS needs none of them."""
    for name in ("vggss_available_4655.txt", "vggsounder.csv"):
        (annotations / f"{name}.dvc").write_text(f"deps:\n- path: https://example.org/{name}\n")
    benchmark = open_benchmark("vggss", annotations, lambda _: True)
    assert isinstance(benchmark, LocalizationBenchmark)
    assert len(benchmark.samples) == 4 and not benchmark.parts and not benchmark.counts
    with pytest.raises(InputError, match=r"4655\.txt: no such file; `avloc corpus lists"):
        open_benchmark("vggss-4655", annotations, lambda _: True)
    (annotations / "vggsounder.csv").write_text("video_id,label\n")
    with pytest.raises(InputError, match=r"vggsounder\.csv: found the columns"):
        open_benchmark("vggss", annotations, lambda _: True)


PAPER = {  # benchmark: its clips among those that the paper scored
    "vggss": 4655,
    "vggss-4655": 4655,
    "heard": 2289,
    "unheard": 2350,
    "heard-tie": 2199,
    "unheard-tie": 2222,
}


@pytest.mark.skipif(not SHARED.is_dir(), reason="the official lists are absent")
@pytest.mark.parametrize("name", PAPER)
def test_how_many_clips_the_paper_scored(name: str) -> None:
    benchmark = open_benchmark(name, SHARED, lambda _: True)
    assert isinstance(benchmark, LocalizationBenchmark)
    assert benchmark.parts["available"].sum() == PAPER[name]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the official lists are absent")
def test_how_many_pairs_the_paper_retrieved_and_detected() -> None:
    retrieval = open_benchmark("retrieval", SHARED, lambda _: True)
    assert isinstance(retrieval, RetrievalBenchmark)
    assert retrieval.parts["available"].sum() == 4655
    trained = set(read_clip_list(SHARED / "vggss_144k.txt"))
    paired = np.array([sample.frame_clip in trained for sample in retrieval.samples])
    assert (paired & retrieval.parts["available"]).sum() == 3345
    extended = open_benchmark("extended-vggss", SHARED, lambda _: True)
    assert isinstance(extended, DetectionBenchmark)
    listed = extended.parts["available"]
    assert (listed & extended.sounding).sum() == 4655
    clips = set(read_clip_list(SHARED / "vggss_available_4654.txt"))
    both = [{s.frame_clip, s.sound_clip} <= clips for s in extended.samples]
    assert listed.tolist() == both


@pytest.mark.skipif(not SHARED.is_dir(), reason="the official lists are absent")
def test_what_vggsounder_says_of_vggss() -> None:
    benchmark = open_benchmark("vggss", SHARED, lambda _: True)
    assert isinstance(benchmark, LocalizationBenchmark)
    sizes = {name: int(rows.sum()) for name, rows in benchmark.parts.items()}
    assert sizes == {
        "available": 4655,
        "seen-and-heard": 3799,
        "several": 2438,
        "still": 294,
        "music": 708,
        "voice": 664,
    }
    counts = {name: int(rows.sum()) for name, rows in benchmark.counts.items()}
    assert counts == {"samples_not_in_vggsounder": 49, "samples_class_not_in_vggsounder": 660}
    sounder = read_vggsounder(SHARED / "vggsounder.csv")
    classes = {comparable(label) for says in sounder.values() for label in says.labels}
    assert {comparable(label) for label in benchmark.labels} <= classes
