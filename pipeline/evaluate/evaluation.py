"""A localizer on a benchmark: every pair through the network, the baselines on the same samples.

What is scored leaves the network here as arrays; how it is scored is the benchmark's business. The
baselines go through the very same `score`, so a trivial map and a trained one cannot be treated
differently; the price is that the metrics are computed six times.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from pipeline.benchmarks import NOISE, SILENCE, Benchmark, Predictions, Scores
from pipeline.benchmarks.contract import OwnForm
from pipeline.benchmarks.metrics.baselines import (
    bound_maps,
    centre_maps,
    random_maps,
    texture_maps,
)
from pipeline.clips.decoded import DecodedCorpus
from pipeline.encoders.imagenet import ImageEncoder
from pipeline.errors import InputError
from pipeline.methods.contract import Method
from pipeline.predict.predictor import Predictor, synthetic_sounds

_CHUNK = 64  # frames held at a time


@dataclass(frozen=True)
class Evaluation:
    """Metrics of the localizer and, behind a dot, of each baseline; the localizer's rows, curves
    and raw maps (samples, h, w) float32, None where the benchmark scores none."""

    metrics: dict[str, float]
    scores: Scores
    maps: np.ndarray | None


def evaluate_method(
    benchmark: Benchmark,
    method: Method,
    corpus: DecodedCorpus,
    objects: "ObjectMaps",
    training_clips: Collection[str] | None,
    *,
    seed: int,
    batch: int = 64,
    device: torch.device | None = None,
) -> Evaluation:
    """Score a method on `benchmark`, beside the same networks untrained, drawn from `seed`, and the
    baselines; otherwise as `evaluate`. `corpus` holds the benchmark's clips."""
    kind: Any = type(method)
    untrained: Method = kind(method.settings, method.form, seed=seed)
    reserved = dict(zip((SILENCE, NOISE), synthetic_sounds(method, seed), strict=True))
    ours, theirs = (
        Predictor(each, corpus, reserved=reserved, batch=batch, device=device)
        for each in (method, untrained)
    )
    published = None if method.test_form is None else OwnForm(**method.test_form._asdict())
    return evaluate(benchmark, ours, theirs, objects, training_clips, seed=seed, form=published)


def evaluate(
    benchmark: Benchmark,
    predictor: Predictor,
    untrained: Predictor,
    objects: "ObjectMaps",
    training_clips: Collection[str] | None,
    *,
    seed: int,
    form: OwnForm | None = None,
) -> Evaluation:
    """Score `predictor` and the baselines on `benchmark`, whose clips its corpus holds.

    `untrained` is the same network before training, `objects` gives OGL's object maps, `seed` is
    the random baseline's. `leaked_clips` counts the benchmark's clips that are in
    `training_clips`, where these are known. Raises `InputError` where no sample of the benchmark is
    at hand.
    """
    samples = benchmark.samples
    if not samples:
        raise InputError(
            f"{predictor.corpus.folder}: holds none of the benchmark's "
            f"{benchmark.official_count} samples"
        )
    pairs = [(sample.frame_clip, sample.sound_clip) for sample in samples]
    queries = pairs[: benchmark.retrieval_count]
    object_maps = None
    if benchmark.wants_maps:
        object_maps = objects.of([frame for frame, _ in pairs])
    ours = _predict(predictor, benchmark, pairs, queries)
    ours.object_maps, ours.trained = object_maps, training_clips
    ours.form = form
    scores = benchmark.score(ours)
    metrics = dict(scores.metrics)
    for name, baseline in _baselines(benchmark, predictor, untrained, pairs, queries, ours, seed):
        baseline.trained = training_clips
        for metric, value in benchmark.score(baseline).metrics.items():
            counts = metric.startswith(("samples", "official_samples"))
            if metric in scores.metrics and not counts and ":" not in metric:  # no intervals
                metrics[f"{metric}.{name}"] = value
    if training_clips is not None:
        clips = {clip for pair in pairs for clip in pair}
        metrics["leaked_clips"] = len(clips.intersection(training_clips))
    return Evaluation({key: metrics[key] for key in _by_metric(metrics)}, scores, ours.maps)


def _by_metric(metrics: dict[str, float]) -> list[str]:
    """Each metric followed by its baselines, in the order of the metrics."""
    first = {key: place for place, key in enumerate(metrics)}
    return sorted(metrics, key=lambda key: (first[key.split(".")[0]], first[key]))


def _predict(
    predictor: Predictor,
    benchmark: Benchmark,
    pairs: list[tuple[str, str]],
    queries: list[tuple[str, str]],
) -> Predictions:
    maps = predictor.maps(pairs) if benchmark.wants_maps else None
    if not queries:
        return Predictions(maps)
    frames, sounds = [f for f, _ in queries], [s for _, s in queries]
    return Predictions(maps, similarities=predictor.similarities(frames, sounds))


def _baselines(
    benchmark: Benchmark,
    predictor: Predictor,
    untrained: Predictor,
    pairs: list[tuple[str, str]],
    queries: list[tuple[str, str]],
    ours: Predictions,
    seed: int,
) -> Iterator[tuple[str, Predictions]]:
    similarities = {}
    if queries:
        generator = np.random.default_rng(seed)
        size = (len(queries), len(queries))
        similarities = {name: generator.random(size, np.float32) for name in ours.similarities}
    if ours.maps is None:
        yield "random", Predictions(similarities=similarities)
        yield "untrained", _predict(untrained, benchmark, pairs, queries)
        return
    count, height, width = ours.maps.shape
    yield "random", Predictions(random_maps(count, height, width, seed), similarities=similarities)
    yield "centre", Predictions(centre_maps(count, height, width))
    texture = np.empty((count, height, width), np.float32)
    for start in range(0, count, _CHUNK):
        clips = [frame for frame, _ in pairs[start : start + _CHUNK]]
        texture[start : start + _CHUNK] = texture_maps(
            _stored(predictor.corpus, clips), height, width
        )
    yield "texture", Predictions(texture)
    yield "untrained", _predict(untrained, benchmark, pairs, queries)
    yield "bound", Predictions(bound_maps(benchmark.ground_truth, count))


class ObjectMaps:
    """The object maps of a corpus' frames; each frame is encoded once, however many samples and
    benchmarks it is in.

    Frames are encoded in blocks of the corpus' rows, since the last bits of a map may depend on
    what it is encoded with: so they depend on the corpus and the batch size alone, and not on which
    benchmark asks first. The price is that a block is encoded whole where one of its frames is
    asked for: of the toy's test corpus 696 frames, of which all its benchmarks ask for 444.
    """

    def __init__(
        self, corpus: DecodedCorpus, encoder: ImageEncoder, batch: int = 64, half: bool = False
    ) -> None:
        """`half` has the network's passes in bfloat16; maps are float32."""
        self.corpus, self.encoder, self.batch, self.half = corpus, encoder, batch, half
        self._made: dict[str, np.ndarray] = {}

    def of(self, frames: Sequence[str]) -> np.ndarray:
        """The object map of each clip's frame, (N, h, w) float32. Raises `InputError` for a clip
        that the corpus lacks or that has no picture."""
        for clip in frames:
            if clip not in self._made:
                self._make(self.corpus.row(clip) // self.batch)
            if clip not in self._made:
                raise InputError(f"{self.corpus.folder}: clip {clip} has no picture")
        return np.stack([self._made[clip] for clip in frames])

    @torch.inference_mode()
    def _make(self, block: int) -> None:
        """Encode the frames of `batch` rows of the corpus."""
        ids = self.corpus.clip_ids[block * self.batch : (block + 1) * self.batch]
        clips = [clip for clip in ids if self.corpus.has_frame(self.corpus.row(clip))]
        if clips:
            device = self.encoder.mean.device
            pictures = torch.from_numpy(_stored(self.corpus, clips)).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=self.half):
                maps = self.encoder.object_map(pictures).float().cpu().numpy()
            self._made.update(zip(clips, maps, strict=True))


def _stored(corpus: DecodedCorpus, clips: list[str]) -> np.ndarray:
    """The stored frames of clips, (n, side, side, 3) uint8."""
    return np.stack([corpus.square(corpus.row(clip)) for clip in clips])
