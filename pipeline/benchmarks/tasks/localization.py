"""Localization as a benchmark: cIoU and AUC of maps against boxes (Tables 1 to 4)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from pipeline.benchmarks.contract import (
    Defaults,
    Predictions,
    Sample,
    Scores,
    Window,
    checked_maps,
    checked_object_maps,
    counted,
    sample_columns,
)
from pipeline.benchmarks.metrics.bootstrap import with_intervals
from pipeline.benchmarks.metrics.detection import confidences, score_maps
from pipeline.benchmarks.metrics.localization import (
    IOU_COLUMNS,
    IOU_THRESHOLD,
    area_under_success,
    localize,
    success_rate,
    success_table,
    weakest_of_group,
)
from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
from pipeline.benchmarks.tasks.parts import (
    Parts,
    localization_parts,
    localization_scores,
    select_parts,
    size_bands,
)
from pipeline.corpora.ground_truth import Boxes


@dataclass
class LocalizationBenchmark(Defaults):
    """cIoU and AUC, plain and adaptive, with OGL where there are object maps; at half of the maps'
    range (`_half`, as SSPL is published); and in the method's own published form (`_published`).

    They are repeated over `parts` of the samples, bool (N,) by name, and over the bands of size.
    `images` names the image of each sample where one image has several sounding objects, and
    `image_sizes` how many; IIoU and IAUC then count the images whose objects are all present.
    `groups` stands in place of `images` where other samples than those of one image count together.
    `counts` are parts whose numbers alone stand among the metrics, under names that begin with
    'samples'.
    """

    samples: list[Sample]
    official_count: int
    truth: Truth
    resize: str = "half-pixel"
    images: Sequence[str] = ()
    image_sizes: Mapping[str, int] | None = None
    labels: Sequence[str] = ()
    parts: Parts = field(default_factory=dict)
    counts: Parts = field(default_factory=dict)
    groups: Sequence[str] = ()

    def ground_truth(self, start: int, stop: int) -> np.ndarray:
        """See `Benchmark.ground_truth`."""
        return self.truth.maps(start, stop)

    def select(self, rows: Sequence[int]) -> "LocalizationBenchmark":
        """The same with some of the samples, in the given order."""
        images = [self.images[row] for row in rows] if self.images else ()
        labels = [self.labels[row] for row in rows] if self.labels else ()
        groups = [self.groups[row] for row in rows] if self.groups else ()
        samples = [self.samples[row] for row in rows]
        truth = self.truth.select(rows)
        return replace(
            self,
            samples=samples,
            truth=truth,
            images=images,
            labels=labels,
            groups=groups,
            parts=select_parts(self.parts, rows),
            counts=select_parts(self.counts, rows),
        )

    def through(self, windows: Sequence[Window]) -> "LocalizationBenchmark":
        """See `Benchmark.through`."""
        return replace(self, truth=self.truth.through(windows))

    def score(self, predictions: Predictions) -> Scores:
        """See `Benchmark.score`. `confidence` is the mean of the top quarter of the raw map's
        cells as (cosine + 1) / 2."""
        maps = checked_maps(predictions.maps, len(self.samples))
        object_maps = checked_object_maps(predictions, len(self.samples))
        columns = localize(maps, self.truth.maps, self.resize, object_maps, predictions.form)
        metrics = localization_scores(columns)
        if self.image_sizes is not None:
            metrics.update(self._interactive(columns))
        parts = {**self.parts, **size_bands(columns["area"])}
        metrics.update(localization_parts(columns, parts))
        metrics.update({name: int(rows.sum()) for name, rows in self.counts.items()})
        rows = {**columns, "confidence": confidences(score_maps(maps))}
        return Scores(
            counted(metrics, len(self.samples), self.official_count),
            pa.table({**sample_columns(self.samples), **rows}),
            {"success": success_table(columns)},
        )

    def _interactive(self, columns: dict[str, np.ndarray]) -> dict[str, float]:
        assert self.image_sizes is not None
        groups = self.groups or self.images
        present = Counter(groups)
        complete = np.array([present[name] == self.image_sizes[name] for name in groups])
        images = np.array(groups)[complete]
        metrics: dict[str, float] = {
            "images": len(set(images)),
            "official_images": len(self.image_sizes),
        }
        hits = {}
        for name, suffix in IOU_COLUMNS.items():
            if name in columns and len(images):
                weakest = weakest_of_group(columns[name][complete], images)
                metrics[f"IIoU{suffix}"] = 100 * success_rate(weakest)
                metrics[f"IAUC{suffix}"] = 100 * area_under_success(weakest)
                hits[f"IIoU{suffix}"] = weakest >= IOU_THRESHOLD
        return with_intervals(metrics, hits)


def boxes_benchmark(entries: Sequence[Boxes]) -> LocalizationBenchmark:
    """All entries of a list in the form of VGG-SS, a sample each: a clip's own frame and sound."""
    return LocalizationBenchmark(
        [Sample(entry.clip_id, entry.clip_id, entry.clip_id) for entry in entries],
        official_count=len(entries),
        truth=Truth([entry.boxes for entry in entries], fraction_boxes),
        labels=[entry.label for entry in entries],
    )
