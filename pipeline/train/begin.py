"""A method as it begins: its weights drawn, or those of its networks taken from files."""

from pathlib import Path
from typing import Any

from torch import Tensor

from pipeline.clips.spectrogram import SoundForm
from pipeline.encoders.imagenet import image_network_state
from pipeline.errors import InputError
from pipeline.methods.contract import Method, load_method
from pipeline.networks.weights import SUFFIXES, read_state


def begin(name: str, settings: Any, form: SoundForm, seed: int, weights: Path) -> Method:
    """The method `name` before its training, every weight drawn from `seed`.

    Where its settings say `vision: imagenet`, the image network is that of their `vision_model`,
    from the folder `weights` or fetched by timm. Where they name a `sound_model`, the sound network
    is that of its file in the folder. Raises `InputError` where that fails or a shape is another
    than the settings'."""
    kind: Any = load_method(name)
    start = None
    if getattr(settings, "vision", "scratch") == "imagenet":
        start = image_network_state(weights, settings.vision_model)
    further = {}
    if sound_model := getattr(settings, "sound_model", None):
        further["sound_start"] = sound_network_state(weights, sound_model)
    method: Method = kind(settings, form, seed=seed, start=start, **further)
    return method


def sound_network_state(folder: Path, sound_model: str) -> dict[str, Tensor]:
    """The entries of the weight file `sound_model` in a folder, with any of the known endings.

    Raises `InputError` where there is none, and as `read_state` does."""
    for suffix in SUFFIXES:
        path = folder / f"{sound_model}{suffix}"
        if path.is_file():
            return read_state(path)
    raise InputError(
        f"{folder}: holds no {sound_model} ending in {', '.join(SUFFIXES)}, expected the weights "
        f"of the sound network"
    )
