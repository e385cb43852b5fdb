"""Settings of embed: `<settings>.embed` of params.yaml."""

from pipeline.base.params import Count, Positive, settings


@settings
class Embed:
    """Off-the-shelf features (3.3): the timm model, its input side, the seconds of sound used."""

    image_model: str
    side: Count
    sound_seconds: Positive
    batch: Count
    threads: Count
