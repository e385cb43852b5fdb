"""Maps and similarities of pairs, against the localizer applied clip by clip."""

from pathlib import Path

import numpy as np
import pytest
import torch
from made_corpus import make_corpus
from made_method import small_method
from scipy import signal

from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SoundForm
from pipeline.clips.views import plain_view, spectrograms
from pipeline.errors import InputError
from pipeline.methods.alignment import Alignment
from pipeline.methods.common.similarity import s_l
from pipeline.predict.predictor import Predictor, synthetic_sounds

STEPS = 20
FORM = SoundForm(window=64, hop=32)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> DecodedCorpus:
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (7, 40, 40, 3)).astype(np.uint8)
    sounds = [generator.normal(-9, 3, (STEPS + 3 * n, 33)) for n in range(7)]
    return make_corpus(tmp_path_factory.mktemp("corpus"), frames, sounds, form=FORM)


@pytest.fixture(scope="module")
def localizer() -> Alignment:
    return small_method(FORM, STEPS, seed=2, pooling="top", pooling_share=0.5)


def _predictor(localizer: Alignment, corpus: DecodedCorpus, batch: int = 2) -> Predictor:
    return Predictor(
        localizer,
        corpus,
        reserved=dict(zip(("silence", "noise"), synthetic_sounds(localizer), strict=True)),
        batch=batch,
        device=torch.device("cpu"),
    )


def _by_hand(
    localizer: Alignment, corpus: DecodedCorpus, frame: str, sound: str
) -> tuple[torch.Tensor, torch.Tensor]:
    row, heard = corpus.row(frame), corpus.row(sound)
    start = (corpus.sound_length(heard) - STEPS) // 2
    window = np.array(corpus.spectrogram(heard))[start : start + STEPS]
    with torch.no_grad():
        picture = plain_view(torch.from_numpy(corpus.frame(row)[None].copy()), 32)
        v = localizer.position_features(picture)
        return v, localizer.heard_features(spectrograms(torch.from_numpy(window[None])))


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_maps_are_those_of_each_pair_alone(
    localizer: Alignment, corpus: DecodedCorpus, batch: int
) -> None:
    names = corpus.clip_ids
    pairs = [(names[f], names[s]) for f, s in ((3, 3), (0, 5), (3, 1), (6, 6), (3, 3), (1, 0))]
    maps = _predictor(localizer, corpus, batch).maps(pairs)
    assert maps.shape == (6, 4, 4) and maps.dtype == np.float32
    for found, (frame, sound) in zip(maps, pairs, strict=True):
        v, a = _by_hand(localizer, corpus, frame, sound)
        expected = torch.cosine_similarity(v[0], a[0][:, None, None], dim=0)
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    np.testing.assert_array_equal(maps[0], maps[4])


def test_similarities_are_those_of_each_pair_alone(
    localizer: Alignment, corpus: DecodedCorpus
) -> None:
    frames, sounds = corpus.clip_ids[:5], corpus.clip_ids[2:]
    predictor = _predictor(localizer, corpus)
    found = predictor.similarities(frames, sounds)
    assert list(found) == ["s_A", "s_L"] and found["s_A"].shape == (5, 5)
    for i, frame in enumerate(frames):
        for j, sound in enumerate(sounds):
            v, a = _by_hand(localizer, corpus, frame, sound)
            assert found["s_L"][i, j] == pytest.approx(float(s_l(v, a, "top", share=0.5)), abs=1e-5)
            with torch.no_grad():
                aligned = localizer.image_embedding(v) @ localizer.audio_embedding(a).T
            assert found["s_A"][i, j] == pytest.approx(float(aligned), abs=1e-5)


def test_a_localizer_without_projections_has_no_s_a(corpus: DecodedCorpus) -> None:
    bare = small_method(FORM, STEPS, feature_alignment=False)
    assert set(_predictor(bare, corpus).similarities(["clip00"], ["clip01"])) == {"s_L"}


def test_synthetic_sounds_are_silence_and_noise(
    localizer: Alignment, corpus: DecodedCorpus
) -> None:
    silence, noise = synthetic_sounds(localizer)
    assert silence.shape == noise.shape == (STEPS, 33)
    np.testing.assert_allclose(silence, np.log(1e-7), rtol=1e-3)
    samples = torch.randn(64 + 19 * 32, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    power = signal.spectrogram(samples.numpy(), 16000, nperseg=64, noverlap=32)[2]
    np.testing.assert_allclose(noise, np.log(power + 1e-7).T, atol=0.02)
    assert all(map(np.array_equal, synthetic_sounds(localizer), (silence, noise)))
    maps = _predictor(localizer, corpus).maps([("clip00", "silence"), ("clip00", "noise")])
    assert np.isfinite(maps).all() and not np.array_equal(maps[0], maps[1])


def test_what_a_clip_lacks_is_named(localizer: Alignment, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    frames = generator.integers(0, 256, (2, 40, 40, 3)).astype(np.uint8)
    corpus = make_corpus(tmp_path, frames, [generator.normal(-9, 3, (STEPS, 33))] * 2, form=FORM)
    corpus._frame_rows = np.array([-1, 1])
    corpus._sound_starts = np.array([0, -1])
    predictor = _predictor(localizer, corpus)
    with pytest.raises(InputError, match="clip00 has no picture"):
        predictor.maps([("clip00", "clip00")])
    with pytest.raises(InputError, match="clip01 has no sound"):
        predictor.maps([("clip01", "clip01")])
    with pytest.raises(InputError, match="no clip 'other'"):
        predictor.maps([("other", "clip00")])


def test_spectrograms_of_another_form_are_refused(localizer: Alignment, tmp_path: Path) -> None:
    frames = np.zeros((1, 40, 40, 3), np.uint8)
    corpus = make_corpus(
        tmp_path, frames, [np.zeros((STEPS, 33))], 1, form=SoundForm(window=64, hop=48)
    )
    with pytest.raises(InputError, match=r"hop=48.* expects .*hop=32"):
        _predictor(localizer, corpus)
