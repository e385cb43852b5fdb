"""The toy's encoders without labels: SimCLR's loss, the views, and that classes come together."""

from pathlib import Path

import numpy as np
import pytest
import torch
from test_toy_encoders import LABELS, made_frames, made_sounds

from pipeline.encoders.common.contract import load_encoder
from pipeline.encoders.common.settings import Embed
from pipeline.encoders.learning.alone import nt_xent, picture_view, sound_view
from pipeline.errors import InputError
from pipeline.networks.weights import save_torch
from pipeline.toy.alone import train_alone

SETTINGS = Embed("pictures_alone", 32, 1.0, 16, 1)


def test_the_loss_is_simclr_s() -> None:
    """Against Eq. 1 summed by hand, in double precision."""
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 5, 7, generator=generator, dtype=torch.float64)
    z = [x / x.norm() for x in torch.cat([first, second])]
    total = 0.0
    for i in range(10):
        others = [torch.exp(z[i] @ z[k] / 0.3) for k in range(10) if k != i]
        total -= float(torch.log(torch.exp(z[i] @ z[(i + 5) % 10] / 0.3) / sum(others)))
    assert float(nt_xent(first, second, 0.3)) == pytest.approx(total / 10, rel=1e-9)


def test_views_differ_and_keep_their_shape() -> None:
    sounds = torch.from_numpy(made_sounds()[:6])
    found = [sound_view(sounds, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert found[0].shape == (6, 24, 16) and found[0].dtype == torch.float32
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])
    assert bool(torch.isfinite(found[0]).all())
    frames = torch.from_numpy(made_frames()[:6])
    seen = [picture_view(frames, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert seen[0].shape == (6, 3, 21, 21)
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])


def _purity(features: np.ndarray) -> float:
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    return float((LABELS[(unit @ unit.T - 2 * np.eye(len(unit))).argmax(axis=1)] == LABELS).mean())


def test_both_learn_classes_that_nobody_told_them(tmp_path: Path) -> None:
    """Made pictures and sounds of three kinds: the nearest other one is of the same kind."""
    pictures = train_alone("pictures", made_frames(), seed=1, epochs=10, threads=1)
    sounds = train_alone("sounds", made_sounds(), seed=1, epochs=10, threads=1)
    chance = np.log(2 * len(LABELS[:100]) - 1)
    assert 0 < pictures.loss < chance and 0 < sounds.loss < chance
    save_torch(tmp_path / "pictures_alone.pth", pictures.state)
    save_torch(tmp_path / "sounds_alone.pth", sounds.state)
    for name, data in (("imagenet", made_frames()), ("sounds_alone", made_sounds())):
        encoder = load_encoder(name, tmp_path, SETTINGS)
        with torch.inference_mode():
            features = encoder(torch.from_numpy(data)).numpy()
        assert features.shape == (120, 96)
        assert _purity(features) > 0.8, name


def test_a_kill_changes_no_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train_alone("sounds", made_sounds(), seed=3, epochs=2, threads=1).state
    place = tmp_path / "alone.pt"
    saved = torch.save
    written: list[int] = []

    def once(*arguments: object) -> None:
        saved(*arguments)
        written.append(1)
        if len(written) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", once)
    with pytest.raises(KeyboardInterrupt):
        train_alone("sounds", made_sounds(), seed=3, epochs=2, threads=1, checkpoint=place)
    monkeypatch.setattr(torch, "save", saved)
    again = train_alone("sounds", made_sounds(), seed=3, epochs=2, threads=1, checkpoint=place)
    assert all(torch.equal(again.state[key], whole[key]) for key in whole)


def test_too_few_clips_are_refused() -> None:
    with pytest.raises(InputError, match="9 clips to learn from without labels, expected at least"):
        train_alone("pictures", made_frames()[:9], seed=0, epochs=1)
