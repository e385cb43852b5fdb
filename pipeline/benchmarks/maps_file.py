"""`avloc score`: the published numbers of anyone's maps, from one `.npz` file.

The file becomes one of the benchmarks that the pipeline itself is evaluated by, so its numbers are
the pipeline's. It comes from strangers: nothing in it is unpickled, and an array's shape and size
are read and checked before its values are. The price is that a file beyond `LARGEST_BYTES` has to
be split.
"""

import json
import math
import zipfile
import zlib
from collections.abc import Container
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.base.files import write_parquet
from pipeline.benchmarks import open_benchmark
from pipeline.benchmarks.contract import Predictions, Sample
from pipeline.benchmarks.metrics.heatmaps import RESIZES, SIDE
from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
from pipeline.benchmarks.metrics.retrieval import cosine_similarities
from pipeline.benchmarks.tasks import (
    DetectionBenchmark,
    LocalizationBenchmark,
    RetrievalBenchmark,
    SegmentationBenchmark,
)
from pipeline.corpora.names import clip_id_of
from pipeline.errors import InputError

KINDS = ("localization", "detection", "segmentation", "retrieval")
LARGEST_BYTES = 4 * 2**30
_LARGEST_TEXT = 256 * 2**20
_LARGEST_SIDE = 4096
# RuntimeError is an encrypted or an unknown compression's member.
_UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
Task = LocalizationBenchmark | DetectionBenchmark | SegmentationBenchmark | RetrievalBenchmark


class _File:
    """The arrays of an `.npz` file, each checked by its header before it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self.sizes = {info.filename: info.file_size for info in archive.infolist()}
        except _UNREADABLE as error:
            raise InputError(f"{path}: expected an npz file, found: {error}") from error

    def __contains__(self, key: str) -> bool:
        return f"{key}.npy" in self.sizes

    def fail(self, key: str, found: str, expected: str) -> InputError:
        return InputError(f"{self.path}: {key}: found {found}, expected {expected}")

    def read(self, key: str, kinds: str, expected: str, dimensions: tuple[int, ...]) -> np.ndarray:
        """The array under `key`: a dtype of one of `kinds`, so many dimensions; else InputError."""
        name = f"{key}.npy"
        if key not in self:
            found = ", ".join(sorted(self.sizes))[:200] or "nothing"
            raise InputError(f"{self.path}: no {key!r} in it (found {found}); expected {expected}")
        limit = LARGEST_BYTES if kinds == "fiub" else _LARGEST_TEXT
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(name) as file:
                version = np.lib.format.read_magic(file)
                if version == (1, 0):
                    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                else:
                    shape, _, dtype = np.lib.format.read_array_header_2_0(file)
                size = math.prod(shape) * dtype.itemsize
                if (
                    dtype.kind not in kinds
                    or len(shape) not in dimensions
                    or min(shape, default=0) < 0
                ):
                    raise self.fail(key, f"{dtype} {shape}", expected)
                if size > limit or size > self.sizes[name]:
                    raise self.fail(key, f"{size} bytes", f"at most {limit} bytes, all in the file")
            with zipfile.ZipFile(self.path) as archive, archive.open(name) as file:
                return np.lib.format.read_array(file, allow_pickle=False)
        except _UNREADABLE as error:
            raise InputError(f"{self.path}: {key}: cannot be read: {error}") from error

    def maps(self, key: str, count: int | None = None) -> np.ndarray:
        expected = f"real numbers ({'N' if count is None else count}, h, w)"
        maps = self.read(key, "fiub", expected, (3,))
        if (count is not None and len(maps) != count) or max(maps.shape[1:]) > _LARGEST_SIDE:
            raise self.fail(key, f"shape {maps.shape}", expected)
        return maps

    def ids(self, count: int) -> list[str]:
        values = self.read("ids", "US", f"{count} texts", (1,))
        if len(values) != count:
            raise self.fail("ids", f"{len(values)}", f"{count}, one per map")
        return [self._text("ids", value) for value in values.tolist()]

    def boxes(self, count: int) -> list[list[list[float]]]:
        expected = f"a JSON text, a list of {count} lists of boxes [x0, y0, x1, y1]"
        values = self.read("boxes", "USu", expected, (0, 1))
        if values.dtype.kind == "u":
            text = self._text("boxes", values.tobytes())
        elif values.size == 1:
            text = self._text("boxes", values.item())
        else:
            raise self.fail("boxes", f"{values.size} texts", expected)
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{self.path}: boxes: expected JSON, found: {error}") from error
        if not isinstance(content, list) or len(content) != count:
            found = f"{len(content)} entries" if isinstance(content, list) else type(content)
            raise self.fail("boxes", f"{found}", expected)
        for number, entry in enumerate(content):
            if not isinstance(entry, list) or not all(_is_box(box) for box in entry):
                raise self.fail(f"boxes, entry {number}", f"{str(entry)[:80]}", "boxes of numbers")
        return content

    def masks(self, count: int) -> np.ndarray:
        expected = f"({count}, {SIDE}, {SIDE}) of 0 and 1"
        masks = self.read("masks", "uib", expected, (3,))
        if masks.shape != (count, SIDE, SIDE):
            raise self.fail("masks", f"shape {masks.shape}", expected)
        return masks

    def _text(self, key: str, value: str | bytes) -> str:
        try:
            return value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError as error:
            raise InputError(f"{self.path}: {key}: expected UTF-8 text, found: {error}") from error


def sample_id_of(text: str, known: Container[str]) -> str:
    """The sample that an id of a file names: itself where it is `known`, else its clips in their
    canonical spelling. An extended set's negative is `<frame>+<sound>`, any other id a clip's."""
    return text if text in known else "+".join(clip_id_of(part) for part in text.split("+"))


def read_maps(path: Path) -> tuple[list[str], np.ndarray]:
    """The `ids` and the raw `maps` (N, h, w) of an `.npz` file; raises as `score_file` does."""
    file = _File(path)
    maps = file.maps("maps")
    return file.ids(len(maps)), maps


def _is_box(box: Any) -> bool:
    if not isinstance(box, list) or len(box) != 4:
        return False
    return all(
        isinstance(edge, int | float) and not isinstance(edge, bool) and abs(edge) < 1e300
        for edge in box
    )


def _numbered(count: int) -> list[Sample]:
    return [Sample(str(number), str(number), str(number)) for number in range(count)]


def _from_benchmark(file: _File, count: int, name: str, annotations: Path | None) -> Task:
    """The samples of a benchmark that the file's ids name, in the file's order."""
    if annotations is None:
        raise InputError(f"benchmark {name}: no folder of annotations, expected one")
    benchmark = open_benchmark(name, annotations, lambda _: True)
    if not isinstance(benchmark, Task):
        raise InputError(f"benchmark {name}: cannot be scored from a file of maps")
    places = {sample.sample_id: row for row, sample in enumerate(benchmark.samples)}
    rows = []
    for text in file.ids(count):
        sample_id = sample_id_of(text, places)
        if sample_id not in places:
            raise file.fail("ids", repr(text[:80]), f"a sample of benchmark {name}")
        rows.append(places[sample_id])
    if len(set(rows)) != len(rows):
        repeated = next(row for place, row in enumerate(rows) if row in rows[:place])
        raise file.fail("ids", f"{benchmark.samples[repeated].sample_id} twice", "each once")
    return benchmark.select(rows)


def _own_truth(file: _File, count: int) -> tuple[Truth, np.ndarray]:
    """The file's boxes or masks, and which of the samples have any."""
    if "boxes" in file and "masks" in file:
        raise InputError(f"{file.path}: found boxes and masks, expected one of them")
    if "boxes" in file:
        boxes = file.boxes(count)
        return Truth(boxes, fraction_boxes), np.array([bool(entry) for entry in boxes], np.bool_)
    if "masks" in file:
        masks = file.masks(count)
        filled = np.array([mask.any() for mask in masks], np.bool_)
        return Truth(list(masks), lambda mask: mask.astype(bool)), filled
    raise InputError(
        f"{file.path}: no ground truth, expected boxes, masks, or ids with a benchmark's name"
    )


def _map_task(
    kind: str, file: _File, count: int, benchmark: str | None, annotations: Path | None
) -> Task:
    if benchmark is not None and kind != "segmentation":
        return _from_benchmark(file, count, benchmark, annotations)
    # AVSBench's masks are media, not annotations: a file to be segmented brings them itself.
    truth, filled = _own_truth(file, count)
    samples = _numbered(count)
    if kind == "localization":
        return LocalizationBenchmark(samples, count, truth)
    if kind == "detection":
        return DetectionBenchmark(samples, count, truth, filled)
    official = count
    if benchmark is not None and annotations is not None:
        official = open_benchmark(benchmark, annotations, lambda _: True).official_count
    return SegmentationBenchmark(samples, official, truth)


_TASKS: dict[str, type] = {
    "localization": LocalizationBenchmark,
    "detection": DetectionBenchmark,
    "segmentation": SegmentationBenchmark,
    "retrieval": RetrievalBenchmark,
}


def score_file(
    kind: str,
    file: Path,
    benchmark: str | None = None,
    annotations: Path | None = None,
    resize: str | None = None,
    per_sample: Path | None = None,
) -> dict[str, float]:
    """The metrics of an `.npz` file that any method made; per cent but for counts.

    `kind` is one of `KINDS`. Maps: `maps` (N, h, w) raw similarities, higher is louder, and
    `object_maps` (N, h', w') for OGL; ground truth as `ids` (N texts) with `benchmark` and the
    folder `annotations`, as `boxes` (JSON text: per sample a list of [x0, y0, x1, y1] fractions,
    empty for a negative), or as `masks` (N, 224, 224). Retrieval: `image` and `audio` (N, d),
    ranked by cosine; `ids` and `benchmark` add class metrics. `resize` replaces the protocol's
    form; rows go to `per_sample` as Parquet. Raises `InputError` for anything else.
    """
    if kind not in KINDS:
        raise InputError(f"score {kind!r}: expected one of {', '.join(KINDS)}")
    content = _File(file)
    task: Task
    if kind == "retrieval":
        if resize is not None:
            raise InputError("resize: retrieval has no maps to resize")
        image = content.read("image", "f", "real numbers (N, d)", (2,))
        audio = content.read("audio", "f", f"real numbers {image.shape}", (2,))
        if audio.shape != image.shape:
            raise content.fail("audio", f"shape {audio.shape}", f"{image.shape} as of image")
        for key, values in (("image", image), ("audio", audio)):
            if not np.isfinite(values).all():
                raise content.fail(key, "NaN or infinity", "finite values")
        if benchmark is None:
            task = RetrievalBenchmark(_numbered(len(image)), len(image))
        else:
            task = _from_benchmark(content, len(image), benchmark, annotations)
        predictions = Predictions(similarities={"cosine": cosine_similarities(image, audio)})
    else:
        maps = content.maps("maps")
        objects = content.maps("object_maps", len(maps)) if "object_maps" in content else None
        task = _map_task(kind, content, len(maps), benchmark, annotations)
        predictions = Predictions(maps, objects)
    if not isinstance(task, _TASKS[kind]):
        raise InputError(f"benchmark {benchmark}: is not scored as {kind}")
    if resize is not None:
        if resize not in RESIZES:
            raise InputError(f"resize {resize!r}: expected one of {', '.join(RESIZES)}")
        assert not isinstance(task, RetrievalBenchmark)
        task = replace(task, resize=resize)
    scores = task.score(predictions)
    if per_sample is not None:
        write_parquet(per_sample, scores.rows)
    return scores.metrics
