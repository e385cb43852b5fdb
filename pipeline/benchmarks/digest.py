"""A name for the samples and the whole ground truth of a benchmark.

An evaluation reads masks and XML files, one for each sample, which nobody wants to declare one by
one: this name changes when any of them does, and stands in a small file that is declared instead.
The price is that every ground truth is painted once more. Lists that a part of the samples comes
from are few, and declared as the files that they are.
"""

from collections.abc import Iterator

import numpy as np

from pipeline.base.code import fingerprint
from pipeline.benchmarks.contract import Benchmark, Defaults

_CHUNK = 64  # ground truths held at a time


def digest(benchmark: Benchmark) -> str:
    """A hash of a benchmark's samples, official count and ground truth, 32 hexadecimal digits.

    Equal for equal content wherever the files lie; another sample, order, class, box or mask gives
    another one. How it is scored is code and not in it. Raises `InputError` as `ground_truth` does.
    """
    return fingerprint(_parts(benchmark))


def _parts(benchmark: Benchmark) -> Iterator[bytes | str | np.ndarray]:
    samples = benchmark.samples
    yield f"{len(samples)} of {benchmark.official_count}, {benchmark.retrieval_count} retrieved"
    for texts in (
        [sample.sample_id for sample in samples],
        [sample.frame_clip for sample in samples],
        [sample.sound_clip for sample in samples],
        benchmark.images,
        benchmark.labels,
        benchmark.classes or (),
    ):
        yield f"{len(texts)}"
        yield from texts
    if not benchmark.wants_maps:
        return
    # Where a benchmark has masks besides its boxes, they are drawn and pointed at.
    has_outlines = type(benchmark).outline is not Defaults.outline
    for start in range(0, len(samples), _CHUNK):
        truth = benchmark.ground_truth(start, min(start + _CHUNK, len(samples)))
        yield f"{truth.dtype.str} {truth.shape}"
        yield np.packbits(truth) if truth.dtype == np.bool_ else truth
        if has_outlines:
            outlines = [benchmark.outline(place) for place in range(start, start + len(truth))]
            yield np.packbits(np.stack(outlines))
