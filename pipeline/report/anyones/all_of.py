"""A file of maps on all benchmarks of a corpus: those whose samples it has are scored."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from pipeline.benchmarks.contract import Benchmark, Predictions, Scores
from pipeline.benchmarks.metrics.baselines import centre_maps, random_maps
from pipeline.errors import InputError
from pipeline.report.anyones.arrays import Arrays
from pipeline.report.anyones.ids import sample_id_of


class Evaluated(NamedTuple):
    """Metrics of maps and, behind a dot, of two baselines; their rows and curves, and the maps in
    the order of the samples, (samples, h, w) float32."""

    metrics: dict[str, float]
    scores: Scores
    maps: np.ndarray


def evaluate_maps(
    arrays: Arrays, benchmarks: Mapping[str, Benchmark], seed: int
) -> tuple[dict[str, Evaluated], dict[str, str]]:
    """The maps on each of `benchmarks` that they are enough for, and why on the others they are
    not, both by name.

    The file has `ids` and a map for each; it may hold more than one benchmark asks for, so that one
    file serves all that share clips. A benchmark of which a sample is missing is not scored: its
    row would stand beside rows over other samples. `seed` is the random baseline's. Raises
    `InputError` for a wrong file, and where no benchmark is scored.
    """
    maps = arrays.maps()
    objects = arrays.maps("object_maps", len(maps)) if "object_maps" in arrays else None
    ids = arrays.ids(len(maps))
    found: dict[str, Evaluated] = {}
    left_out: dict[str, str] = {}
    for name, benchmark in benchmarks.items():
        if not benchmark.wants_maps or benchmark.retrieval_count:
            left_out[name] = "takes more than maps"
            continue
        samples = [sample.sample_id for sample in benchmark.samples]
        rows = _rows(arrays, ids, samples)
        missing = [sample for sample in samples if sample not in rows]
        if missing or not samples:
            example = f", {missing[0]} first" if missing else ""
            left_out[name] = f"no map of {len(missing)} of its {len(samples)} samples{example}"
            continue
        chosen = np.array([rows[sample] for sample in samples], dtype=np.int64)
        ours = Predictions(
            np.ascontiguousarray(maps[chosen], dtype=np.float32),
            None if objects is None else objects[chosen],
        )
        found[name] = _evaluate(benchmark, ours, seed)
    if not found:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise InputError(f"{arrays.place}: no benchmark can be scored: {reasons}")
    return found, left_out


def _rows(arrays: Arrays, ids: list[str], samples: list[str]) -> dict[str, int]:
    known = set(samples)
    rows: dict[str, int] = {}
    for row, text in enumerate(ids):
        sample = sample_id_of(text, known)
        if sample in rows:
            raise arrays.fail("ids", f"{sample} twice", "each once")
        rows[sample] = row
    return rows


def _evaluate(benchmark: Benchmark, ours: Predictions, seed: int) -> Evaluated:
    assert ours.maps is not None
    scores = benchmark.score(ours)
    metrics: dict[str, float] = {}
    count, height, width = ours.maps.shape
    beside = {
        "random": benchmark.score(Predictions(random_maps(count, height, width, seed))).metrics,
        "centre": benchmark.score(Predictions(centre_maps(count, height, width))).metrics,
    }
    for metric, value in scores.metrics.items():
        metrics[metric] = value
        counts = metric.startswith(("samples", "official_samples"))
        for name, theirs in beside.items():
            if metric in theirs and not counts and ":" not in metric:  # no intervals
                metrics[f"{metric}.{name}"] = theirs[metric]
    return Evaluated(metrics, scores, ours.maps)
