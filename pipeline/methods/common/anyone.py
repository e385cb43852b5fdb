"""A weight file outside any study: our own, or a published one."""

from pathlib import Path

from pipeline.base.params import Parameters
from pipeline.clips.sound_form import SoundForm
from pipeline.methods.common.files import is_own, load_weights, method_in, open_weights
from pipeline.methods.common.sections import method_settings
from pipeline.methods.contract import Method

WORLD = "paper"  # whose settings a published file is fed by


def open_anyones(path: Path, name: str | None = None) -> Method:
    """The method in a weight file, in evaluation mode: our own says itself what it is; a published
    one is of the method `name`, or of the one that its entries tell, and is fed as the paper's
    section of params.yaml says.

    Raises `InputError` as `load_weights`, `method_in` and `open_weights` do."""
    if is_own(path):
        return load_weights(path)
    name = name or method_in(path)
    parameters = Parameters()
    settings, _ = method_settings(parameters, WORLD, name, {})
    form = parameters.read(f"{WORLD}.forms.{name}", SoundForm)
    return open_weights(path, name, settings, form)
