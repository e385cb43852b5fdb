"""The toy world's sounds: eight sources under four envelopes, in coloured noise.

Pitch, tempo, loudness and noise vary widely within a class, so a class is told by its timbre and
rhythm, as real ones are. Waves are read off a phase in one pass and are not band-limited: a little
aliasing is the price of a sound that costs a few milliseconds.
"""

import numpy as np
from scipy import fft

from pipeline.toy.classes import CLASSES

SAMPLE_RATE = 16000


def _shaped_noise(rng: np.random.Generator, samples: int, gain: np.ndarray) -> np.ndarray:
    """White noise filtered by `gain` over its (samples // 2 + 1) frequencies, deviation 1."""
    spectrum = fft.rfft(rng.standard_normal(samples, dtype=np.float32))
    noise = fft.irfft(spectrum * gain.astype(np.float32), samples)
    return noise / noise.std()


def coloured_noise(rng: np.random.Generator, samples: int, slope: float) -> np.ndarray:
    """Noise (samples,) float32 of deviation 1 whose power falls as frequency ** -`slope`."""
    hertz = fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    return _shaped_noise(rng, samples, np.maximum(hertz, 40) ** (-slope / 2) * (hertz > 0))


def _band_noise(rng: np.random.Generator, samples: int, centre: float) -> np.ndarray:
    """Noise (samples,) of deviation 1 in a band about one octave wide around `centre` Hz."""
    octaves = np.log2(np.maximum(fft.rfftfreq(samples, 1 / SAMPLE_RATE), 1) / centre)
    return _shaped_noise(rng, samples, np.exp(-0.5 * (octaves / 0.45) ** 2))


def _pulses(
    rng: np.random.Generator, time: np.ndarray, envelope: str
) -> tuple[np.ndarray, np.ndarray, float]:
    """Loudness 0 to 1, position within the pulse 0 to 1, and the pulses' rate in Hz."""
    if envelope == "sustained":
        rate = rng.uniform(0.3, 0.6)
        position = (time * rate + rng.random()) % 1
        return 0.8 + 0.2 * np.sin(2 * np.pi * position), position, rate
    if envelope == "gallop":  # long, short, short
        rate = rng.uniform(1.5, 2.3)
        beat = (time * rate + rng.random()) % 1
        starts, lengths = np.array([0.0, 0.5, 0.75]), np.array([0.5, 0.25, 0.25])
        stroke = np.searchsorted(starts, beat, side="right") - 1
        position = (beat - starts[stroke]) / lengths[stroke]
        strength = np.array([1.0, 0.6, 0.6])[stroke]
        return strength * np.exp(-4 * position) * np.minimum(1, position * 40), position, rate
    rate = rng.uniform(1.0, 1.7) if envelope == "slow" else rng.uniform(5.0, 8.0)
    position = (time * rate + rng.random()) % 1
    loudness = np.sin(np.pi * position) if envelope == "slow" else np.exp(-3 * position)
    return loudness * np.minimum(1, (1 - position) * 20), position, rate


def _wave(
    rng: np.random.Generator, time: np.ndarray, source: str, position: np.ndarray, rate: float
) -> np.ndarray:
    """The source before its envelope, (samples,)."""
    pitch = rng.uniform(150, 450)
    turns = pitch * time + rng.random()
    match source:
        case "saw":
            return 2 * (turns % 1) - 1
        case "odd":
            return np.where(turns % 1 < 0.5, 0.7, -0.7)
        case "bell":
            depth = rng.uniform(2.5, 4.5)
            modulator = np.sin(2 * np.pi * turns * rng.choice([1.4, 3.5]))
            return np.sin(2 * np.pi * turns * 2 + depth * (1 - position) * modulator)
        case "rumble":
            return _band_noise(rng, len(time), rng.uniform(300, 700)) / 3
        case "hiss":
            return _band_noise(rng, len(time), rng.uniform(3000, 5000)) / 3
        case "rise" | "fall":
            octaves = rng.uniform(1.5, 2.5)
            along = position if source == "rise" else 1 - position
            start = rng.uniform(250, 600)
            # The phase is the running sum of the frequency.
            swept = np.cumsum(start * 2 ** (octaves * along)) / SAMPLE_RATE
            return np.sin(2 * np.pi * swept) + 0.3 * np.sin(4 * np.pi * swept)
        case "vibrato":
            wobble = rng.uniform(0.25, 0.45) * pitch / rng.uniform(5, 7)
            phase = 2 * np.pi * (2 * turns + wobble * np.sin(2 * np.pi * 6 * time))
            return np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.25 * np.sin(3 * phase)
        case _:
            raise ValueError(f"no source named {source}")


def make_sound(
    rng: np.random.Generator, class_index: int, *, seconds: float, noise: bool = True
) -> np.ndarray:
    """The sound of one object of a class: (seconds * 16000,) float32 within -1 to 1, mono.

    With `noise` it lies -3 to 15 dB above coloured noise. Pitch 150 to 450 Hz.
    """
    kind = CLASSES[class_index]
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    loudness, position, rate = _pulses(rng, time, kind.envelope)
    sound = loudness * _wave(rng, time, kind.source, position, rate)
    sound = sound / max(float(sound.std()), 1e-6)
    if noise:
        level = 10 ** (-rng.uniform(-3, 15) / 20)
        sound = sound + level * coloured_noise(rng, len(time), rng.uniform(0, 2))
    return normalised(rng, sound)


def normalised(rng: np.random.Generator, sound: np.ndarray) -> np.ndarray:
    """`sound` as float32 with a peak drawn from 0.15 to 0.9."""
    return (sound * (rng.uniform(0.15, 0.9) / np.abs(sound).max())).astype(np.float32)


def laid_over(rng: np.random.Generator, sound: np.ndarray, other: np.ndarray) -> np.ndarray:
    """`sound` with `other` mixed over it, both (samples,) float32 and not silent, at -3 to 3 dB of
    its power; float32 with a drawn peak."""
    level = 10 ** (rng.uniform(-3, 3) / 20) * float(sound.std()) / float(other.std())
    return normalised(rng, sound + level * other)
