"""What an off-the-shelf encoder is: one file `pipeline/encoders/<name>.py` that gives `load`.

`load(folder, settings) -> Encoder` builds it from the weight files in a folder, in evaluation mode
on the CPU; it raises `InputError` for a file that is missing, damaged or does not fit, with where
it comes from. A study names its two encoders (`encoders: {image: imagenet, audio: vggsound}`); the
sound's hears spectrograms in the form `<settings>.forms.<name>`.
"""

from abc import abstractmethod
from importlib import import_module
from pathlib import Path
from typing import ClassVar, Literal

from torch import Tensor, nn

from pipeline.encoders.common.settings import Embed
from pipeline.errors import InputError

_NO_ENCODERS = ("__init__", "embedding")


class Encoder(nn.Module):
    """Features of frames or of sounds; `features` is D, their number."""

    modality: ClassVar[Literal["image", "audio"]]
    features: int

    @abstractmethod
    def forward(self, stored: Tensor) -> Tensor:
        """Stored frames, (B, height, width, 3) uint8, or spectrograms, (B, steps, bins), to (B, D)
        float32."""


def load_encoder(name: str, folder: Path, settings: Embed) -> Encoder:
    """The encoder in `pipeline/encoders/<name>.py`, its weights from `folder`. Raises `InputError`
    for a name that has no such file, with those that have one, and as its `load` does."""
    known = sorted(
        p.stem for p in Path(__file__).parents[1].glob("*.py") if p.stem not in _NO_ENCODERS
    )
    if name not in known:
        raise InputError(f"encoder {name!r}: expected one of {', '.join(known)}")
    found: Encoder = import_module(f"pipeline.encoders.{name}").load(folder, settings)
    return found
