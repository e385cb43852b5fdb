"""The toy's scenes as a benchmark: does the map follow the sound.

Boxes saturate on large objects, so the visible masks decide here: pointing, and the audio swap,
which plays a silent object's sound (another clip's of its class) over the same frame. Every number
is given over all scenes, over those with a silent object (`_distractors`), where the texture of a
frame alone gives less away, and by the size of what sounds (`parts.py`). The price is that masks
exist only where a world is made.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

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
    checked_similarities,
    counted,
    sample_columns,
)
from pipeline.benchmarks.metrics.bootstrap import with_intervals
from pipeline.benchmarks.metrics.detection import confidences, score_maps
from pipeline.benchmarks.metrics.localization import localize, pointing, success_table
from pipeline.benchmarks.metrics.rasters import WHOLE, fraction_boxes, resize_mask
from pipeline.benchmarks.tasks.parts import localization_scores, size_bands
from pipeline.benchmarks.tasks.retrieval import part_scores, score_similarities
from pipeline.corpora.ground_truth import Distractor, Scene, read_mask

_MASKS = 64


@dataclass
class ScenesBenchmark(Defaults):
    """Samples are the scenes with their own sounds, then the audio swaps.

    `scenes` (n) are the present scenes in the order of the first n samples. Swap j is sample n + j:
    scene `swaps[j][0]` under the sound of its silent object `swaps[j][1]`. `windows` are what the
    samples' frames show of their pictures, all of it where None.
    """

    scenes: list[Scene]
    swaps: list[tuple[int, int]]
    samples: list[Sample]
    official_count: int
    resize: str = "half-pixel"
    windows: Sequence[Window] | None = None

    @property
    def retrieval_count(self) -> int:
        """The scenes with their own sounds."""
        return len(self.scenes)

    @cached_property
    def _objects(self) -> list[Scene | Distractor]:
        """What each sample's sound belongs to: in a swap the object that is silent in the clip."""
        silent = [self.scenes[scene].distractors[item] for scene, item in self.swaps]
        return [*self.scenes, *silent]

    @property
    def labels(self) -> list[str]:  # type: ignore[override]
        """See `Benchmark.labels`; in a swap the class of the silent object."""
        return [item.label for item in self._objects]

    def outline(self, place: int) -> np.ndarray:
        """See `Benchmark.outline`: the visible mask."""
        return self.masks(place, place + 1)[0]

    def through(self, windows: Sequence[Window]) -> "ScenesBenchmark":
        """See `Benchmark.through`."""
        return replace(self, windows=windows)

    def _shown(self, start: int, stop: int) -> Iterator[tuple[Scene | Distractor, Window]]:
        """What the sounds of some samples belong to, and what their frames show."""
        windows = self.windows or [WHOLE] * len(self.samples)
        return zip(self._objects[start:stop], windows[start:stop], strict=True)

    @cached_property
    def _packed(self) -> np.ndarray:
        """The masks of all samples as bits, since the baselines ask for them as the run does."""
        shown = self._shown(0, len(self.samples))
        masks = (resize_mask(read_mask(item.mask), window) for item, window in shown)
        return np.stack([np.packbits(mask, axis=1) for mask in masks])

    def masks(self, start: int, stop: int) -> np.ndarray:
        """The visible masks of what samples `start` to `stop` sound like, bool (n, 224, 224)."""
        return np.unpackbits(self._packed[start:stop], axis=2).astype(np.bool_)

    def ground_truth(self, start: int, stop: int) -> np.ndarray:
        """See `Benchmark.ground_truth`: the boxes' union; in a swap those of the silent object."""
        shown = self._shown(start, stop)
        return np.stack([fraction_boxes(item.boxes, window) for item, window in shown])

    def score(self, predictions: Predictions) -> Scores:
        """See `Benchmark.score`.

        cIoU, AUC and their adaptive forms against boxes; `pointing` on visible masks; `swap` the
        share of swaps whose maximum moves into the silent object, `both` of those that point right
        with either sound; retrieval where there are similarities, `_single` among the scenes with
        one object.
        """
        count, scenes = len(self.samples), len(self.scenes)
        maps = checked_maps(predictions.maps, count)
        object_maps = checked_object_maps(predictions, count)
        columns = localize(maps, self.ground_truth, self.resize, object_maps, predictions.form)
        right = np.concatenate(
            [
                pointing(maps[start : start + _MASKS], self.masks(start, start + _MASKS))
                for start in range(0, count, _MASKS)
            ]
        )
        crowded = np.array([bool(scene.distractors) for scene in self.scenes])
        own = {name: values[:scenes] for name, values in columns.items()}
        chosen = {"": np.ones(scenes, dtype=np.bool_), "_distractors": crowded}
        chosen |= {f"@{name}": rows for name, rows in size_bands(own["area"]).items()}
        metrics: dict[str, float] = {}
        for suffix, members in chosen.items():
            if members.any():
                part = {name: values[members] for name, values in own.items()}
                metrics.update(localization_scores(part, suffix))
                metrics.update(with_intervals({}, {"pointing": right[:scenes][members]}, suffix))
                metrics[f"samples{suffix}"] = int(members.sum())
        if self.swaps:
            swapped = right[scenes:]
            first = right[[scene for scene, _ in self.swaps]]
            metrics.update(with_intervals({}, {"swap": swapped, "both": swapped & first}))
            metrics["samples_swap"] = len(self.swaps)
        rows: dict[str, object] = {**columns, "pointing": right}
        rows["confidence"] = confidences(score_maps(maps))
        rows["swap"] = np.arange(count) >= scenes
        if predictions.similarities:
            blocks = checked_similarities(predictions.similarities, scenes)
            classes = [scene.label for scene in self.scenes]
            more, ranks = score_similarities(blocks, classes)
            metrics.update(more)
            metrics.update(part_scores(blocks, ~crowded, classes, "_single"))
            nothing = pa.nulls(count - scenes, pa.int64())
            for name, values in ranks.items():
                if "precision" in name:
                    continue
                rows[name] = pa.concat_arrays([pa.array(values), nothing])
        return Scores(
            counted(metrics, scenes, self.official_count),
            pa.table({**sample_columns(self.samples), **rows}),
            {"success": success_table(own)},
        )
