"""What a figure shows of a benchmark: chosen samples, their frames, their truth, somebody's maps.

Samples are those that are named, or the first of the benchmark's list; never the best by any score,
so that a figure cannot flatter.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from pipeline.benchmarks import NOISE, SILENCE, Benchmark
from pipeline.benchmarks.tasks import LocalizationBenchmark, ScenesBenchmark
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.report.anyones.ids import sample_id_of
from pipeline.report.rows import Column

T = TypeVar("T")


def choose_samples(benchmark: Benchmark, names: Sequence[str], count: int) -> list[int]:
    """The places of the samples that `names` names, in that order, or of the first `count`.

    In scenes the first are those with their own sounds. Raises `InputError` for an unknown name.
    """
    places = {sample.sample_id: place for place, sample in enumerate(benchmark.samples)}
    return [_known(name, places) for name in names] or list(range(min(count, len(places))))


def choose_images(benchmark: Benchmark, names: Sequence[str], count: int) -> list[list[int]]:
    """The same for images with several sounds: the places of each one's samples.

    `names` are samples of the images. Raises `InputError` where the benchmark has no such image.
    """
    images: dict[str, list[int]] = {}
    of_sample: dict[str, str] = {}
    for place, sample in enumerate(benchmark.samples):
        image = sample.frame_clip
        if isinstance(benchmark, LocalizationBenchmark) and benchmark.images:
            image = benchmark.images[place]
        images.setdefault(image, []).append(place)
        of_sample[sample.sample_id] = image
    several = {image: places for image, places in images.items() if len(places) > 1}
    if not several:
        raise InputError("no image of this benchmark has several sounds, expected scenes or is3")
    if not names:
        return list(several.values())[:count]
    chosen = [images[_known(name, of_sample)] for name in names]
    for name, places in zip(names, chosen, strict=True):
        if len(places) < 2:
            raise InputError(f"sample {name!r}: its image has one sound, expected several")
    return chosen


def column(benchmark: Benchmark, corpus: DecodedCorpus, place: int) -> Column:
    """A sample as a column of a figure."""
    frame = corpus.square(corpus.row(benchmark.samples[place].frame_clip))
    if isinstance(benchmark, ScenesBenchmark):
        truth = benchmark.masks(place, place + 1)[0]
    else:
        truth = benchmark.ground_truth(place, place + 1)[0] > 0
    return Column(sound_label(benchmark, place), frame, truth if truth.any() else None)


def sound_label(benchmark: Benchmark, place: int) -> str:
    """What sounds in a sample: its class where the benchmark knows it, else the sound's clip."""
    if isinstance(benchmark, ScenesBenchmark):
        if place < len(benchmark.scenes):
            return benchmark.scenes[place].label
        scene, silent = benchmark.swaps[place - len(benchmark.scenes)]
        return benchmark.scenes[scene].distractors[silent].label
    names = {SILENCE: "silence", NOISE: "noise"}
    clip = benchmark.samples[place].sound_clip
    return names.get(clip, clip)


def maps_of(
    source: str, ids: Sequence[str], maps: np.ndarray, benchmark: Benchmark, places: Sequence[int]
) -> list[np.ndarray]:
    """The maps of samples from anyone's `maps` (N, h, w), whose samples `ids` names.

    `source` names them in the `InputError` that a missing sample raises, or one whose map holds
    values that are not finite.
    """
    known = {sample.sample_id for sample in benchmark.samples}
    rows = {sample_id_of(text, known): row for row, text in enumerate(ids)}
    found = []
    for place in places:
        sample_id = benchmark.samples[place].sample_id
        if sample_id not in rows:
            raise InputError(f"{source}: holds no map of sample {sample_id}")
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
            heat = np.asarray(maps[rows[sample_id]]).astype(np.float32)
        if not np.isfinite(heat).all():
            raise InputError(
                f"{source}: map of {sample_id}: found NaN or infinity, expected finite values"
            )
        found.append(heat)
    return found


def _known(name: str, places: Mapping[str, T]) -> T:
    sample_id = sample_id_of(name, places)
    if sample_id not in places:
        raise InputError(f"sample {name!r}: the benchmark has none of this name at hand")
    return places[sample_id]
