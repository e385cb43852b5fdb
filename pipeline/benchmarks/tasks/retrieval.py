"""Cross-modal retrieval as a benchmark: R@k both ways (Table 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from pipeline.benchmarks.metrics.retrieval import (
    DIRECTIONS,
    best_answers,
    retrieval_metrics,
    retrieval_ranks,
)
from pipeline.benchmarks.tasks.parts import Parts, select_parts

# Queries whose clip the method was not trained on, among all answers.
UNSEEN = "@unseen"


@dataclass
class RetrievalBenchmark(Defaults):
    """R@k both ways for each similarity, and class metrics where `classes` are known.

    The default similarity (s_A where there is one) has the plain names; another carries its own,
    as in `R@1_a2i_s_L`. Where it is known what the method was trained on, all is counted over the
    other queries as well (`@unseen`); a clip seen in training brings its partner with it. The
    `parts` of the samples are sets of their own: queries and answers are both of the part
    (`@<part>`, `@<part>-unseen`), and so is `single` (`_single`), the toy's scenes with one object.
    """

    samples: list[Sample]
    official_count: int
    classes: Sequence[str] | None = None
    parts: Parts = field(default_factory=dict)
    single: np.ndarray | None = None

    wants_maps: ClassVar[bool] = False

    @property
    def retrieval_count(self) -> int:
        """All samples."""
        return len(self.samples)

    @property
    def labels(self) -> Sequence[str]:  # type: ignore[override]
        """See `Benchmark.labels`."""
        return self.classes or ()

    def ground_truth(self, start: int, stop: int) -> np.ndarray:
        """Retrieval has none: an empty (0, 224, 224)."""
        return np.zeros((0, 224, 224), dtype=np.bool_)

    def outline(self, place: int) -> np.ndarray:
        """See `Benchmark.outline`: nothing is known."""
        return np.zeros((224, 224), dtype=np.bool_)

    def select(self, rows: Sequence[int]) -> "RetrievalBenchmark":
        """The same with some of the samples, in the given order."""
        classes = None if self.classes is None else [self.classes[row] for row in rows]
        samples = [self.samples[row] for row in rows]
        single = None if self.single is None else self.single[np.array(rows, dtype=np.int64)]
        parts = select_parts(self.parts, rows)
        return replace(self, samples=samples, classes=classes, parts=parts, single=single)

    def score(self, predictions: Predictions) -> Scores:
        """See `Benchmark.score`. `answers_*` are the ids of the samples that the default similarity
        ranks first."""
        count = len(self.samples)
        blocks = checked_similarities(predictions.similarities, count)
        unseen = self._unseen(predictions)
        metrics, ranks = score_similarities(blocks, self.classes, "", unseen)
        for name, members in self.parts.items():
            metrics.update(part_scores(blocks, members, self.classes, f"@{name}", unseen))
        if self.single is not None:
            metrics.update(part_scores(blocks, self.single, self.classes, "_single"))
        columns: dict[str, object] = {
            **sample_columns(self.samples),
            **{name: values for name, values in ranks.items() if "precision" not in name},
        }
        ids = [sample.sample_id for sample in self.samples]
        for direction in DIRECTIONS:
            answers = best_answers(next(iter(blocks.values())), direction)
            columns[f"answers_{direction}"] = [[ids[n] for n in row] for row in answers.tolist()]
        rows = pa.table(columns)
        return Scores(counted(metrics, count, self.official_count), rows)

    def _unseen(self, predictions: Predictions) -> np.ndarray | None:
        """Which pairs the method was not trained on, bool (N,); None where nobody knows."""
        if predictions.trained is None:
            return None
        trained = frozenset(predictions.trained)
        return np.array(
            [trained.isdisjoint((sample.frame_clip, sample.sound_clip)) for sample in self.samples],
            dtype=np.bool_,
        )


def score_similarities(
    blocks: Mapping[str, np.ndarray],
    classes: Sequence[str] | None,
    part: str = "",
    unseen: np.ndarray | None = None,
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Retrieval metrics and rank columns of several similarities (N, N), the first the default.

    Names of all others end in the similarity's name; those of metrics end in `part` after it. With
    `unseen` (N,) bool, metrics are repeated over those queries, `samples@unseen` of them.
    """
    metrics: dict[str, float] = {}
    columns: dict[str, np.ndarray] = {}
    others = UNSEEN if "@" not in part else f"{part}-{UNSEEN[1:]}"
    for number, (name, matrix) in enumerate(blocks.items()):
        own = f"_{name}" if number else ""
        ranks = retrieval_ranks(matrix, classes, own)
        metrics.update(retrieval_metrics(ranks, own, part))
        if unseen is not None and unseen.any():
            chosen = {column: values[unseen] for column, values in ranks.items()}
            metrics.update(retrieval_metrics(chosen, own, others))
        columns.update(ranks)
    if unseen is not None:
        metrics[f"samples{others}"] = int(unseen.sum())
    return metrics, columns


def part_scores(
    blocks: Mapping[str, np.ndarray],
    members: np.ndarray,
    classes: Sequence[str] | None,
    part: str,
    unseen: np.ndarray | None = None,
) -> dict[str, float]:
    """Retrieval metrics among the pairs of `members` (N,) bool alone, names ending in `part`, with
    their number as `samples<part>`; nothing where there is none."""
    rows = np.flatnonzero(members)
    if not len(rows):
        return {}
    chosen = {name: matrix[np.ix_(rows, rows)] for name, matrix in blocks.items()}
    labels = None if classes is None else [classes[row] for row in rows.tolist()]
    fewer = None if unseen is None else unseen[rows]
    metrics, _ = score_similarities(chosen, labels, part, fewer)
    return {**metrics, f"samples{part}": len(rows)}
