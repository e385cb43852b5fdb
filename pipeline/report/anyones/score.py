"""The published numbers of anyone's maps or embeddings."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.benchmarks.contract import Predictions, Scores
from pipeline.benchmarks.metrics.heatmaps import RESIZES
from pipeline.benchmarks.metrics.retrieval import cosine_similarities
from pipeline.benchmarks.tasks import DetectionBenchmark, RetrievalBenchmark
from pipeline.errors import InputError
from pipeline.report.anyones.arrays import Arrays
from pipeline.report.anyones.task import TASKS, Task, kind_of, task_of

_CHUNK = 64  # ground truths held at a time


@dataclass(frozen=True)
class Scored:
    """Maps that were scored: the `kind` that they were scored as, the `benchmark`'s name (None for
    a truth of one's own), what they were scored against, and the scores; `made`: by the lists of a
    toy, which have the names of the real ones."""

    kind: str
    benchmark: str | None
    task: Task
    scores: Scores
    made: bool = False

    @property
    def metrics(self) -> dict[str, float]:
        """By name, in per cent but for counts, as `Scores` names them."""
        return self.scores.metrics

    @property
    def rows(self) -> pa.Table:
        """A row a sample, in the order of the maps."""
        return self.scores.rows

    @cached_property
    def columns(self) -> Mapping[str, np.ndarray]:
        """The numbers of `rows` by column, each (N,)."""
        return {
            name: self.rows[name].to_numpy()
            for name in self.rows.column_names
            if not pa.types.is_string(self.rows.schema.field(name).type)
            and not pa.types.is_list(self.rows.schema.field(name).type)
        }

    @cached_property
    def area(self) -> np.ndarray:
        """The share of the frame that each sample's truth takes, float64 (N,), NaN for a negative.
        Raises `InputError` for retrieval, which has no regions."""
        if isinstance(self.task, RetrievalBenchmark):
            raise InputError("retrieval: finds no regions, so it has no sizes")
        if "area" in self.columns:
            return self.columns["area"]
        count = len(self.task.samples)
        area = np.empty(count)
        for start in range(0, count, _CHUNK):
            truth = self.task.ground_truth(start, min(start + _CHUNK, count))
            area[start : start + len(truth)] = np.count_nonzero(truth, axis=(1, 2)) / truth[0].size
        if isinstance(self.task, DetectionBenchmark):
            area[~self.task.sounding] = np.nan
        return area


def score_arrays(
    arrays: Arrays,
    kind: str | None = None,
    benchmark: str | None = None,
    annotations: Path | None = None,
    media: Path | None = None,
    resize: str | None = None,
) -> Scored:
    """Score maps (`maps`, and `object_maps` for OGL) or embeddings (`image` and `audio`, ranked by
    their cosine) that any method made.

    `kind` is one of `TASKS`, None for what the benchmark or the truth says. What they are scored
    against, and what is raised, is said by `task_of`. `resize` replaces the protocol's form.
    """
    if kind is not None and kind not in TASKS:
        raise InputError(f"score {kind!r}: expected one of {', '.join(TASKS)}")
    if resize is not None and resize not in RESIZES:
        raise InputError(f"resize {resize!r}: expected one of {', '.join(RESIZES)}")
    made = annotations is not None and (annotations / "scenes.json").is_file()
    if kind == "retrieval" or (kind is None and "maps" not in arrays and "image" in arrays):
        if resize is not None:
            raise InputError("resize: retrieval has no maps to resize")
        image, audio = arrays.embeddings()
        task = task_of("retrieval", arrays, len(image), benchmark, annotations)
        predictions = Predictions(similarities={"cosine": cosine_similarities(image, audio)})
        return Scored("retrieval", benchmark, task, task.score(predictions), made)
    maps = arrays.maps()
    objects = arrays.maps("object_maps", len(maps)) if "object_maps" in arrays else None
    task = task_of(kind, arrays, len(maps), benchmark, annotations, media)
    if isinstance(task, RetrievalBenchmark):
        raise InputError(f"benchmark {benchmark}: is retrieval; expected image and audio, not maps")
    if resize is not None:
        task = replace(task, resize=resize)
    return Scored(kind_of(task), benchmark, task, task.score(Predictions(maps, objects)), made)
