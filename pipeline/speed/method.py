"""A method as it is measured: its settings' defaults, weights drawn at random, made batches.

A size below 1 shrinks pictures and windows of sound and leaves the networks as they are, since
narrow ones would make all that is not network look expensive.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SSL_TIE_FORM, VGGISH_FORM, SoundForm
from pipeline.methods.contract import Features, Method, Moment, View, load_method
from pipeline.speed import made
from pipeline.speed.harness import scaled
from pipeline.train.batches import Neighbours, TrainingSet
from pipeline.train.settings import Train
from pipeline.train.step import PRECISIONS

_LINEAR_238 = SoundForm(sample_rate=22050, hop=238)
_MEL_80 = replace(SSL_TIE_FORM, window=160, hop=80, bands=64, quantity="magnitude")
# Where a method hears another form than the default, the forms of `paper` in params.yaml.
FORMS = {
    "ezvsl": _LINEAR_238,
    "slavc": _LINEAR_238,
    "heartheflow": _LINEAR_238,
    "fnac": replace(_LINEAR_238, sample_rate=16000),
    "marginnce": replace(_LINEAR_238, sample_rate=16000),
    "attention10k": _MEL_80,
    "dmc": _MEL_80,
    "dsol": _MEL_80,
    "ssltie": SSL_TIE_FORM,
    "attention10k_2018": SoundForm(22050, 490, 490, mean_removed=False, quantity="waveform"),
    "sspl": VGGISH_FORM,
    "sspl_pcm": VGGISH_FORM,
}
LATE = Moment(step=99, steps=100, epoch=99, epochs=100)  # past every warm-up

_SHORTEST = 1.0  # s of a window that is made shorter: VGGish hears 0.96 s at once
# What cannot be made smaller: SoundNet hears all ten seconds for an answer, PCM wants 14 x 14.
_AS_IT_IS = {"attention10k_2018": "seconds", "sspl_pcm": "side"}


def made_method(name: str, size: float = 1.0, **changes: Any) -> Method:
    """The method `name` in training mode on the CPU, with its default settings and `changes`.

    Its frame's side is scaled by `size` to a multiple of 32 px, its window of sound too, but to no
    less than a second, where the method can do with less. Raises `InputError` for an unknown name.
    """
    kind: Any = load_method(name)
    usual = kind.Settings()
    shrunk = {
        "side": 32 * scaled(usual.side // 32, size),
        "seconds": min(usual.seconds, max(_SHORTEST, size * usual.seconds)),
    }
    shrunk.pop(_AS_IT_IS.get(name, ""), None)
    form = FORMS.get(name, SoundForm())
    method: Method = kind(replace(usual, **shrunk | changes), form, seed=0)
    return method.train()


def training_set(
    corpus: DecodedCorpus, method: Method, *, batch: int, epochs: int = 1000
) -> TrainingSet:
    """The batches that a method wants of a made corpus, neighbours anywhere in it."""
    inputs = method.inputs()
    ids = made.neighbour_ids(len(corpus), max(1, *(wanted.k for wanted in inputs.values())))
    return TrainingSet(
        corpus,
        np.arange(len(corpus)),
        Neighbours(ids, ids),
        inputs,
        seconds=method.settings.seconds,
        batch=batch,
        epochs=epochs,
        seed=0,
    )


def networks_alone(
    method: Method, views: Mapping[str, View], recipe: Train, device: torch.device
) -> Callable[[], None]:
    """A call that encodes `views` and passes a gradient of ones back through what learns: what no
    way of training the method can leave out."""
    dtype = PRECISIONS[recipe.precision]
    half = dtype is not torch.float32

    def call() -> None:
        method.zero_grad(set_to_none=True)
        found: list[Tensor] = []
        for view in views.values():
            with (
                torch.autocast(device.type, dtype, enabled=half),
                torch.set_grad_enabled(not view.momentum),
            ):
                found += parts_of(method.encode(view))
        learned = [part for part in found if part.requires_grad]
        if learned:
            torch.autograd.backward(learned, [torch.ones_like(part) for part in learned])

    return call


def parts_of(features: Features) -> tuple[Tensor, ...]:
    """The tensors of a view's features."""
    return (features,) if isinstance(features, Tensor) else features
