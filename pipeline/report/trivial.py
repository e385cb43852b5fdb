"""The curves of the baselines that ignore the sound, and of the bound, on a benchmark.

Evaluation keeps their metrics and no curves, so they are scored here once more, by the benchmark's
own `score` on the very maps of `pipeline.benchmarks.metrics.baselines`. What needs a network has no
curve, and random maps, which no curve is near to, have none either.
"""

import numpy as np

from pipeline.benchmarks import Benchmark, Predictions
from pipeline.benchmarks.metrics.baselines import bound_maps, centre_maps, texture_maps
from pipeline.clips.decoded import DecodedCorpus

Curves = dict[str, dict[str, list[float]]]
_CHUNK = 64


def trivial_curves(
    benchmark: Benchmark,
    corpus: DecodedCorpus,
    height: int,
    width: int,
    textures: dict[str, np.ndarray],
) -> dict[str, Curves]:
    """By the baseline's name, its curves as evaluation writes those of a run: by kind and column.
    Maps of the baselines are `height` x `width` as the run's are; those of the bound are the truth
    itself, in a file of 200 KB a sample that goes again. `textures` keeps the texture energy of
    each clip's frame in this size from one benchmark of the corpus to the next."""
    count = len(benchmark.samples)
    clips = [sample.frame_clip for sample in benchmark.samples]
    missing = [clip for clip in dict.fromkeys(clips) if clip not in textures]
    for start in range(0, len(missing), _CHUNK):
        part = missing[start : start + _CHUNK]
        frames = np.stack([corpus.square(corpus.row(clip)) for clip in part])
        textures.update(zip(part, texture_maps(frames, height, width), strict=True))
    found = {"centre": _scored(benchmark, centre_maps(count, height, width))}
    found["texture"] = _scored(benchmark, np.stack([textures[clip] for clip in clips]))
    found["bound"] = _scored(benchmark, bound_maps(benchmark.ground_truth, count))
    return found


def _scored(benchmark: Benchmark, maps: np.ndarray) -> Curves:
    curves = benchmark.score(Predictions(maps)).curves
    return {kind: table.to_pydict() for kind, table in curves.items()}
