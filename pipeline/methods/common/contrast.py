"""Cross-entropy against the other clips of a batch, over all ranks and in either direction.

A row of similarities belongs to one frame: first the sounds of all ranks' clips, in rank order, and
behind them whatever else a method sets against the own sound (a background, a silence), which is
never the target. What crosses ranks is the sounds and, for the other direction, the rows.
"""

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.methods.common.similarity import s_l, trimap_background
from pipeline.networks import ranks

_OWN = -99.0  # what LVS's family multiplies a frame's own sound by, among its negatives


def trimap_rows(
    v: Tensor, a: Tensor, everyone: Tensor, *, background: bool = True, own_negative: bool = False
) -> Tensor:
    """The rows of LVS and of what is derived from it: S(n, m) of each frame with all sounds, and
    behind them the background G(n) and -99 S(n, n), where they are on.

    v: (b, C, h, w), a: (b, C) the frames' own sounds, everyone: (M, C) all sounds. Returns (b,
    M to M + 2). Source: hche11/Localizing-Visual-Sounds-the-Hard-Way @ 8fe8cbb, model.py."""
    columns = [s_l(v, everyone, "masked")]
    if background:
        columns.append(trimap_background(v, a)[:, None])
    if own_negative:
        columns.append(_OWN * columns[0].gather(1, own_places(v)[:, None]))
    return torch.cat(columns, dim=1)


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
