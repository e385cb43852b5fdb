"""Cross-entropy against the other clips of a batch, over all ranks and in either direction.

A row of similarities belongs to one frame: first the sounds of all ranks' clips, in rank order, and
behind them whatever else a method sets against the own sound (a background, a silence), which is
never the target. What crosses ranks is the sounds and, for the other direction, the rows.
"""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.networks import ranks


def own_places(similarities: Tensor) -> Tensor:
    """In which column of its row each of this rank's clips stands itself: (b, M) to (b,) int64."""
    own = len(similarities)
    return torch.arange(own, device=similarities.device) + ranks.rank() * own


def choose_sound(similarities: Tensor, tau: float) -> Tensor:
    """Cross-entropy of each frame's own sound against all columns of its row.

    similarities: (b, M), this rank's b frames against M >= b x ranks sounds; returns the mean over
    the frames, a scalar."""
    return functional.cross_entropy(similarities / tau, own_places(similarities))


def choose_frame(similarities: Tensor, tau: float) -> Tensor:
    """Cross-entropy of each sound's own frame against the frames of all ranks' clips.

    similarities: (b, M) as `choose_sound` takes them; columns that are no clip's are left out.
    Returns the mean over this rank's sounds, a scalar."""
    own = own_places(similarities)
    whole = ranks.gather(similarities[:, : len(own) * ranks.count()])
    return functional.cross_entropy(whole[:, own].T / tau, own)
