"""Windows of sounds: of stored spectrograms, and of waveforms that no corpus holds.

A window is so many time steps of a form, time first. A sound that is shorter is repeated until it
is long enough (4.1), and the middle window is the one that is tested (C1 and C3 of
`pipeline/methods/DECISIONS.md`).
"""

import numpy as np
import torch
from torch import Tensor

from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SoundForm
from pipeline.clips.spectrogram import repeat_to, to_spectrogram

_DELAY = 0.1  # s; by this much a clip's sound may end earlier only because of its codec


def middle_start(length: int, window: int) -> int:
    """Where the middle `window` entries of `length` begin; 0 where there are fewer."""
    return max(0, (length - window) // 2)


def sound_window(
    corpus: DecodedCorpus, row: int, steps: int, start: int | None = None
) -> np.ndarray:
    """`steps` time steps of a clip's spectrogram, (steps, bins) float16: from `start` on, or the
    middle ones. A clip shorter than that is repeated until it is long enough (4.1)."""
    length = corpus.sound_length(row)
    if length < steps:
        whole = corpus.spectrogram(row)
        return np.resize(whole, (steps, whole.shape[1]))
    return corpus.spectrogram(row, middle_start(length, steps) if start is None else start, steps)


def middle_spectrogram(samples: Tensor, form: SoundForm, steps: int) -> Tensor:
    """The spectrogram of the middle of a waveform (n,) at the form's rate, repeated where it is too
    short: (steps, bins). Raises ValueError for one without samples."""
    wanted = form.samples(steps)
    samples = repeat_to(samples, wanted)
    start = middle_start(len(samples), wanted)
    return to_spectrogram(samples[start : start + wanted], form).T


def moment_starts(
    first: int, moments: int, length: int, form: SoundForm, steps: int, interval: float
) -> Tensor:
    """Where the windows around `moments` moments, one every `interval` s, from number `first` on
    begin in a spectrogram of `length` time steps: (moments,) int64.

    Moment i is that of (i + 0.5) x `interval`. Nearer to an end than half a window, the first or
    the last window is the one."""
    centres = (torch.arange(first, first + moments) + 0.5) * interval * form.sample_rate
    return (centres / form.hop - steps / 2).round().long().clamp(0, length - steps)


def windows_at(whole: Tensor, starts: Tensor, steps: int) -> Tensor:
    """The windows of a spectrogram (n, bins) that begin at `starts`: (len(starts), steps, bins)."""
    return whole.unfold(0, steps, 1)[starts].transpose(1, 2)


def moving_windows(
    samples: np.ndarray,
    seconds: float,
    moments: int,
    form: SoundForm,
    steps: int,
    *,
    first: int = 0,
    interval: float = 0.1,
) -> Tensor:
    """The spectrograms around `moments` moments of a sound, one every `interval` s, from number
    `first` on: (moments, steps, bins) float32.

    `samples` (n,) float32 at the form's rate; silence follows where they end before `seconds`. Only
    the stretch that these moments need is transformed, or the whole sound where the form mirrors or
    stretches it.
    """
    total = round(seconds * form.sample_rate)
    if total - len(samples) <= _DELAY * form.sample_rate:
        total = len(samples)
    sound, wanted = samples, form.samples(steps)
    if total < wanted:
        padded = np.pad(samples, (0, total - len(samples)))
        sound, total = repeat_to(torch.from_numpy(padded), wanted).numpy(), wanted
    starts = moment_starts(first, moments, form.length(total), form, steps, interval)
    if form.centred or form.stretched:
        padded = np.pad(sound, (0, max(0, total - len(sound))))
        return windows_at(to_spectrogram(torch.from_numpy(padded), form).T, starts, steps)
    begin = int(starts[0])
    needed = form.samples(int(starts[-1]) - begin + steps)
    stretch = sound[begin * form.hop : begin * form.hop + needed]
    stretch = np.pad(stretch, (0, needed - len(stretch)))
    return windows_at(to_spectrogram(torch.from_numpy(stretch), form).T, starts - begin, steps)
