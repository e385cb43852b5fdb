"""Cross-modal retrieval as a benchmark: R@k both ways (Table 6)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pyarrow as pa

from pipeline.benchmarks.contract import (
    Defaults,
    Predictions,
    Sample,
    Scores,
    checked_similarities,
    counted,
    sample_columns,
)
from pipeline.benchmarks.metrics.retrieval import DIRECTIONS, best_answers, retrieval_metrics


@dataclass
class RetrievalBenchmark(Defaults):
    """R@k both ways for each similarity, and class metrics where `classes` are known.

    The default similarity (s_A where there is one) has the plain names; another carries its own,
    as in `R@1_a2i_s_L`.
    """

    samples: list[Sample]
    official_count: int
    classes: Sequence[str] | None = None

    wants_maps: ClassVar[bool] = False

    @property
    def retrieval_count(self) -> int:
        """All samples."""
        return len(self.samples)

    def ground_truth(self, start: int, stop: int) -> np.ndarray:
        """Retrieval has none: an empty (0, 224, 224)."""
        return np.zeros((0, 224, 224), dtype=np.bool_)

    def select(self, rows: Sequence[int]) -> "RetrievalBenchmark":
        """The same with some of the samples, in the given order."""
        classes = None if self.classes is None else [self.classes[row] for row in rows]
        return replace(self, samples=[self.samples[row] for row in rows], classes=classes)

    def score(self, predictions: Predictions) -> Scores:
        """See `Benchmark.score`. `answers_*` are the ids of the samples that the default similarity
        ranks first."""
        count = len(self.samples)
        blocks = checked_similarities(predictions.similarities, count)
        metrics, ranks = score_similarities(blocks, self.classes)
        columns: dict[str, object] = {**sample_columns(self.samples), **ranks}
        ids = [sample.sample_id for sample in self.samples]
        for direction in DIRECTIONS:
            answers = best_answers(next(iter(blocks.values())), direction)
            columns[f"answers_{direction}"] = [[ids[n] for n in row] for row in answers.tolist()]
        rows = pa.table(columns)
        return Scores(counted(metrics, count, self.official_count), rows)


def score_similarities(
    blocks: dict[str, np.ndarray], classes: Sequence[str] | None, suffix: str = ""
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Retrieval metrics and rank columns of several similarities, the first of them the default.

    Names end in `suffix`, and before it in the similarity's name for all but the first.
    """
    metrics: dict[str, float] = {}
    columns: dict[str, np.ndarray] = {}
    for number, (name, matrix) in enumerate(blocks.items()):
        own = f"_{name}{suffix}" if number else suffix
        more_metrics, more_columns = retrieval_metrics(matrix, classes, own)
        metrics.update(more_metrics)
        columns.update(more_columns)
    return metrics, columns


@dataclass
class SceneRetrievalBenchmark(RetrievalBenchmark):
    """Retrieval, repeated over the samples named in `single` among themselves."""

    single: frozenset[str] = frozenset()

    def score(self, predictions: Predictions) -> Scores:
        """See `Benchmark.score`."""
        scores = super().score(predictions)
        scores.metrics.update(
            single_metrics(
                checked_similarities(predictions.similarities, len(self.samples)),
                [sample.sample_id in self.single for sample in self.samples],
                self.classes,
            )
        )
        return scores


def single_metrics(
    blocks: dict[str, np.ndarray], single: Sequence[bool], classes: Sequence[str] | None
) -> dict[str, float]:
    """Retrieval metrics among the pairs marked `single` alone, names ending in `_single`, with
    their number as `samples_single`; nothing where none is marked."""
    rows = np.flatnonzero(single)
    if not len(rows):
        return {}
    chosen = {name: matrix[np.ix_(rows, rows)] for name, matrix in blocks.items()}
    labels = None if classes is None else [classes[row] for row in rows.tolist()]
    metrics, _ = score_similarities(chosen, labels, "_single")
    return {**metrics, "samples_single": len(rows)}
