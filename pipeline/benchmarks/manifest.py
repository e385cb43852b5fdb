"""What a benchmark is made of, in a few bytes: what an evaluation depends on in DVC."""

import numpy as np

from pipeline.base.code import fingerprint, hash_of_code
from pipeline.benchmarks import sets
from pipeline.benchmarks.contract import Benchmark

_CHUNK = 64  # ground truths held at a time


def describe(name: str, benchmark: Benchmark) -> dict[str, str | int]:
    """The number of its samples, present and official, and the hashes of its samples, their ground
    truth and labels, and of the code of its family. Raises as reading the ground truth does."""
    return {
        "samples": len(benchmark.samples),
        "official": benchmark.official_count,
        "content": digest(benchmark),
        "code": hash_of_code(sets.family(name).__name__),
    }


def digest(benchmark: Benchmark) -> str:
    """A hash of all that a benchmark scores by: samples, official number, labels, ground truth."""
    samples = benchmark.samples
    said = [
        *(f"{s.sample_id} {s.frame_clip} {s.sound_clip}" for s in samples),
        str(benchmark.official_count),
        repr((benchmark.wants_maps, benchmark.retrieval_count)),
        repr((list(benchmark.labels), list(benchmark.images), benchmark.classes)),
    ]
    truths = []
    if benchmark.wants_maps:
        for start in range(0, len(samples), _CHUNK):
            truth = benchmark.ground_truth(start, min(start + _CHUNK, len(samples)))
            truths.append(fingerprint([np.ascontiguousarray(truth, np.float32)]))
    return fingerprint([*said, *truths])
