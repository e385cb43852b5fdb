"""Somebody's localizer file, fed as this project feeds its own.

A published file tells neither its strides nor what it is fed, so both come from outside: the
strides and the window from the section of parameters that a training would take, the form of the
spectrograms from the decoded corpus. A file of avloc's own says all of this itself, and must agree.
The price of taking the corpus' word is that a corpus decoded with another hop than the file was
trained on gives bad maps, not an error.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.clips.spectrogram import window_steps
from pipeline.errors import InputError
from pipeline.methods.localizer import Localizer, Usage, from_published, load_localizer
from pipeline.networks.weights import read_metadata, read_state

FORM = ("sample_rate", "window", "hop", "bands")


def open_localizer(
    path: Path,
    form: Mapping[str, int],
    *,
    strides: Sequence[int],
    side: int,
    window_seconds: float,
    pooling: str,
    share: float,
    temperature: float,
    projections: tuple[str, str] | None = None,
) -> tuple[Localizer, list[str]]:
    """The localizer in a weight file, and the sorted names of the entries that it has no use for.

    `path` is a published `.pth.tar` (or its entries as safetensors), or avloc's own
    `weights.safetensors`, for which everything but `form` is ignored. `form` is the decoded corpus'
    settings.json; the other arguments are those of `Usage` and `from_published`.
    Raises `InputError` where a layer is missing or does not fit, by its name, and where avloc's own
    file is for spectrograms of another form.
    """
    state = read_state(path)
    if path.suffix == ".safetensors" and "localizer" in read_metadata(path):
        localizer = load_localizer(path)
        check_form(str(path), localizer.usage, form)
        return localizer, sorted(set(state).difference(localizer.state_dict()))
    localizer = from_published(state, str(path), strides, projections)
    sound = {key: form[key] for key in FORM}
    steps = window_steps(
        window_seconds, **{key: form[key] for key in ("sample_rate", "window", "hop")}
    )
    localizer.usage = Usage(
        side=side, steps=steps, pooling=pooling, share=share, temperature=temperature, **sound
    )
    return localizer, _unused(state, localizer, projections)


def check_form(name: str, usage: Usage, form: Mapping[str, int]) -> None:
    """Raise `InputError` where a localizer (`name` is its file) is for spectrograms of another form
    than those of a decoded corpus, whose settings.json is `form`."""
    for key in FORM:
        if getattr(usage, key) != form[key]:
            raise InputError(
                f"{name}: is for spectrograms with the {key} {getattr(usage, key)}, but the corpus "
                f"is decoded with {form[key]}"
            )


def _unused(
    state: Mapping[str, object], localizer: Localizer, projections: tuple[str, str] | None
) -> list[str]:
    """The entries of a published file that `from_published` passes over, by their own names."""
    used = set(localizer.state_dict())
    if "audnet.conv1_a.weight" in state:
        used.remove("audnet.conv1.weight")
        used.add("audnet.conv1_a.weight")
    used.update(f"{name}.{part}" for name in projections or () for part in ("weight", "bias"))
    return sorted(set(state).difference(used))
