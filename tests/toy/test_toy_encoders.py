"""The toy's labelled encoders: they learn, repeat bit for bit, and pass the real loaders."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.encoders.imagenet import load_image_encoder
from pipeline.encoders.vggsound import AUDIO_WEIGHTS, audio_encoder
from pipeline.errors import InputError
from pipeline.networks.weights import save_torch
from pipeline.toy.encoders import train_audio_encoder, train_image_encoder

CLASSES = 3
LABELS = np.arange(120) % CLASSES


def made_frames() -> np.ndarray:
    """Stripes of three directions over noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32]
    waves = [np.sin(x * 0.9), np.sin(y * 0.9), np.sin((x**2 + y**2) / 40)]
    frames = [128 + 80 * waves[label] + rng.normal(0, 20, (32, 32)) for label in LABELS]
    return np.repeat(np.clip(frames, 0, 255).astype(np.uint8)[..., None], 3, axis=3)


def made_sounds() -> np.ndarray:
    """Log-spectrograms with a line at one of three bands, at any time."""
    rng = np.random.default_rng(1)
    sounds = rng.normal(-8, 1, (len(LABELS), 24, 16))
    sounds[np.arange(len(LABELS)), :, 3 + 5 * LABELS] += 4
    return sounds.astype(np.float16)


def test_both_encoders_learn_and_are_read_by_the_real_loaders(tmp_path: Path) -> None:
    image = train_image_encoder(made_frames(), LABELS, seed=1, epochs=6, threads=1)
    audio = train_audio_encoder(made_sounds(), LABELS, seed=1, epochs=6, threads=1)
    assert image.accuracy > 0.7 and audio.accuracy > 0.9
    assert set(audio.state) >= {"audnet.conv1.weight", "audnet.fc.bias"}
    save_torch(tmp_path / "image.pth", image.state)
    save_torch(tmp_path / "H.pth.tar", {"model_state_dict": audio.state})
    encoders = (load_image_encoder(tmp_path, "toy", 32), audio_encoder(tmp_path / AUDIO_WEIGHTS))
    inputs = (torch.from_numpy(made_frames()), torch.from_numpy(made_sounds()))
    for encoder, data in zip(encoders, inputs, strict=True):
        with torch.inference_mode():
            features = torch.nn.functional.normalize(encoder(data)).numpy()
        assert features.shape == (120, 96)
        similarities = features @ features.T - 2 * np.eye(120)
        purity = (LABELS[similarities.argmax(axis=1)] == LABELS).mean()
        assert purity > 0.8


def test_a_seed_repeats_bit_for_bit_and_leaves_torch_as_it_was() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    runs = [
        train_audio_encoder(made_sounds(), LABELS, seed=seed, epochs=1, threads=1)
        for seed in (5, 5, 6)
    ]
    images = [
        train_image_encoder(made_frames()[:40], LABELS[:40], seed=5, epochs=1, threads=1)
        for _ in range(2)
    ]
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    for one, two in (runs[:2], images):
        assert one.accuracy == two.accuracy
        assert all(torch.equal(one.state[key], two.state[key]) for key in one.state)
    assert not torch.equal(
        runs[0].state["audnet.conv1.weight"], runs[2].state["audnet.conv1.weight"]
    )


def test_too_few_labelled_clips_are_refused() -> None:
    with pytest.raises(InputError, match="9 labelled clips, expected at least 10"):
        train_image_encoder(made_frames()[:9], LABELS[:9], seed=0)
