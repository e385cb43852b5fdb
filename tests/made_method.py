"""A small method of two tiny networks, for tests that need some method."""

from typing import Any

from pipeline.clips.sound_form import SoundForm
from pipeline.methods.alignment import Alignment, AlignmentSettings

# A map of 4 x 4.
SMALL: dict[str, Any] = {
    "blocks": [1, 1],
    "channels": [6, 8],
    "strides": [1, 2],
    "side": 32,
    "k": 3,
}


def small_settings(form: SoundForm, steps: int, **changes: Any) -> AlignmentSettings:
    """Settings of the paper's method for a window of so many steps of a form."""
    return AlignmentSettings(**{**SMALL, "seconds": form.seconds(steps), **changes})


def small_method(form: SoundForm, steps: int, *, seed: int = 1, **changes: Any) -> Alignment:
    """The paper's method, untrained and in evaluation mode, with these settings."""
    method = Alignment(small_settings(form, steps, **changes), form, seed=seed)
    assert method.steps == steps
    return method.eval()
