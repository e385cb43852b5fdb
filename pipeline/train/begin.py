"""A method as it begins: its weights drawn, or those of its networks taken from files."""

from pathlib import Path
from typing import Any

from torch import Tensor

from pipeline.clips.sound_form import SoundForm
from pipeline.encoders.imagenet import image_network_state
from pipeline.errors import InputError
from pipeline.methods.contract import Method, load_method
from pipeline.networks.fetching import SOUND_NETWORKS, fetched
from pipeline.networks.weights import SUFFIXES, file_of_name, read_state


def begin(name: str, settings: Any, form: SoundForm, seed: int, weights: Path) -> Method:
    """The method `name` before its training, every weight drawn from `seed`.

    Where its settings say `vision: imagenet`, the image network is that of their `vision_model`,
    from the folder `weights` or fetched by timm. Where they name a `sound_model`, the sound network
    is that of its file in the folder. Raises `InputError` where that fails or a shape is another
    than the settings'."""
    kind: Any = load_method(name)
    start = None
    if model := vision_model(settings):
        start = image_network_state(weights, model)
    further = {}
    if sound_model := getattr(settings, "sound_model", None):
        further["sound_start"] = sound_network_state(weights, sound_model)
    method: Method = kind(settings, form, seed=seed, start=start, **further)
    return method


def vision_model(settings: Any) -> str | None:
    """The image network that a method with these settings begins with, None where it draws it."""
    if getattr(settings, "vision", "scratch") != "imagenet":
        return None
    return str(settings.vision_model)


def sound_network_state(folder: Path, sound_model: str) -> dict[str, Tensor]:
    """The entries of the weight file `sound_model` in a folder, with any of the known endings; of a
    published network that is not there, fetched once.

    Raises `InputError` where there is none, and as `fetched` and `read_state` do."""
    return read_state(sound_network_file(folder, sound_model))


def sound_network_file(folder: Path, sound_model: str) -> Path:
    """The weight file of `sound_network_state`. Raises `InputError` where there is none."""
    if found := file_of_name(folder, sound_model):
        return found
    if sound_model in SOUND_NETWORKS:
        what = f"sound model {sound_model!r}"
        return fetched(SOUND_NETWORKS[sound_model], what, folder / f"{sound_model}.pth")
    raise InputError(
        f"{folder}: holds no {sound_model} ending in {', '.join(SUFFIXES)}, expected the weights "
        f"of the sound network"
    )
