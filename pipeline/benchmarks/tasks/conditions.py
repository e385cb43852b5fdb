"""Does the map follow the sound under each condition that people are tested under, and does it know
when nothing in the picture is heard.

A condition is a part of the samples (`parts.py`), so its row has the baselines and the bound of
every other score. Truths are visible masks for pointing and boxes for overlaps, as in `scenes.py`.
Where several objects sound, a map is right to point into any of them; whether it lights them all is
asked by the weakest, as IS3's IIoU does: each one's mask has a higher mean than all that does not
sound and than each silent object. An IoU says little here, since two objects fill so much of a
frame that a blob in its centre has half of each. An absent source has no right place; there the
question is whether the map, or s_L, is lower than under sounds of what is seen. The price of the
parts is that there is no one number for the whole.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from pipeline.benchmarks.metrics.detection import (
    average_precision,
    confidences,
    ranked_right,
    score_maps,
)
from pipeline.benchmarks.metrics.heatmaps import SIDE, resize_maps
from pipeline.benchmarks.metrics.localization import lit_above, localize, pointing
from pipeline.benchmarks.metrics.rasters import WHOLE, fraction_boxes, resize_mask
from pipeline.benchmarks.tasks.parts import localization_scores, size_bands
from pipeline.corpora.ground_truth import Distractor, Scene, SeenObject, read_mask

# In the order of the samples: those that detection compares come first.
CONGRUENT, ABSENT, SEVERAL = "congruent", "absent", "several"
CONDITIONS = (CONGRUENT, ABSENT, "conflicting", "laid-over", SEVERAL)
_MASKS = 64


@dataclass(frozen=True)
class Asked:
    """A pair, the condition that it is under, what sounds in its frame, nothing where the source is
    absent, and, where several sound, what is silent there."""

    sample: Sample
    condition: str
    sounding: Sequence[Scene | Distractor | SeenObject]
    silent: Sequence[SeenObject] = ()


@dataclass
class ConditionsBenchmark(Defaults):
    """The pairs `asked`, in the order of `CONDITIONS`. `windows` are what their frames show of
    their pictures, all of it where None."""

    asked: list[Asked]
    official_count: int
    resize: str = "half-pixel"
    windows: Sequence[Window] | None = None

    @cached_property
    def samples(self) -> list[Sample]:
        """The pairs."""
        return [item.sample for item in self.asked]

    @cached_property
    def parts(self) -> dict[str, np.ndarray]:
        """Which pairs are under each condition, bool (N,)."""
        conditions = np.array([item.condition for item in self.asked])
        return {name: conditions == name for name in CONDITIONS}

    @property
    def retrieval_count(self) -> int:
        """The congruent and the absent ones, whose own similarities are compared."""
        return sum(item.condition in (CONGRUENT, ABSENT) for item in self.asked)

    @property
    def labels(self) -> list[str]:  # type: ignore[override]
        """See `Benchmark.labels`: '' where not exactly one object sounds."""
        return [i.sounding[0].label if len(i.sounding) == 1 else "" for i in self.asked]

    def outline(self, place: int) -> np.ndarray:
        """See `Benchmark.outline`: the visible masks together."""
        return self.masks(place, place + 1)[0]

    def through(self, windows: Sequence[Window]) -> "ConditionsBenchmark":
        """See `Benchmark.through`."""
        return replace(self, windows=windows)

    def _shown(self, start: int, stop: int) -> Iterator[tuple[Asked, Window]]:
        windows = self.windows or [WHOLE] * len(self.asked)
        return zip(self.asked[start:stop], windows[start:stop], strict=True)

    @cached_property
    def _packed(self) -> list[np.ndarray]:
        """The masks of each sample's objects as bits: the baselines ask for them as the run does,
        and reading the files takes most of the time of scoring."""
        return [
            np.packbits(_masks_of(item.sounding, window), axis=2)
            for item, window in self._shown(0, len(self.asked))
        ]

    def object_masks(self, place: int) -> np.ndarray:
        """The visible mask of each object that sounds in a sample, bool (objects, 224, 224)."""
        return np.unpackbits(self._packed[place], axis=2).astype(np.bool_)

    def masks(self, start: int, stop: int) -> np.ndarray:
        """The visible masks of all that sounds in samples `start` to `stop`, bool (n, 224, 224)."""
        together = [np.bitwise_or.reduce(bits, axis=0) for bits in self._packed[start:stop]]
        return np.unpackbits(np.stack(together), axis=2).astype(np.bool_)

    def ground_truth(self, start: int, stop: int) -> np.ndarray:
        """See `Benchmark.ground_truth`: the union of the boxes of what sounds."""
        return np.stack(
            [
                fraction_boxes([box for each in item.sounding for box in each.boxes], window)
                for item, window in self._shown(start, stop)
            ]
        )

    def score(self, predictions: Predictions) -> Scores:
        """See `Benchmark.score`.

        Behind `@<condition>` cIoU, AUC, their adaptive forms and `pointing` of the pairs under it;
        `all_lit@several` the share of clips in which each sounding object is hotter than the rest.
        The bands of size are of congruent pairs. `AP_absent_<score>` and `ROC_absent_<score>` say
        how well an absent source is told from congruent pairs by a low score: the map's maximum,
        `confidence`, or a similarity by its name.
        """
        maps = checked_maps(predictions.maps, len(self.asked))
        object_maps = checked_object_maps(predictions, len(self.asked))
        parts = self.parts
        true = ~parts[ABSENT]
        columns = localize(maps, self.ground_truth, self.resize, object_maps, predictions.form)
        right = np.concatenate(
            [
                pointing(maps[start : start + _MASKS], self.masks(start, start + _MASKS))
                for start in range(0, len(maps), _MASKS)
            ]
        )
        lit = self._lit(maps, parts[SEVERAL])
        chosen = {name: rows & true for name, rows in parts.items()}
        bands = size_bands(columns["area"])
        chosen |= {name: rows & parts[CONGRUENT] for name, rows in bands.items()}
        metrics: dict[str, float] = {}
        for name, members in chosen.items():
            if not members.any():
                continue
            own = {column: values[members] for column, values in columns.items()}
            metrics.update(localization_scores(own, f"@{name}"))
            hits = {"pointing": right[members]}
            if name == SEVERAL:
                hits["all_lit"] = lit[members]
            metrics.update(with_intervals({}, hits, f"@{name}"))
            metrics[f"samples@{name}"] = int(members.sum())
        sureness = confidences(score_maps(maps))
        compared = parts[CONGRUENT] | parts[ABSENT]
        scores = {"maximum": maps.max(axis=(1, 2))[compared], "confidence": sureness[compared]}
        if predictions.similarities:
            blocks = checked_similarities(predictions.similarities, self.retrieval_count)
            scores |= {name: np.diagonal(block) for name, block in blocks.items()}
        metrics.update(absent_metrics(scores, parts[ABSENT][compared]))
        rows: dict[str, object] = {
            "condition": [item.condition for item in self.asked],
            **{name: pa.array(values, mask=~true) for name, values in columns.items()},
            "pointing": right,
            "all_lit": pa.array(lit, mask=~parts[SEVERAL]),
            "confidence": sureness,
        }
        return Scores(
            counted(metrics, len(self.asked), self.official_count),
            pa.table({**sample_columns(self.samples), **rows}),
        )

    def _lit(self, maps: np.ndarray, several: np.ndarray) -> np.ndarray:
        """Whether every object that sounds in some samples is hotter than the rest, bool (N,)."""
        lit = np.zeros(len(maps), dtype=np.bool_)
        for place in np.flatnonzero(several).tolist():
            heat = resize_maps(maps[place : place + 1], self.resize)[0]
            masks = self.object_masks(place)
            ((item, window),) = self._shown(place, place + 1)
            rest = ~masks.any(axis=0, keepdims=True)
            others = np.concatenate([rest, _masks_of(item.silent, window)])
            lit[place] = lit_above(heat, masks, others)
        return lit


def _masks_of(objects: Sequence[Scene | Distractor | SeenObject], window: Window) -> np.ndarray:
    """Bool (objects, 224, 224); of no object (0, 224, 224)."""
    masks = np.zeros((len(objects), SIDE, SIDE), dtype=np.bool_)
    for mask, item in zip(masks, objects, strict=True):
        mask[:] = resize_mask(read_mask(item.mask), window)
    return masks


def absent_metrics(scores: Mapping[str, np.ndarray], absent: np.ndarray) -> dict[str, float]:
    """AP and the area under the ROC curve, in per cent, of finding the `absent` (N,) bool by low
    `scores` (N,), by their names; none where all or none are absent."""
    measures: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
        "AP": average_precision,
        "ROC": ranked_right,
    }
    if absent.all() or not absent.any():
        return {}
    return {
        f"{measure}_absent_{name}": 100 * compute(-values.astype(np.float64), absent)
        for name, values in scores.items()
        for measure, compute in measures.items()
    }
