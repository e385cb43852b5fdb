"""Settings of embed: `<settings>.embed` of params.yaml."""

from typing import Literal

from pipeline.base.params import Count, Positive, settings


@settings
class Embed:
    """Off-the-shelf features (3.3): the timm model, its input side, the seconds of sound used.

    `sound_model` names the weight file of `sounds_alone`; other sound encoders know their file.
    `precision`: float32, or `native`, bfloat16 where the machine has instructions for it; machines
    of different kinds then rank a few pairs differently."""

    image_model: str
    side: Count
    sound_seconds: Positive
    batch: Count
    threads: Count
    sound_model: str = "sounds_alone"
    precision: Literal["float32", "native"] = "float32"
