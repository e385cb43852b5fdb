"""Each benchmark from small made annotation files: its samples, its truth, its numbers."""

from pathlib import Path

import numpy as np
import pytest
from four_clips import CLASSES, CLIPS

from pipeline.benchmarks import (
    NOISE,
    SILENCE,
    Predictions,
    benchmark_names,
    open_benchmark,
)
from pipeline.benchmarks.metrics.baselines import true_maps
from pipeline.benchmarks.tasks import DetectionBenchmark, LocalizationBenchmark
from pipeline.errors import InputError

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "annotations"


def everything(_: str) -> bool:
    return True


def _truth(benchmark) -> np.ndarray:
    return benchmark.ground_truth(0, len(benchmark.samples))


@pytest.mark.parametrize(
    ("name", "clips"),
    [
        ("vggss", CLIPS),
        ("vggss-4655", [CLIPS[0], CLIPS[2]]),
        ("heard", CLIPS[:1]),
        ("unheard", CLIPS[1:]),
        ("heard-tie", CLIPS[:2]),
        ("unheard-tie", CLIPS[2:]),
    ],
)
def test_vggss_and_its_subsets(annotations: Path, name: str, clips: list[str]) -> None:
    benchmark = open_benchmark(name, annotations, everything)
    assert [sample.sample_id for sample in benchmark.samples] == clips
    scores = benchmark.score(Predictions(true_maps(_truth(benchmark))))
    assert scores.metrics["samples"] == scores.metrics["official_samples"] == len(clips)
    assert scores.rows["sample_id"].to_pylist() == clips
    assert scores.curves["success"].num_rows == 21


def test_localization_numbers_by_hand(annotations: Path) -> None:
    benchmark = open_benchmark("vggss", annotations, everything)
    truth = _truth(benchmark)
    assert truth.sum(axis=(1, 2)).tolist() == [112**2, 224 * 112, 0, 179**2]
    objects = true_maps(truth)
    metrics = benchmark.score(Predictions(true_maps(truth), objects)).metrics
    # Half of the frame against a quarter: IoU just below .5, since > leaves one pixel out; against
    # a half: 1 but for a pixel; against nothing: 0; against 0.64: .78.
    assert metrics["cIoU"] == 75.0
    assert metrics["cIoU_adaptive"] == metrics["cIoU_adaptive_ogl"] == 75.0
    assert set(metrics) >= {"AUC", "AUC_adaptive", "cIoU_ogl", "AUC_ogl", "AUC_adaptive_ogl"}


def test_missing_clips_are_left_out_and_counted(annotations: Path) -> None:
    benchmark = open_benchmark("vggss", annotations, {CLIPS[1], CLIPS[3]})
    assert [sample.frame_clip for sample in benchmark.samples] == [CLIPS[1], CLIPS[3]]
    metrics = benchmark.score(Predictions(true_maps(_truth(benchmark)))).metrics
    assert (metrics["samples"], metrics["official_samples"]) == (2, 4)
    empty = open_benchmark("vggss", annotations, set())
    assert empty.official_count == 4 and not empty.samples
    with pytest.raises(InputError, match="no sample"):
        empty.score(Predictions(np.zeros((0, 7, 7), np.float32)))


def test_maps_are_resized_as_each_set_s_code_does(annotations: Path) -> None:
    """[E4]: half-pixel centres for VGG-SS, corners for the other sets."""
    for name in ("vggss", "heard", "flickr", "is3", "extended-vggss", "extended-flickr"):
        benchmark = open_benchmark(name, annotations, everything)
        assert isinstance(benchmark, LocalizationBenchmark | DetectionBenchmark)
        if isinstance(benchmark, DetectionBenchmark):
            assert benchmark.resize.startswith("bicubic")
            found = benchmark.localization_resize
        else:
            found = benchmark.resize
        assert found == ("half-pixel" if name.endswith(("vggss", "heard")) else "corners"), name


def test_flickr_is_a_consensus(annotations: Path) -> None:
    benchmark = open_benchmark("flickr", annotations, everything)
    truth = _truth(benchmark)
    assert truth[0, 0, 0] == 1.0 and truth[0, 0, 200] == 0.5
    heat = np.broadcast_to(np.arange(224.0, 0, -1), (2, 224, 224)).astype(np.float32)
    heat[1] = heat[1, :, ::-1]
    rows = benchmark.score(Predictions(heat)).rows
    # The truth sums to 112 whole and 112 half columns, and no pixel is without any. Above the
    # median lie 111 columns, whole ones in the first map and half ones in the second; above the
    # adaptive threshold all but the coldest.
    np.testing.assert_allclose(rows["iou"].to_numpy(), [111 / 168, 55.5 / 168])
    np.testing.assert_allclose(rows["iou_adaptive"].to_numpy(), [167.5 / 168, 167 / 168])


def test_is3_needs_every_object_of_an_image(annotations: Path) -> None:
    benchmark = open_benchmark("is3", annotations, everything)
    heat = true_maps(_truth(benchmark))
    heat[3] = heat[3, ::-1]
    metrics = benchmark.score(Predictions(heat)).metrics
    assert (metrics["cIoU"], metrics["IIoU"], metrics["IIoU_adaptive"]) == (75.0, 50.0, 50.0)
    partial = open_benchmark("is3", annotations, lambda clip: clip != "cat_dog_2_dog")
    metrics = partial.score(Predictions(true_maps(_truth(partial)))).metrics
    assert (metrics["images"], metrics["official_images"], metrics["IIoU"]) == (1, 2, 100.0)


def test_vpo_needs_every_object_of_a_picture(annotations: Path) -> None:
    single = open_benchmark("vpo-ss", annotations, everything)
    metrics = single.score(Predictions(true_maps(_truth(single)))).metrics
    assert (metrics["cIoU"], metrics["IIoU"], metrics["images"]) == (100.0, 100.0, 1)
    several = open_benchmark("vpo-ms", annotations, everything)
    heat = true_maps(_truth(several))
    heat[1] = heat[1, :, ::-1]
    metrics = several.score(Predictions(heat)).metrics
    assert metrics["cIoU"] == metrics["cIoU_adaptive"] == pytest.approx(200 / 3)
    assert (metrics["IIoU"], metrics["IIoU_adaptive"], metrics["images"]) == (50.0, 50.0, 2)
    assert metrics["IIoU:low"] <= 50 <= metrics["IIoU:high"]
    assert list(several.images) == ["000000000007", "000000000007", "000000000009"]


def test_avsbench_boxes_need_every_frame_of_a_video(annotations: Path) -> None:
    benchmark = open_benchmark("avsbench-ms3-boxes", annotations, everything)
    assert benchmark.samples[7].frame_clip == "ms3-b_1_3"
    assert benchmark.samples[7].sound_clip == "ms3-b_1" and not benchmark.images
    metrics = benchmark.score(Predictions(true_maps(_truth(benchmark)))).metrics
    # The empty box of the eighth frame cannot be met, so its video cannot either.
    assert metrics["cIoU"] == 90.0 and (metrics["IIoU"], metrics["official_images"]) == (50.0, 2)
    # A met frame counts at all thresholds but 1 (area 0.975), the empty one at 0 alone (0.025).
    assert metrics["AUC"] == pytest.approx(0.9 * 97.5 + 0.1 * 2.5)
    assert metrics["IAUC"] == pytest.approx(0.5 * 97.5 + 0.5 * 2.5)
    part = open_benchmark("avsbench-ms3-boxes", annotations, lambda clip: clip != "ms3-a_0_2")
    metrics = part.score(Predictions(true_maps(_truth(part)))).metrics
    assert (metrics["samples"], metrics["images"], metrics["IIoU"]) == (9, 1, 0.0)


@pytest.mark.parametrize(("name", "subset"), [("avsbench-s4", "s4"), ("avsbench-ms3", "ms3")])
def test_avsbench_scores_masks(annotations: Path, media: Path, name: str, subset: str) -> None:
    benchmark = open_benchmark(name, annotations, everything, media)
    assert len({sample.sound_clip for sample in benchmark.samples}) == 1
    assert len({sample.frame_clip for sample in benchmark.samples}) == 5
    assert all(sample.frame_clip.startswith(f"{subset}-") for sample in benchmark.samples)
    truth = _truth(benchmark)
    scores = benchmark.score(Predictions(true_maps(truth)))
    # Half of the frame is true and, but for its four corners, which tie, above the median.
    assert scores.metrics["F_max"] == pytest.approx(100)
    half = 112 * 224
    expected = 100 * 1.3 * (half - 4) / (0.3 * half + half - 4)
    assert scores.metrics["F_median"] == pytest.approx(expected)
    assert scores.metrics["F_median@area-30-100"] == scores.metrics["F_median"]
    assert scores.metrics["samples@area-0-5"] == 1  # the frame without a mask, which has no F
    assert "F_max@area-0-5" not in scores.metrics
    assert scores.metrics["mIoU@area-0-5"] == pytest.approx(50, abs=0.02)
    assert np.isnan(scores.rows["f_median"].to_numpy()[4])
    assert scores.metrics["mIoU"] == pytest.approx(100 * (4 * 1 + 0.5) / 5, abs=0.01)
    assert scores.metrics["samples_with_mask"] == 4
    nowhere = open_benchmark(name, annotations, everything)
    with pytest.raises(InputError, match="gt_masks"):
        nowhere.ground_truth(0, 1)


@pytest.mark.parametrize(("name", "count"), [("extended-vggss", 6), ("extended-flickr", 3)])
def test_extended_sets(annotations: Path, name: str, count: int) -> None:
    benchmark = open_benchmark(name, annotations, everything)
    assert len(benchmark.samples) == benchmark.official_count == count
    assert len({sample.sample_id for sample in benchmark.samples}) == count
    truth = _truth(benchmark)
    heat = true_maps(truth)
    scores = benchmark.score(Predictions(heat, heat))
    assert scores.rows["sounding"].to_pylist().count(False) == count - {6: 4, 3: 2}[count]
    for metric in ("AP", "max_F1", "LocAcc_bicubic", "AP_exact", "max_F1_exact"):
        for form in ("", "_ogl", "_ogl_slavc"):
            assert 0 <= scores.metrics[f"{metric}{form}"] <= 100
    assert 0 <= scores.metrics["LocAcc_ogl"] <= 100 and "LocAcc_ogl_slavc" not in scores.metrics
    assert scores.curves["precision_recall"].num_rows >= 1


@pytest.mark.parametrize(("name", "plain"), [("vggss", "vggss"), ("flickr", "flickr")])
def test_locacc_is_the_ciou_of_the_plain_set(annotations: Path, name: str, plain: str) -> None:
    """Table 7 prints Table 1's cIoU as LocAcc, to the digit."""
    extended = open_benchmark(f"extended-{name}", annotations, everything)
    own = open_benchmark(plain, annotations, everything)
    rng = np.random.default_rng(6)
    count = len(extended.samples)
    maps = rng.normal(size=(count, 14, 14)).astype(np.float32)
    objects = rng.random((count, 7, 7), dtype=np.float32)
    # Smooth hot corners, so that the sets' forms of resizing and thresholds decide.
    maps[:, :8, :8] += 2
    first = len(own.samples)
    scores = extended.score(Predictions(maps, objects))
    expected = own.score(Predictions(maps[:first], objects[:first]))
    for form in ("", "_ogl"):
        found = scores.rows[f"localization_iou{form}"].to_numpy()
        np.testing.assert_array_equal(found[:first], expected.rows[f"iou{form}"].to_numpy())
        assert np.isnan(found[first:]).all()
        for end in ("", ":low", ":high"):
            assert scores.metrics[f"LocAcc{form}{end}"] == expected.metrics[f"cIoU{form}{end}"]
    bicubic = scores.rows["iou"].to_numpy()[:first]
    assert (bicubic != expected.rows["iou"].to_numpy()).any()


def test_extended_vggss_among_the_paper_s_pairs(annotations: Path) -> None:
    (annotations / "vggss_available.txt").write_text(f"{CLIPS[0]}\n{CLIPS[3]}\n")
    benchmark = open_benchmark("extended-vggss", annotations, everything)
    maps = np.random.default_rng(2).normal(size=(6, 7, 7)).astype(np.float32)
    metrics = benchmark.score(Predictions(maps)).metrics
    # Clips 0 and 3 and of the negatives, (0, 1) and (3, 3), the second.
    assert metrics["samples@available"] == 3 and metrics["sounding_samples@available"] == 2
    alone = benchmark.select([0, 3, 5]).score(Predictions(maps[[0, 3, 5]])).metrics
    for metric in ("AP", "max_F1", "LocAcc", "LocAcc_bicubic", "AP_exact", "LocAcc:low"):
        name, colon, end = metric.partition(":")
        assert metrics[f"{name}@available{colon}{end}"] == alone[metric], metric


def test_detection_without_a_sounding_clip(annotations: Path) -> None:
    benchmark = open_benchmark("extended-flickr", annotations, everything).select([2])
    with pytest.raises(InputError, match="boxes"):
        benchmark.score(Predictions(np.ones((1, 7, 7), np.float32)))


def test_retrieval_with_classes_and_single_scenes(annotations: Path) -> None:
    benchmark = open_benchmark("retrieval", annotations, everything)
    assert benchmark.retrieval_count == 4 and not benchmark.wants_maps
    eye = np.eye(4, dtype=np.float32)
    metrics = benchmark.score(Predictions(similarities={"s_A": eye, "s_L": -eye})).metrics
    assert metrics["R@1_a2i"] == metrics["class_R@1_i2a"] == 100.0
    assert metrics["R@1_a2i_s_L"] == 0.0
    assert metrics["R@1_a2i_single"] == 100.0 and metrics["samples_single"] == 3
    with pytest.raises(InputError, match="similarities"):
        benchmark.score(Predictions())
    with pytest.raises(InputError, match="NaN"):
        benchmark.score(Predictions(similarities={"s_A": eye * np.nan}))


def test_retrieval_among_the_paper_s_pairs_and_over_queries_not_trained_on(
    annotations: Path,
) -> None:
    benchmark = open_benchmark("retrieval", annotations, everything)
    # Sounds 0, 1 and 2 find frame 1 first, sound 3 its own; frames find the sound of the same rank.
    matrix = np.array([[2, 1, 0, 0], [9, 9, 9, 0], [1, 0, 3, 1], [0, 0, 0, 7]], np.float32)
    asked = Predictions(similarities={"s_A": matrix}, trained={CLIPS[1], CLIPS[3], "elsewhere"})
    scores = benchmark.score(asked)
    metrics = scores.metrics
    assert metrics["R@1_a2i"] == metrics["class_R@1_a2i"] == 50.0  # sounds 1 and 3
    # Of the queries that were not trained on, clips 0 and 2, none finds its own frame first.
    assert metrics["samples@unseen"] == 2
    assert metrics["R@1_a2i@unseen"] == metrics["class_R@1_a2i@unseen"] == 0.0
    # Among the paper's pairs, 0 and 2, frame 1 is no answer: both find their own.
    assert metrics["samples@available"] == metrics["samples@available-unseen"] == 2
    assert metrics["R@1_a2i@available"] == metrics["R@1_a2i@available-unseen"] == 100.0
    assert metrics["R@1_i2a@available"] == 100.0
    nobody = benchmark.score(Predictions(similarities={"s_A": matrix})).metrics
    assert {name: metrics[name] for name in nobody} == nobody
    assert not any("unseen" in name for name in nobody)
    everyone = benchmark.score(Predictions(similarities={"s_A": matrix}, trained=CLIPS)).metrics
    assert everyone["samples@unseen"] == 0 and "R@1_a2i@unseen" not in everyone
    some = benchmark.select([2, 3])
    fewer = some.score(Predictions(similarities={"s_A": matrix[2:, 2:]})).metrics
    assert fewer["samples@available"] == 1


def test_negatives_name_the_pairs_they_need(annotations: Path) -> None:
    benchmark = open_benchmark("negatives", annotations, everything)
    sounds = [sample.sound_clip for sample in benchmark.samples]
    assert len(sounds) == 16 and sounds[:4] == CLIPS
    assert sounds[4:8] == [SILENCE] * 4 and sounds[8:12] == [NOISE] * 4
    kinds = dict(zip(CLIPS, CLASSES, strict=True))
    for sample in benchmark.samples[12:]:
        assert kinds[sample.frame_clip] != kinds[sample.sound_clip]
    heat = true_maps(_truth(benchmark))
    heat[4:] = 0.3
    metrics = benchmark.score(Predictions(heat)).metrics
    assert metrics["universal_threshold"] == pytest.approx(0.3)
    assert metrics["pIA"] == 0 and metrics["AUC_N_silence"] == pytest.approx(100)
    assert metrics["cIoU_universal"] == 75.0
    assert metrics["cIoU_universal:low"] < 75 < metrics["cIoU_universal:high"] == 100
    assert metrics["samples"] == metrics["official_samples"] == 4


def test_scenes_point_and_swap(annotations: Path) -> None:
    benchmark = open_benchmark("scenes", annotations, everything)
    assert [s.sound_clip for s in benchmark.samples] == [*CLIPS, CLIPS[3]]
    assert benchmark.retrieval_count == 4
    follows = true_maps(_truth(benchmark))
    eye = np.eye(4, dtype=np.float32)
    scores = benchmark.score(Predictions(follows, similarities={"s_A": eye}))
    metrics = scores.metrics
    assert metrics["pointing"] == 75.0 and metrics["pointing_distractors"] == 100.0
    assert metrics["swap"] == metrics["both"] == 100.0
    counts = [metrics[f"samples{suffix}"] for suffix in ("", "_distractors", "_swap")]
    assert counts == [4, 1, 1]
    assert metrics["R@1_a2i"] == metrics["class_R@1_i2a_single"] == 100.0
    assert scores.rows.num_rows == 5 and scores.rows["rank_a2i"].null_count == 1
    deaf = np.concatenate([follows[:4], follows[:1]])
    metrics = benchmark.score(Predictions(deaf)).metrics
    assert metrics["swap"] == metrics["both"] == 0.0
    with pytest.raises(InputError, match="validation"):
        open_benchmark("scenes-validation", annotations, everything)


def test_a_swap_whose_sound_is_missing_is_left_out(annotations: Path) -> None:
    benchmark = open_benchmark("scenes", annotations, lambda clip: clip != CLIPS[3])
    assert len(benchmark.samples) == 3
    metrics = benchmark.score(Predictions(true_maps(_truth(benchmark)))).metrics
    assert "swap" not in metrics and metrics["official_samples"] == 4


def test_an_unknown_name_and_a_stray_list(annotations: Path) -> None:
    with pytest.raises(InputError, match="vggss-4655"):
        open_benchmark("vgg", annotations, everything)
    (annotations / "vggss_available_2.txt").write_text("x\n")
    with pytest.raises(InputError, match="vggss_available"):
        open_benchmark("vggss-4655", annotations, everything)
    (annotations / "vggss_heard_test.csv").write_text("zzzzzzzzzzz_000001\n")
    with pytest.raises(InputError, match="zzzzzzzzzzz_000001"):
        open_benchmark("heard", annotations, everything)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the official lists are absent")
def test_the_official_lists() -> None:
    counts = {}
    for name in benchmark_names():
        if not name.startswith(("scenes", "conditions")):
            counts[name] = open_benchmark(name, SHARED, everything).official_count
    assert counts == {
        "vggss": 5158,
        "vggss-4655": 4655,
        "heard": 2564,
        "unheard": 2575,
        "heard-tie": 2425,
        "unheard-tie": 2463,
        "flickr": 250,
        "avsbench-s4": 3700,
        "avsbench-ms3": 320,
        "extended-vggss": 2 * 5158,
        "extended-flickr": 500,
        "is3": 6480,
        "retrieval": 5158,
        "negatives": 5158,
        "vpo-ss": 890,
        "vpo-ms": 2157,
        "avsbench-s4-boxes": 3700,
        "avsbench-ms3-boxes": 320,
    }
