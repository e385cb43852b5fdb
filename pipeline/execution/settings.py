"""Where work runs. No result depends on it, so no stage declares it."""

from typing import Literal

from pipeline.base.params import Natural, settings
from pipeline.execution.cores import usable_cores
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
        return Engine(self.engine, self.address, workers=usable_cores())
