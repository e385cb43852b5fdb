"""What sound encoders share: a clip's spectrogram as their networks take it."""

import torch
from torch import Tensor


def standardised(spectrograms: Tensor) -> Tensor:
    """(B, time steps, bands) to the network's input, (B, 1, bands, time steps) float32: each clip's
    (x - mean) / (deviation + 1e-9), the deviation biased."""
    x = spectrograms.to(torch.float32)
    mean = x.mean(dim=(1, 2), keepdim=True)
    deviation = x.std(dim=(1, 2), keepdim=True, correction=0)
    return ((x - mean) / (deviation + 1e-9)).transpose(1, 2).unsqueeze(1).contiguous()
