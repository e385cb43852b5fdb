"""Where work runs. No result depends on it, so no stage declares it."""

import os
from typing import Literal

from pipeline.base.params import Natural, settings
from pipeline.execution.run import Engine


@settings
class Execution:
    """`execution` of params.yaml: see `pipeline.execution.ray`; `loaders` are the processes that
    load a training's batches, 0 for the training's own."""

    engine: Literal["local", "ray"]
    address: str | None
    loaders: Natural = 0

    def on_all_cores(self) -> Engine:
        """For tasks of one thread: as many at a time as this process may use cores, or Ray."""
        return Engine(self.engine, self.address, workers=len(os.sched_getaffinity(0)))
