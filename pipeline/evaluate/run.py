"""A run on the benchmarks of one corpus, a task each: in this process, or on a Ray cluster.

A benchmark's results are a piece (`pipeline.base.pieces`), a folder that gets its name when it is
whole; they are moved to their place when all are there. So an evaluation that was killed goes on
after its last finished benchmark, and one that is given to two nodes, since the first was taken for
lost, is of one of them. A process opens the method, the corpus and the object maps once.
"""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from pipeline.base.code import fingerprint, hash_of_code
from pipeline.base.files import move_file, read_json, write_json
from pipeline.base.pieces import finish_piece, is_whole, remove_pieces
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.flow import FOLDER
from pipeline.corpora.lists import read_clip_list
from pipeline.encoders.imagenet import image_weights_file
from pipeline.evaluate.results import write_metrics, write_result
from pipeline.evaluate.scorer import Inputs, Scorer
from pipeline.execution.pool import Report, Whole
from pipeline.execution.progress import console, quietly, track
from pipeline.execution.run import HERE, Engine, run
from pipeline.methods.common.files import load_weights, method_in
from pipeline.networks.device import best_device


def evaluate_run(
    weights: Path,
    training_clips: Path,
    inputs: Inputs,
    benchmarks: Mapping[str, object],
    folder: Path,
    *,
    work: Path,
    engine: Engine = HERE,
) -> Iterator[tuple[str, dict[str, float]]]:
    """Score the method in the file `weights` and write its results into `folder`, as
    `pipeline.evaluate.results` describes them; yields each benchmark's name and metrics as soon as
    they are there, in any order. The folder is written at the end.

    `benchmarks` are the names in the order of metrics.json, and what each has to be (see
    `describe`); `training_clips` is the list that the method was trained on. Finished benchmarks
    wait in `work` until all are; `engine` says where they are scored: one after the other in this
    process, or on a Ray cluster, where machines of one kind give the same bytes. Raises
    `InputError` as `Scorer` does, and for a benchmark that is not what it has to be.
    """
    DecodedCorpus(inputs.decoded, inputs.spectrograms)  # tells what is missing before any work
    names = dict(zip(benchmarks, _names(weights, training_clips, inputs, benchmarks), strict=True))
    remove_pieces(work, but=names.values())
    for begun in work.glob("begun-*"):
        shutil.rmtree(begun)
    tasks = [_Task(name, work / names[name], benchmarks[name]) for name in benchmarks]
    if finished := sum(is_whole(task.piece) for task in tasks):
        told = f"{work}: resuming after {finished} finished benchmarks"
        console.print(told, markup=False, soft_wrap=True)
    away = engine.name == "ray"
    asked = _Asked(weights, training_clips, inputs, away)
    made = run(tasks, asked.make, engine, processes=False)
    metrics: dict[str, dict[str, float]] = {}
    try:
        for name in track(made, "benchmarks", len(tasks)) if away else made:
            metrics[name] = read_json(work / names[name] / "metrics.json")
            yield name, metrics[name]
    finally:
        _opened.cache_clear()
    for task in tasks:
        for part in ("details", "curves"):
            for path in [path for path in (task.piece / part).rglob("*") if path.is_file()]:
                place = folder / path.relative_to(task.piece)
                place.parent.mkdir(parents=True, exist_ok=True)
                move_file(path, place)
    write_metrics(folder, {name: metrics[name] for name in benchmarks})
    shutil.rmtree(work, ignore_errors=True)  # of no benchmark there is none


@dataclass(frozen=True)
class _Task(Whole):
    """The benchmark `name`, whose results are to lie in `piece`."""

    name: str
    piece: Path
    promised: object

    @property
    def title(self) -> str:
        return "evaluation"

    @property
    def items(self) -> Sequence[str]:
        return [self.name]


@dataclass(frozen=True)
class _Asked:
    """A method's file whose benchmarks are scored in this process or, `away`, in others."""

    weights: Path
    training_clips: Path
    inputs: Inputs
    away: bool

    def make(self, task: _Task, report: Report) -> None:
        """The piece of a benchmark, unless it is there."""
        if is_whole(task.piece):
            return
        shutil.rmtree(task.piece, ignore_errors=True)  # what a power cut has left of it
        # Of cuBLAS, where the process has not begun with it; the command line sets it here.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        with quietly() if self.away else nullcontext():
            scorer = _opened(self.weights, self.inputs)
            clips = read_clip_list(self.training_clips)
            result = scorer.score(task.name, clips, task.promised)
        task.piece.parent.mkdir(parents=True, exist_ok=True)
        begun = Path(tempfile.mkdtemp(prefix="begun-", dir=task.piece.parent))
        write_result(begun, task.name, result.scores, result.maps)
        write_json(begun / "metrics.json", result.metrics)
        finish_piece(begun)
        try:
            begun.rename(task.piece)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            shutil.rmtree(begun)  # a node that was taken for lost has finished it meanwhile


@lru_cache(maxsize=1)
def _opened(weights: Path, inputs: Inputs) -> Scorer:
    """A method and what it is scored on, opened once for all benchmarks of a process."""
    return Scorer(load_weights(weights), inputs)


def _names(
    weights: Path, training_clips: Path, inputs: Inputs, benchmarks: Mapping[str, object]
) -> Iterator[str]:
    """A name for the results on each benchmark, by all that they depend on."""
    values = inputs.values
    files = [weights, training_clips]
    # They hold a hash of every clip's content, and how its sound and its flow are stored.
    files += [inputs.decoded / "clips.parquet", inputs.spectrograms / "sounds.parquet"]
    files += [inputs.spectrograms / "form.json", *(inputs.spectrograms / FOLDER).glob("*.parquet")]
    objects = image_weights_file(inputs.encoders, values.object_model)
    files += [] if objects is None else [objects]
    versions = (torch.__version__, np.__version__)
    said = repr((values, best_device().type, [path.name for path in files], versions))
    code = hash_of_code("pipeline.evaluate.run", f"pipeline.methods.{method_in(weights)}")
    common = fingerprint([said, code, *(path.read_bytes() for path in files)])
    for name, promised in benchmarks.items():
        yield fingerprint([common, name, json.dumps(promised, sort_keys=True)])
