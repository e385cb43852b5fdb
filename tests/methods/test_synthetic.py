"""Silence and noise behind a batch's own sounds."""

import math

import pytest
import torch
from contract_checks import FORM
from torchaudio.functional import melscale_fbanks

from pipeline.clips.sound_form import SSL_TIE_FORM, VGGISH_FORM, SoundForm
from pipeline.errors import InputError
from pipeline.methods.common.synthetic import all_sounds, append_synthetic
from pipeline.methods.contract import Dice


def _sounds(clips: int, form: SoundForm = FORM, steps: int = 12) -> torch.Tensor:
    return torch.randn(clips, steps, form.bins, generator=torch.Generator().manual_seed(0)).half()


def test_one_silence_and_one_noise_for_eight_clips() -> None:
    sounds = _sounds(16)
    found = append_synthetic(sounds, FORM, Dice(0, 3))
    assert found.shape == (20, 12, 16) and found.dtype == torch.float16
    assert torch.equal(found[:16], sounds)
    silence, noise = found[16:18], found[18:]
    assert torch.equal(silence, torch.full_like(silence, math.log(1e-7)))
    # White noise of the variance s has the density 2 s / 16000 a hertz in every bin, and clipping
    # at [-1, 1] leaves a standard normal one s = 0.516. A mel band adds its triangle's weights.
    density = torch.exp(noise.float()).mean(dim=(0, 1))
    triangles = melscale_fbanks(257, 0.0, 8000.0, 16, 16000).sum(dim=0)
    ratios = density / (triangles * 2 * 0.516 / 16000)
    assert float(ratios.mean()) == pytest.approx(1, abs=0.15)


def test_noise_is_the_step_s_and_drawn_anew_at_the_next() -> None:
    sounds = _sounds(16)
    found = append_synthetic(sounds, FORM, Dice(0, 3))
    assert torch.equal(append_synthetic(sounds, FORM, Dice(0, 3)), found)
    other = append_synthetic(sounds, FORM, Dice(0, 4))
    assert torch.equal(other[:18], found[:18])
    assert not torch.equal(found[18], found[19]) and not torch.equal(other[18:], found[18:])


@pytest.mark.parametrize("form", [SoundForm(), SSL_TIE_FORM, VGGISH_FORM])
def test_any_form_has_them(form: SoundForm) -> None:
    found = append_synthetic(_sounds(3, form, 30), form, Dice(0, 0))
    assert found.shape == (5, 30, form.bins)
    silence, noise = found[3].float(), found[4].float()
    assert bool(torch.isfinite(found).all()) and float(noise.mean()) > float(silence.mean()) + 1
    if not form.stretched:  # a stretched silence is a constant of -1
        assert torch.allclose(silence, torch.tensor(form.silence), atol=0.01)


def test_ranks_share_what_one_process_has() -> None:
    sounds = _sounds(16)
    whole = append_synthetic(sounds, FORM, Dice(0, 3))
    parts = [append_synthetic(sounds[8 * r : 8 * r + 8], FORM, Dice(0, 3, r, 2)) for r in (0, 1)]
    assert torch.equal(torch.cat([part[:8] for part in parts]), whole[:16])
    assert torch.equal(torch.cat([part[8:9] for part in parts]), whole[16:18])
    assert torch.equal(torch.cat([part[9:] for part in parts]), whole[18:])


def test_a_batch_that_ranks_cannot_share_is_refused() -> None:
    with pytest.raises(InputError, match=r"24 clips has 3 of each .* 2 devices .*multiple of 16"):
        append_synthetic(_sounds(12), FORM, Dice(0, 0, 0, 2))


def test_the_clips_own_sounds_come_first() -> None:
    a = torch.arange(12.0).view(6, 2)
    own, everyone = all_sounds(a, 4)
    assert torch.equal(own, a[:4]) and torch.equal(everyone, a)
    own, everyone = all_sounds(a, 6)
    assert torch.equal(own, a) and torch.equal(everyone, a)
