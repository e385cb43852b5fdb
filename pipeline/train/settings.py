"""Settings of the loop: `<settings>.train` of params.yaml. What a method learns is its own affair;
this is for how long, in which order and how exactly."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.base.params import Count, NotNegative, Positive, settings
from pipeline.errors import InputError


@settings
class Train:
    """How a method is trained.

    `batch` counts the clips of a step over all devices. `weight_decay` is Adam's coupled one (L2).
    `aspect`: frames are `squashed` to a square before they are cropped, or crops are square in the
    picture's own pixels, anywhere in its length (`kept`); a corpus that is decoded with
    `aspect: kept` serves both.
    `precision` is that of the networks' passes; losses and weights are float32. `native` means
    bfloat16 where the machine has instructions for it and float32 elsewhere: the bytes differ from
    one kind of machine to another, and run.json says which it was.
    `threads` are the CPU's, one of the settings because sums in another order end in other bytes.
    Over several ranks `sync_batch_norm` normalises by the statistics of the whole batch, as one
    device would; without it each rank does by those of its own part, and the running statistics are
    averaged at the end of every epoch. `cache_gradients` holds one view's activations at a time
    instead of all, for a second forward pass.
    """

    epochs: Count = 50
    batch: Annotated[int, Field(ge=2)] = 128
    learning_rate: Positive = 1e-4
    schedule: Literal["constant", "one-cycle"] = "constant"
    aspect: Literal["squashed", "kept"] = "squashed"
    weight_decay: NotNegative = 0.0
    precision: Literal["float32", "bfloat16", "float16", "native"] = "float32"
    channels_last: bool = True
    compile: bool = False
    cache_gradients: bool = False
    sync_batch_norm: bool = False
    threads: Count = 2


def check_aspect(aspect: str, stored: str, where: str) -> None:
    """Raise `InputError` unless a training with this `aspect` can take frames that are decoded with
    the aspect `stored`, as `where` says: of squashed and of cropped ones none can be kept."""
    if aspect == "kept" and stored != "kept":
        raise InputError(f"{where}: found {stored}, expected kept, since train.aspect is kept")
