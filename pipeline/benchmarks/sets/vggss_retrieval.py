"""Cross-modal retrieval over all VGG-SS pairs (Table 6), with the classes of `vggss.json`.

The paper scores instances only; class metrics are added because a set with several clips of a
class cannot be ranked perfectly by anyone. Beside the toy's `scenes.json`, all numbers are given
once more over the scenes with a single object (`_single`), where a frame does not have two right
sounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.benchmarks.contract import (
    Available,
    Predictions,
    Sample,
    Scores,
    available_rows,
    checked_similarities,
)
from pipeline.benchmarks.sets.vggss import read_subset
from pipeline.benchmarks.tasks import RetrievalBenchmark, score_similarities
from pipeline.corpora.ground_truth import read_scenes


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


def open_retrieval(
    name: str, annotations: Path, available: Available, media: Path | None
) -> RetrievalBenchmark:
    """'retrieval', see `open_benchmark`."""
    entries = read_subset("vggss", annotations)
    samples = [Sample(entry.clip_id, entry.clip_id, entry.clip_id) for entry in entries]
    classes = [entry.label for entry in entries]
    scenes = annotations / "scenes.json"
    single = frozenset(
        scene.clip_id
        for scene in (read_scenes(scenes) if scenes.is_file() else [])
        if not scene.distractors
    )
    benchmark = SceneRetrievalBenchmark(samples, len(samples), classes, single)
    return benchmark.select(available_rows(samples, available))
