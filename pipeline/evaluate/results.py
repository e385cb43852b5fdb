"""A results folder: what a benchmark gave, and the benchmark that it has to be.

`details/<benchmark>/samples.parquet` has a row a sample, `details/<benchmark>/maps.npy` the maps
(samples, h, w) float32 where the benchmark scores some, `curves/<benchmark>/` its curves as tables
of text, and `metrics.json` the numbers of all benchmarks.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.base.files import write_json, write_npy, write_parquet, write_tsv
from pipeline.benchmarks import Benchmark, Scores, open_benchmark
from pipeline.benchmarks.manifest import describe
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError


def open_promised(
    name: str, annotations: Path, corpus: DecodedCorpus, media: Path, promised: object
) -> Benchmark:
    """The benchmark `name` of a corpus as `open_benchmark` opens it. Raises `InputError` where it
    is not what `promised` (see `describe`) says, besides what that raises."""
    benchmark = open_benchmark(name, annotations, corpus, media)
    if describe(name, benchmark) != promised:
        raise InputError(
            f"{annotations}: benchmark {name} has changed since stage tests looked at it, expected "
            f"the same; run dvc repro, or avloc tests first"
        )
    return benchmark


def write_result(folder: Path, name: str, scores: Scores, maps: np.ndarray | None) -> None:
    """Write what benchmark `name` gave but for its metrics; each file whole or not at all."""
    details = folder / "details" / name
    write_parquet(details / "samples.parquet", scores.rows)
    if maps is not None:
        write_npy(details / "maps.npy", maps)
    for curve, table in scores.curves.items():
        write_tsv(folder / "curves" / name / f"{curve}.tsv", table)


def write_metrics(folder: Path, metrics: Mapping[str, Mapping[str, float]]) -> None:
    """Write the metrics of all benchmarks, by their names: the last file of a results folder."""
    (folder / "curves").mkdir(parents=True, exist_ok=True)  # where DVC looks, though none has any
    write_json(folder / "metrics.json", metrics)
