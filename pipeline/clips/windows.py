"""Windows of a sound: the middle, at a place, around moments."""

import numpy as np

from pipeline.clips.decoded import DecodedCorpus


def sound_window(
    corpus: DecodedCorpus, row: int, steps: int, start: int | None = None
) -> np.ndarray:
    """`steps` time steps of a clip's spectrogram, (steps, bins) float16: from `start` on, or the
    middle ones. A clip shorter than that is repeated until it is long enough (4.1)."""
    length = corpus.sound_length(row)
    if length < steps:
        return np.resize(corpus.spectrogram(row), (steps, corpus.spectrogram(row).shape[1]))
    if start is None:
        return corpus.middle_window(row, steps)
    return corpus.spectrogram(row, start, steps)
