"""The toy's settings: `<settings>.toy` and `<settings>.encoders` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.base.params import Count, Natural, Positive, settings


@settings
class Toy:
    """How the toy corpus is made: clips a list, native size in pixels, seconds of a clip; how many
    test clips each of the `conditions` has, and how many are `moving` (`pipeline.toy.conditions`).
    """

    seed: Natural
    train: Count
    validation: Count
    test: Count
    labelled: Count
    width: Annotated[int, Field(ge=16)]
    height: Annotated[int, Field(ge=16)]
    seconds: Positive
    conditions: Natural = 60
    moving: Natural = 24


@settings
class Encoders:
    """The toy's encoders: see `pipeline.toy.encoders`; `alone_epochs` is of those without labels,
    which a study asks for (`pipeline.toy.stand_ins`), `precision` as of
    `pipeline.train.settings.Train`."""

    seed: Natural
    image_epochs: Count
    audio_epochs: Count
    threads: Count
    alone_epochs: Count = 12
    precision: Literal["float32", "native"] = "float32"
