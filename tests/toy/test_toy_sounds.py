"""The toy's sounds: their form, their pitch, and that classes can be told apart."""

import numpy as np
import pytest
from scipy import signal

from pipeline.toy.classes import CLASSES
from pipeline.toy.sounds import SAMPLE_RATE, coloured_noise, make_sound


@pytest.mark.parametrize("class_index", range(12))
def test_a_sound_has_the_asked_length_and_stays_within_full_scale(class_index: int) -> None:
    sound = make_sound(np.random.default_rng(class_index), class_index, seconds=1.5)
    assert sound.shape == (24000,)
    assert sound.dtype == np.float32
    assert 0.1 < np.abs(sound).max() <= 0.9001
    assert np.isfinite(sound).all()


def test_noise_falls_with_frequency_as_its_slope_says() -> None:
    noise = coloured_noise(np.random.default_rng(0), 20 * SAMPLE_RATE, 2.0)
    hertz, power = signal.welch(noise, SAMPLE_RATE, nperseg=2048)
    band = (hertz > 100) & (hertz < 6000)
    slope = np.polyfit(np.log(hertz[band]), np.log(power[band]), 1)[0]
    assert slope == pytest.approx(-2, abs=0.1)
    assert noise.std() == pytest.approx(1, abs=1e-3)


def test_an_odd_harmonic_sound_has_no_even_harmonics() -> None:
    organ = [kind.source for kind in CLASSES].index("odd")
    for seed in range(3):
        sound = make_sound(np.random.default_rng(seed), organ, seconds=2.0, noise=False)
        spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
        base = int(spectrum.argmax())
        assert 150 <= base / 2 <= 450  # two seconds: half a hertz per bin
        peaks = [spectrum[round(base * n) - 6 : round(base * n) + 7].max() for n in (1, 2, 3)]
        assert peaks[1] < 0.1 * peaks[0]
        assert peaks[2] > 0.2 * peaks[0]


def test_rising_and_falling_sweeps_go_their_ways() -> None:
    directions = {}
    for source in ("rise", "fall"):
        index = [kind.source for kind in CLASSES].index(source)
        sound = make_sound(np.random.default_rng(1), index, seconds=3.0, noise=False)
        hertz, _, power = signal.spectrogram(sound, SAMPLE_RATE, nperseg=512, noverlap=384)
        loud = power.sum(axis=0) > 0.2 * power.sum(axis=0).max()
        steps = np.diff(hertz[power.argmax(axis=0)])[loud[1:] & loud[:-1]]
        directions[source] = np.sign(np.median(steps[np.abs(steps) > 0]))
    assert directions == {"rise": 1, "fall": -1}


def test_classes_can_be_told_apart_by_a_linear_rule() -> None:
    """Least squares on each band's mean, deviation and rate of change; chance is 1 in 12."""

    def features(sound: np.ndarray) -> np.ndarray:
        power = signal.spectrogram(sound, SAMPLE_RATE, nperseg=512, noverlap=352)[2]
        bands = np.log(power[:256].reshape(32, 8, -1).mean(axis=1) + 1e-7)
        bands -= bands.mean()
        rise = np.diff(bands, axis=1)
        return np.concatenate(
            [bands.mean(axis=1), bands.std(axis=1), rise.std(axis=1), (rise**3).mean(axis=1), [1]]
        )

    rng = np.random.default_rng(0)
    labels = np.arange(720) % 12
    table = np.array([features(make_sound(rng, label, seconds=2.0)) for label in labels])
    table /= np.abs(table).mean(axis=0)
    train, test = slice(0, 540), slice(540, 720)
    weights = np.linalg.lstsq(table[train], np.eye(12)[labels[train]], rcond=None)[0]
    correct = (table[test] @ weights).argmax(axis=1) == labels[test]
    assert correct.mean() > 0.75


def test_the_same_seed_makes_the_same_sound() -> None:
    one, two = (make_sound(np.random.default_rng(3), 5, seconds=1.0) for _ in range(2))
    np.testing.assert_array_equal(one, two)
