"""Somebody's arrays as one of the pipeline's own kinds of benchmark."""

from pathlib import Path

import numpy as np

from pipeline.benchmarks import open_benchmark
from pipeline.benchmarks.contract import Benchmark, Sample
from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
from pipeline.benchmarks.tasks import (
    DetectionBenchmark,
    LocalizationBenchmark,
    RetrievalBenchmark,
    SegmentationBenchmark,
)
from pipeline.errors import InputError
from pipeline.report.anyones.arrays import Arrays
from pipeline.report.anyones.boxes import read_boxes
from pipeline.report.anyones.ids import sample_id_of
from pipeline.report.anyones.kinds import check_annotations, check_benchmark

Task = LocalizationBenchmark | DetectionBenchmark | SegmentationBenchmark | RetrievalBenchmark
TASKS: dict[str, type[Task]] = {
    "localization": LocalizationBenchmark,
    "detection": DetectionBenchmark,
    "segmentation": SegmentationBenchmark,
    "retrieval": RetrievalBenchmark,
}


def kind_of(task: Task) -> str:
    """The key of `TASKS` that a benchmark is scored as."""
    return next(kind for kind, each in TASKS.items() if isinstance(task, each))


def open_task(
    kind: str | None, name: str, annotations: Path | None, media: Path | None = None
) -> Task:
    """The whole benchmark `name`, to be scored as `kind` (None: as what it is).

    `annotations` is the folder of the official lists and boxes, `media` that of AVSBench with its
    masks. Raises as `check_benchmark` does, and `InputError` for an absent or damaged list.
    """
    check_benchmark(kind, name)
    folder = check_annotations(name, annotations)
    benchmark = open_benchmark(name, folder, lambda _: True, media)
    assert isinstance(benchmark, Task)
    if isinstance(benchmark, SegmentationBenchmark) and media is None:
        raise InputError(
            f"benchmark {name}: its masks lie among the media; expected --media, the corpus' "
            f"folder with gt_masks"
        )
    return benchmark


def task_of(
    kind: str | None,
    arrays: Arrays,
    count: int,
    benchmark: str | None,
    annotations: Path | None = None,
    media: Path | None = None,
) -> Task:
    """What `count` maps or embeddings are scored against, in their order.

    With a `benchmark` its samples that `ids` names, or where there are no ids all of them in the
    order of its list; masks that the file brings itself stand in for AVSBench's. Else the file's
    own `boxes` or `masks`. `kind` None is the benchmark's own, or by the truth. Raises
    `InputError`.
    """
    if benchmark is not None and kind in (None, "segmentation") and "masks" in arrays:
        official = count
        check_benchmark("segmentation", benchmark)
        if annotations is not None and annotations.is_dir():
            official = open_benchmark(benchmark, annotations, lambda _: True).official_count
        truth, _ = _own_truth(arrays, count)
        return SegmentationBenchmark(_numbered(count), official, truth)
    if benchmark is not None:
        return _from_benchmark(
            arrays, count, open_task(kind, benchmark, annotations, media), benchmark
        )
    if kind == "retrieval":
        return RetrievalBenchmark(_numbered(count), count)
    truth, filled = _own_truth(arrays, count)
    if kind is None:
        kind = "segmentation" if "masks" in arrays else "localization"
    if kind == "localization":
        return LocalizationBenchmark(_numbered(count), count, truth)
    if kind == "detection":
        return DetectionBenchmark(_numbered(count), count, truth, filled)
    return SegmentationBenchmark(_numbered(count), count, truth)


def places_of(arrays: Arrays, count: int, benchmark: Benchmark, name: str) -> list[int]:
    """The place among a benchmark's samples of each of `count` maps, by the `ids`; without ids one
    map a sample, in the list's order. Raises `InputError` for an unknown id and one that comes
    twice."""
    official = len(benchmark.samples)
    if "ids" not in arrays:
        if count != official:
            raise InputError(
                f"{arrays.place}: found {count} maps without ids, expected ids, or {official} maps "
                f"in the order of benchmark {name}'s list"
            )
        return list(range(count))
    places = {sample.sample_id: row for row, sample in enumerate(benchmark.samples)}
    rows, known = [], set[int]()
    for text in arrays.ids(count):
        sample_id = sample_id_of(text, places)
        if sample_id not in places:
            raise arrays.fail(
                "ids",
                repr(text[:80]),
                f"a sample of benchmark {name}, such as {next(iter(places))}",
            )
        row = places[sample_id]
        if row in known:
            raise arrays.fail("ids", f"{sample_id} twice", "each once")
        known.add(row)
        rows.append(row)
    return rows


def _from_benchmark(arrays: Arrays, count: int, benchmark: Task, name: str) -> Task:
    return benchmark.select(places_of(arrays, count, benchmark, name))


def _own_truth(arrays: Arrays, count: int) -> tuple[Truth, np.ndarray]:
    """The boxes or masks that come with the maps, and which of the samples have any."""
    if "boxes" in arrays and "masks" in arrays:
        raise InputError(f"{arrays.place}: found boxes and masks, expected one of them")
    if "boxes" in arrays:
        boxes = read_boxes(arrays, count)
        return Truth(boxes, fraction_boxes), np.array([bool(entry) for entry in boxes], np.bool_)
    if "masks" in arrays:
        masks = arrays.masks(count)
        filled = np.array([mask.any() for mask in masks], np.bool_)
        return Truth(list(masks), lambda mask: mask.astype(bool)), filled
    if "ids" in arrays:
        raise InputError(f"{arrays.place}: holds ids, expected --benchmark to say of which one")
    raise InputError(
        f"{arrays.place}: no ground truth, expected boxes, masks, or ids with a benchmark's name"
    )


def _numbered(count: int) -> list[Sample]:
    return [Sample(str(number), str(number), str(number)) for number in range(count)]
