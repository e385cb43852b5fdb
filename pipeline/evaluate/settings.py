"""Settings of evaluate: `<settings>.evaluate` of params.yaml."""

from typing import Literal

from pipeline.base.params import Count, Natural, settings


@settings
class Evaluate:
    """How a localizer is scored: seed of the random baseline and of the untrained network, batch
    size of the network, the timm model of OGL's object maps and its input side. With
    `object_precision` native that network passes in bfloat16 where the machine has instructions for
    it: faster, and in the last digits of OGL's scores not the published numbers.

    `cropped_truth`: of a corpus whose frames are the middles of their pictures (`decode.aspect:
    cropped`) the truth is what is `seen` there, or, as LVS's code has it, that of the `whole`
    picture laid over its middle, where the two do not fit."""

    seed: Natural
    batch: Count
    threads: Count
    object_model: str
    object_side: Count
    object_precision: Literal["float32", "native"] = "float32"
    cropped_truth: Literal["seen", "whole"] = "seen"
