"""A method as it begins: its weights drawn, or its image network's taken from ImageNet."""

from pathlib import Path
from typing import Any

from pipeline.clips.spectrogram import SoundForm
from pipeline.encoders.load import image_network_state
from pipeline.methods.contract import Method, load_method


def begin(name: str, settings: Any, form: SoundForm, seed: int, weights: Path) -> Method:
    """The method `name` before its training, every weight drawn from `seed`.

    Where its settings say `vision: imagenet`, the image network is that of their `vision_model`,
    from the folder `weights` or fetched by timm. Raises `InputError` where that fails or its shape
    is another than the settings'."""
    kind: Any = load_method(name)
    start = None
    if getattr(settings, "vision", "scratch") == "imagenet":
        start = image_network_state(weights, settings.vision_model)
    method: Method = kind(settings, form, seed=seed, start=start)
    return method
