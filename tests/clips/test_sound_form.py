"""What is true of a form without any sound: its lengths agree, and what is no form is refused."""

import pytest
from sound_forms import FORMS

from pipeline.clips.sound_form import (
    SoundForm,
    seconds_to_step,
    spectrogram_length,
    step_to_seconds,
    window_steps,
)


def test_lengths_and_times() -> None:
    assert [spectrogram_length(n) for n in (0, 511, 512, 670, 671)] == [0, 0, 1, 1, 2]
    assert (window_steps(3), window_steps(10), window_steps(3, hop=238)) == (299, 1004, 200)
    assert all(seconds_to_step(step_to_seconds(step)) == step for step in range(1200))


@pytest.mark.parametrize("form", FORMS)
def test_steps_samples_and_seconds_of_a_form_agree(form: SoundForm) -> None:
    for steps in (2, 3, 40, 299):
        samples = form.samples(steps)
        assert form.length(samples) == steps == form.length(samples + form.hop - 1)
        assert form.length(samples - 1) == steps - 1
        assert form.seconds(steps) == samples / form.sample_rate


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"hop": 513}, "hop is 513, expected 1 to window, 512"),
        ({"window": 1}, "window is 1, expected at least 2"),
        ({"bands": 258}, "bands is 258, expected 0 to the 257 linear bins"),
        ({"bands": 64, "highest": 9000.0}, "at most the Nyquist frequency, 8000 Hz"),
        ({"bands": 64, "lowest": 8000.0}, "0 to less than highest, 8000 Hz"),
        ({"lowest": 125.0}, "bands is 0"),
        ({"points": 256}, "points is 256, expected at least window, 512"),
        ({"floor": 0.0}, "floor is 0.0, expected more than 0"),
    ],
)
def test_forms_that_no_spectrogram_can_have(wrong: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SoundForm(**wrong)
