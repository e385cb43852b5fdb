"""Where work runs. No result depends on it, so no stage declares it."""

from dataclasses import field
from typing import Literal

from pipeline.base.params import Count, Natural, Positive, settings
from pipeline.execution.cores import usable_cores
from pipeline.execution.run import Engine


@settings
class Watching:
    """How a training is looked at (pipeline/train/README.md): a line every `every` steps, 0 for not
    at all. After every epoch it is asked about clips of the decoded `corpus`, for the scores of
    `validation`: a benchmark's name, a file of boxes in the form of vggss.json, or a list of clips,
    which gives retrieval alone; null asks nothing. Of the score `best` the best epoch's weights are
    kept. `batch` frames are asked about at a time."""

    every: Natural = 0
    corpus: str = "toy-test"
    validation: str | None = "scenes-validation"
    best: str | None = None
    batch: Count = 64


@settings
class Execution:
    """`execution` of params.yaml: see `pipeline.execution.ray`; `loaders` are the processes that
    load a training's batches, 0 for the training's own; `watch` is how a training is looked at.
    With `side_by_side` a CPU's training has its network of pictures and its network of sounds on a
    thread each, where there are cores for both. A training is kept after every epoch and, with
    `keep_minutes`, so many minutes after that; after SIGTERM it has `stop_seconds` for its step and
    a last checkpoint."""

    engine: Literal["local", "ray"]
    address: str | None
    loaders: Natural = 0
    watch: Watching = field(default_factory=Watching)
    keep_minutes: Positive | None = None
    stop_seconds: Positive = 25.0
    side_by_side: bool = True

    def on_all_cores(self) -> Engine:
        """For tasks of one thread: as many at a time as this process may use cores, or Ray."""
        return Engine(self.engine, self.address, workers=usable_cores())
