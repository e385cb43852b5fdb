"""Silence and noise as sounds that no frame shows: the switch `synthetic_negatives`.

A softmax over sounds takes them as further columns that are never the target, so that a network
learns that some sounds are nowhere in the picture. The idea that silence and noise help is
SSL-SaN's (Juanola et al., BMVC 2025); its loss is not public, and this one is ours.

They pass through the network in the same batch as the clips' own sounds. In a batch of their own
batch normalisation would see nothing but silence, whose variance is 0, and would tell the classes
apart by their statistics instead of by what they hold. The price is a quarter more sounds to
encode, and running statistics of which a fifth is theirs.
"""

import torch
from torch import Tensor

from pipeline.clips.sound_form import SoundForm
from pipeline.clips.spectrogram import to_spectrogram
from pipeline.errors import InputError
from pipeline.methods.contract import Dice
from pipeline.networks import ranks

CLIPS = 8  # clips of a batch for which there is one silence and one noise (at least one of each)


def append_synthetic(sounds: Tensor, form: SoundForm, dice: Dice) -> Tensor:
    """Stored windows (b, steps, bins) with n silences and then n noises behind them, (b + 2 n,
    steps, bins) in the same dtype; n is the batch's clips over `CLIPS`, shared out over the ranks.

    Silence is a waveform of zeros, noise standard normal and clipped to [-1, 1], as the benchmark
    of negative sounds has both; the noise is drawn anew at each step. Raises `InputError` where the
    ranks could not have equal parts of them."""
    steps = sounds.shape[1]
    count = max(1, len(sounds) * dice.ranks // CLIPS)
    if count % dice.ranks:
        raise InputError(
            f"synthetic_negatives: a batch of {len(sounds) * dice.ranks} clips has {count} of each "
            f"kind, which {dice.ranks} devices cannot share equally; expected a batch of a "
            f"multiple of {CLIPS * dice.ranks} clips"
        )
    drawn = torch.randn(count, form.samples(steps), generator=dice.generator("synthetic noise"))
    noise = dice.part(drawn).to(sounds.device).clamp(-1, 1)
    waves = torch.cat([torch.zeros_like(noise), noise])
    made = to_spectrogram(waves, form)[..., :steps].transpose(1, 2)
    return torch.cat([sounds, made.to(sounds.dtype)])


def all_sounds(a: Tensor, clips: int) -> tuple[Tensor, Tensor]:
    """From this rank's sounds, (clips + 2 n, C), of which those behind its own `clips` are
    synthetic: its own (clips, C), and all ranks' sounds (M, C), the clips' before the synthetic
    ones, as `pipeline.methods.common.contrast` wants its columns."""
    own, synthetic = a[:clips], a[clips:]
    everyone = ranks.gather(own)
    if len(synthetic):
        everyone = torch.cat([everyone, ranks.gather(synthetic)])
    return own, everyone
