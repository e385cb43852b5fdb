"""Evaluation: the benchmarks' own numbers for the localizer and for every baseline."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import timm
import torch
from made_corpus import make_corpus
from made_method import small_method
from PIL import Image
from torch import Tensor

from pipeline.base.files import read_parquet, write_parquet
from pipeline.benchmarks import Benchmark, Predictions, open_benchmark
from pipeline.benchmarks.metrics.baselines import centre_maps, random_maps, texture_maps, true_maps
from pipeline.benchmarks.metrics.rasters import fraction_boxes
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SoundForm
from pipeline.encoders.imagenet import ImageEncoder
from pipeline.errors import InputError
from pipeline.evaluate.evaluation import Evaluation, ObjectMaps, evaluate, evaluate_method
from pipeline.predict.predictor import Predictor

FORM, STEPS = SoundForm(window=64, hop=32), 20
CPU = torch.device("cpu")
CLIPS = [f"madeclip{number:03d}_{number:06d}" for number in range(6)]
ABSENT = "madeclip999_000999"
BOXES = [[0.1 * n, 0.1, 0.1 * n + 0.4, 0.7] for n in range(7)]
# Scene and the scene that a silent object of it sounds like.
SILENT = {0: 3, 1: 4, 4: 0}
SEED = 5


class CountingEncoder(ImageEncoder):
    """An object encoder that remembers how many frames it was given."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        network = timm.create_model(
            "resnet18",
            num_classes=0,
            layers=(1, 1, 1, 1),
            channels=(4, 4, 4, 6),
        )
        super().__init__(network, 40)
        self.frames = 0

    def object_map(self, frames: Tensor) -> Tensor:
        self.frames += len(frames)
        return super().object_map(frames)


@pytest.fixture(scope="module")
def annotations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven clips with a box each, three of them with a silent object besides."""
    folder = tmp_path_factory.mktemp("annotations")
    entries, scenes = [], []
    for number, clip in enumerate([*CLIPS, ABSENT]):
        entry = {"file": clip, "class": "ab"[number % 2], "bbox": [BOXES[number]]}
        scene: dict[str, Any] = {**entry, "split": "test", "mask": f"{clip}.png"}
        scene["distractors"] = []
        Image.fromarray(fraction_boxes([BOXES[number]])).save(folder / scene["mask"])
        if number in SILENT:
            sound, box = CLIPS[SILENT[number]], [[0.5, 0.75, 0.9, 1.0]]
            mask = f"{clip}.1.png"
            silent = {"class": "c", "bbox": box, "mask": mask, "sound": sound}
            Image.fromarray(fraction_boxes(box)).save(folder / mask)
            scene["distractors"] = [silent]
        entries.append(entry)
        scenes.append(scene)
    (folder / "vggss.json").write_text(json.dumps(entries))
    (folder / "scenes.json").write_text(json.dumps(scenes))
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> DecodedCorpus:
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (len(CLIPS), 40, 40, 3)).astype(np.uint8)
    sounds = [generator.normal(-9, 3, (24 + n, 33)) for n in range(len(CLIPS))]
    return make_corpus(tmp_path_factory.mktemp("corpus"), frames, sounds, clip_ids=CLIPS, form=FORM)


def _predictor(corpus: DecodedCorpus, seed: int) -> Predictor:
    return Predictor(small_method(FORM, STEPS, seed=seed), corpus, device=CPU)


def _evaluate(
    benchmark: Benchmark,
    corpus: DecodedCorpus,
    objects: ObjectMaps | None = None,
    training: frozenset[str] = frozenset(),
    seed: int = SEED,
) -> Evaluation:
    objects = objects or ObjectMaps(corpus, CountingEncoder().eval(), batch=4)
    trained, untrained = _predictor(corpus, 1), _predictor(corpus, 2)
    return evaluate(benchmark, trained, untrained, objects, training, seed=seed)


def _by_hand(
    benchmark: Benchmark, corpus: DecodedCorpus, encoder: ImageEncoder
) -> dict[str, Predictions]:
    """The localizer's predictions and each baseline's, made without `evaluate`."""
    pairs = [(sample.frame_clip, sample.sound_clip) for sample in benchmark.samples]
    frames = np.stack([corpus.frame(corpus.row(frame)) for frame, _ in pairs])
    own = [clip for clip, _ in pairs[: benchmark.retrieval_count]]

    def predicted(seed: int) -> Predictions:
        predictor = _predictor(corpus, seed)
        maps = predictor.maps(pairs) if benchmark.wants_maps else None
        return Predictions(maps, similarities=predictor.similarities(own, own) if own else {})

    found = {"": predicted(1), ".untrained": predicted(2)}
    generator = np.random.default_rng(SEED)
    chance = {
        name: generator.random((len(own), len(own)), np.float32) for name in found[""].similarities
    }
    found[".random"] = Predictions(similarities=chance)
    if not benchmark.wants_maps:
        return found
    assert found[""].maps is not None
    count, height, width = found[""].maps.shape
    found[".random"].maps = random_maps(count, height, width, SEED)
    with torch.inference_mode():
        found[""].object_maps = encoder.object_map(torch.from_numpy(frames)).numpy()
    found[".centre"] = Predictions(centre_maps(count, height, width))
    found[".texture"] = Predictions(texture_maps(frames, height, width))
    found[".bound"] = Predictions(true_maps(benchmark.ground_truth(0, count)))
    return found


@pytest.mark.parametrize("name", ["vggss", "scenes", "retrieval"])
def test_numbers_are_the_benchmarks_own(
    name: str, annotations: Path, corpus: DecodedCorpus
) -> None:
    benchmark = open_benchmark(name, annotations, corpus)
    result = _evaluate(benchmark, corpus)
    expected: dict[str, float] = {"leaked_clips": 0}
    own: set[str] = set()
    for suffix, predictions in _by_hand(benchmark, corpus, CountingEncoder().eval()).items():
        predictions.trained = ()
        scores = benchmark.score(predictions)
        if not suffix:
            own = set(scores.metrics)
            assert result.scores.rows == scores.rows
            assert result.scores.curves == scores.curves
        for metric, value in scores.metrics.items():
            # Of a baseline neither counts nor intervals.
            unwanted = metric.startswith(("samples", "official")) or ":" in metric
            if metric in own and not (suffix and unwanted):
                expected[f"{metric}{suffix}"] = value
    assert result.metrics == pytest.approx(expected)
    assert result.metrics["samples"] == 6 and result.metrics["official_samples"] == 7


def test_each_metric_is_followed_by_its_baselines(annotations: Path, corpus: DecodedCorpus) -> None:
    result = _evaluate(open_benchmark("scenes", annotations, corpus), corpus)
    names = [key for key in result.metrics if "." not in key]
    assert names == [*result.scores.metrics, "leaked_clips"]
    assert [key.split(".")[0] for key in result.metrics] == [
        name for name in names for key in result.metrics if key.split(".")[0] == name
    ]
    baselines = ["random", "centre", "texture", "untrained", "bound"]
    for metric in ("cIoU", "AUC_adaptive", "pointing", "swap"):
        first = list(result.metrics).index(metric)
        following = list(result.metrics)[first + 1 : first + 6]
        assert following == [f"{metric}.{baseline}" for baseline in baselines]


def test_nothing_passes_the_bound(annotations: Path, corpus: DecodedCorpus) -> None:
    for name in ("vggss", "scenes"):
        metrics = _evaluate(open_benchmark(name, annotations, corpus), corpus).metrics
        bounds = {key: value for key, value in metrics.items() if key.endswith(".bound")}
        assert len(bounds) >= 4
        for key, bound in bounds.items():
            metric = key.removesuffix(".bound")
            for other, value in metrics.items():
                if other.split(".")[0] in (metric, f"{metric}_ogl"):
                    assert value <= bound, other


def test_leaked_clips_are_frames_and_sounds_that_were_trained_on(
    annotations: Path, corpus: DecodedCorpus
) -> None:
    benchmark = open_benchmark("vggss", annotations, corpus)
    training = frozenset([CLIPS[2], CLIPS[5], ABSENT, "another_clip"])
    assert _evaluate(benchmark, corpus, training=training).metrics["leaked_clips"] == 2


def test_a_frame_of_several_samples_has_one_object_map(
    annotations: Path, corpus: DecodedCorpus
) -> None:
    encoder = CountingEncoder().eval()
    objects = ObjectMaps(corpus, encoder, batch=4)
    benchmark = open_benchmark("scenes", annotations, corpus)
    assert len(benchmark.samples) == len(CLIPS) + len(SILENT)
    _evaluate(benchmark, corpus, objects)
    assert encoder.frames == len(CLIPS)
    _evaluate(open_benchmark("retrieval", annotations, corpus), corpus, objects)
    assert encoder.frames == len(CLIPS)  # retrieval has no use for them
    again = _evaluate(open_benchmark("vggss", annotations, corpus), corpus, objects)
    assert encoder.frames == len(CLIPS)  # another benchmark on the same frames
    alone = _evaluate(open_benchmark("vggss", annotations, corpus), corpus)
    assert again.metrics == alone.metrics


def test_half_precision_changes_the_last_digits_of_object_maps(corpus: DecodedCorpus) -> None:
    torch.manual_seed(0)
    encoder = ImageEncoder(timm.create_model("resnet10t", num_classes=0), 32).eval()
    whole = ObjectMaps(corpus, encoder, batch=4).of(CLIPS[:3])
    half = ObjectMaps(corpus, encoder, batch=4, half=True).of(CLIPS[:3])
    assert half.dtype == np.float32 and not np.array_equal(half, whole)
    np.testing.assert_allclose(half, whole, atol=0.03 * np.abs(whole).max())


class BatchMarkingEncoder(CountingEncoder):
    """An object encoder whose maps tell which frames they were made with."""

    def object_map(self, frames: Tensor) -> Tensor:
        maps = super().object_map(frames)
        return torch.zeros_like(maps) + frames.float().mean()


def test_an_object_map_does_not_depend_on_who_asked_before(corpus: DecodedCorpus) -> None:
    asked = [CLIPS[5], CLIPS[1], CLIPS[3]]
    at_once = ObjectMaps(corpus, BatchMarkingEncoder().eval(), batch=4).of(asked)
    objects = ObjectMaps(corpus, BatchMarkingEncoder().eval(), batch=4)
    one_by_one = [objects.of([clip]) for clip in reversed(asked)][::-1]
    np.testing.assert_array_equal(at_once, np.concatenate(one_by_one))
    assert len({float(each.mean()) for each in at_once}) == 2  # of two blocks, one is asked twice


def test_object_maps_of_what_has_no_picture_are_refused(tmp_path: Path) -> None:
    frames = np.zeros((3, 40, 40, 3), np.uint8)
    folder = tmp_path / "c"
    make_corpus(folder, frames, [np.zeros((24, 33))] * 3, form=FORM)
    table = read_parquet(folder / "clips.parquet")
    rows = pa.array([0, -1, 1], pa.int64())
    place = table.schema.get_field_index("frame_row")
    write_parquet(folder / "clips.parquet", table.set_column(place, "frame_row", rows))
    objects = ObjectMaps(DecodedCorpus(folder), CountingEncoder().eval(), batch=2)
    assert len(objects.of(["clip00", "clip02"])) == 2
    with pytest.raises(InputError, match="clip clip01 has no picture"):
        objects.of(["clip01"])
    with pytest.raises(InputError, match="holds no clip 'clip09'"):
        objects.of(["clip09"])


def test_a_method_is_scored_beside_its_own_untrained_form(
    annotations: Path, corpus: DecodedCorpus
) -> None:
    benchmark = open_benchmark("scenes", annotations, corpus)
    objects = ObjectMaps(corpus, CountingEncoder().eval(), batch=4)
    found = evaluate_method(
        benchmark, small_method(FORM, STEPS, seed=1), corpus, objects, [CLIPS[0]],
        seed=2, batch=4, device=CPU,
    )  # fmt: skip
    expected = _evaluate(benchmark, corpus, objects, frozenset(CLIPS[:1]), seed=2)
    assert found.metrics == expected.metrics
    np.testing.assert_array_equal(found.maps, expected.maps)


def test_a_seed_changes_the_random_baseline_and_nothing_else(
    annotations: Path, corpus: DecodedCorpus
) -> None:
    benchmark = open_benchmark("scenes", annotations, corpus)
    first, second = (_evaluate(benchmark, corpus, seed=seed).metrics for seed in (SEED, 6))
    changed = {key for key in first if first[key] != second[key]}
    assert changed and all(key.endswith(".random") for key in changed)


def test_maps_are_kept_where_there_are_any(annotations: Path, corpus: DecodedCorpus) -> None:
    benchmark = open_benchmark("vggss", annotations, corpus)
    maps = _evaluate(benchmark, corpus).maps
    pairs = [(clip, clip) for clip in CLIPS]
    np.testing.assert_array_equal(maps, _predictor(corpus, 1).maps(pairs))
    assert _evaluate(open_benchmark("retrieval", annotations, corpus), corpus).maps is None


def test_a_corpus_without_the_benchmarks_clips_is_named(annotations: Path, tmp_path: Path) -> None:
    frames = np.zeros((2, 40, 40, 3), np.uint8)
    other = make_corpus(tmp_path, frames, [np.zeros((24, 33))] * 2, form=FORM)
    benchmark = open_benchmark("vggss", annotations, other)
    with pytest.raises(InputError, match=f"{tmp_path}: holds none of the benchmark's 7 samples"):
        _evaluate(benchmark, other)
