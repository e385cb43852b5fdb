"""Where work runs. No result depends on it, so no stage declares it."""

from typing import Literal

from pipeline.base.params import Natural, settings


@settings
class Execution:
    """`execution` of params.yaml: see `pipeline.execution.ray`; `loaders` are the processes that
    load a training's batches, 0 for the training's own."""

    engine: Literal["local", "ray"]
    address: str | None
    loaders: Natural = 0
