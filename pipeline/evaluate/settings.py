"""Settings of evaluate: `<settings>.evaluate` of params.yaml."""

from pipeline.base.params import Count, Natural, settings


@settings
class Evaluate:
    """How a localizer is scored: seed of the random baseline and of the untrained network, batch
    size of the network, the timm model of OGL's object maps and its input side."""

    seed: Natural
    batch: Count
    threads: Count
    object_model: str
    object_side: Count
