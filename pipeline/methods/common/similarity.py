"""The objective: cross-entropy of every pair of views under s_L and s_A (Eq. 3 to 5).

All views' similarities come from one matrix product of (views x batch) frames with (views x batch)
sounds. With the paper's s_L (M = 1) the frame's positions are averaged before it, so that no
B x B x h x w tensor is ever made; the other poolings need those cosines and compute them in blocks
of rows that are recomputed for the backward pass, a third more arithmetic for memory that stays
linear in B x h x w.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from pipeline.networks import ranks

POOLINGS = ("mean", "masked", "top", "softmax", "max")

# LVS's tri-map: soft masks sigmoid((cosine - threshold) / sharpness), as its code has them.
TRIMAP_POSITIVE = 0.65
TRIMAP_NEGATIVE = 0.4
TRIMAP_SHARPNESS = 0.03

_BLOCK_COSINES = 2**24  # cosines held at a time: 64 MiB in float32


def s_l(
    v: Tensor, a: Tensor, pooling: str = "mean", *, share: float = 0.25, temperature: float = 0.1
) -> Tensor:
    """Localization similarity of every frame with every sound (Eq. 3).

    v: (N, C, h, w) features of the frames' positions; a: (M, C) of the sounds; returns (N, M)
    float32: the cosines of a frame's positions with a sound, pooled over the positions by

    - ``mean``: their mean, Eq. 3 with M = 1 (the paper's);
    - ``top``: the mean of the largest `share` of them (at least one): M = the map's own top;
    - ``softmax``: their mean weighted by softmax(cosine / `temperature`);
    - ``max``: the largest;
    - ``masked``: their mean weighted by LVS's soft positive mask (the authors' training code).

    Raises ValueError for another `pooling`.
    """
    v, a = functional.normalize(v.float(), dim=1), functional.normalize(a.float(), dim=1)
    return pooled_products(v, a, pooling, share=share, temperature=temperature)


def pooled_products(
    v: Tensor, a: Tensor, pooling: str = "mean", *, share: float = 0.25, temperature: float = 0.1
) -> Tensor:
    """As `s_l`, of the inner products of what is given, (N, C, h, w) and (M, C) float32, in place
    of cosines. Raises ValueError as it does."""
    if pooling not in POOLINGS:
        raise ValueError(f"pooling is {pooling!r}, expected one of {', '.join(POOLINGS)}")
    if pooling == "mean":
        return v.mean(dim=(2, 3)) @ a.T
    positions = v.flatten(2).transpose(0, 1)  # (C, N, h w)
    block = max(1, _BLOCK_COSINES // max(1, positions.shape[2] * len(a)))

    def pooled(frames: Tensor) -> Tensor:
        cosines = (a @ frames.flatten(1)).unflatten(1, frames.shape[1:])
        return _pool(cosines, pooling, share, temperature)

    blocks = [
        checkpoint(pooled, frames, use_reentrant=False, preserve_rng_state=False)
        if torch.is_grad_enabled() and block < len(v)
        else pooled(frames)
        for frames in positions.split(block, dim=1)
    ]
    return torch.cat(blocks, dim=1).T


def mean_vectors(modality: str, features: Tensor) -> Tensor:
    """The vectors whose inner products are `s_l` with the pooling ``mean``: of frames' features
    (N, C, h, w) or of sounds' (N, C), as (N, C) float32."""
    unit = functional.normalize(features.float(), dim=1)
    return unit.mean(dim=(2, 3)) if modality == "frame" else unit


def _pool(cosines: Tensor, pooling: str, share: float, temperature: float) -> Tensor:
    """(M, n, positions) to (M, n)."""
    if pooling == "max":
        return cosines.amax(dim=2)
    if pooling == "top":
        return _TopMean.apply(cosines, max(1, round(share * cosines.shape[2])))
    if pooling == "softmax":
        weights = torch.softmax(cosines / temperature, dim=2)
    else:  # masked: mask / sum of the mask, in logarithms since the mask is nearly 0 at low cosines
        masks = functional.logsigmoid((cosines - TRIMAP_POSITIVE) / TRIMAP_SHARPNESS)
        weights = torch.softmax(masks, dim=2)
    return (weights * cosines).sum(dim=2)


class _TopMean(torch.autograd.Function):
    """The mean of the largest entries along the last axis, by one partial sort.

    On the CPU NumPy's partition is six times as fast as torch's topk, and a mask of what is not
    below the smallest of them is all that the gradient needs (ties at it share its gradient).
    """

    @staticmethod
    def forward(context: Any, cosines: Tensor, largest: int) -> Tensor:
        if cosines.device.type == "cpu":
            place = cosines.shape[-1] - largest
            parted = np.partition(cosines.detach().numpy(), place, axis=-1)
            top = torch.from_numpy(parted[..., place:])
            least = top[..., :1]
        else:
            top = cosines.topk(largest, dim=-1).values
            least = top[..., -1:]
        context.save_for_backward(cosines >= least)
        context.largest = largest
        return top.mean(dim=-1)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (mask,) = context.saved_tensors
        return mask * (gradients[0] / context.largest).unsqueeze(-1), None


def trimap_background(v: Tensor, a: Tensor) -> Tensor:
    """Similarity of each pair's own background, LVS's hard negative: (N, C, h, w), (N, C) to (N,).

    The mean of the pair's cosines weighted by 1 - sigmoid((cosine - 0.4) / 0.03).
    """
    v, a = functional.normalize(v.float(), dim=1), functional.normalize(a.float(), dim=1)
    cosines = torch.einsum("nchw,nc->nhw", v, a).flatten(1)
    masks = functional.logsigmoid((TRIMAP_NEGATIVE - cosines) / TRIMAP_SHARPNESS)
    return (torch.softmax(masks, dim=1) * cosines).sum(dim=1)


def trimap_foreground(v: Tensor, a: Tensor) -> Tensor:
    """Similarity of each pair's own foreground: (N, C, h, w), (N, C) to (N,) float32, the diagonal
    of `s_l`'s ``masked`` without the other pairs."""
    cosines = localization_map(v, a).flatten(1)
    masks = functional.logsigmoid((cosines - TRIMAP_POSITIVE) / TRIMAP_SHARPNESS)
    return (torch.softmax(masks, dim=1) * cosines).sum(dim=1)


def s_a(image_embeddings: Tensor, audio_embeddings: Tensor) -> Tensor:
    """Alignment similarity of every frame with every sound (Eq. 4): cosines of the projected
    (N, D) and (M, D), as (N, M) float32."""
    image = functional.normalize(image_embeddings.float(), dim=1)
    return image @ functional.normalize(audio_embeddings.float(), dim=1).T


class Kin(NamedTuple):
    """Clips of a batch that are akin: `mask` (b, B) bool, of this rank's clips with all, the same
    for one and another as for the other and the one. They are no negatives of each other, in either
    direction; if `positive`, each is a further positive, and the loss of a clip is the mean over
    its positives, each against the negatives alone."""

    mask: Tensor
    positive: bool = False


def pair_losses(
    similarities: Tensor,
    tau: float,
    symmetric: bool = False,
    background: Tensor | None = None,
    others: Tensor | None = None,
    kin: Kin | None = None,
) -> Tensor:
    """Cross-entropy of each pair against the batch's other clips, per pair type (Eq. 2, 5).

    similarities: (V, A, b, B): for each pair of a frame's view and a sound's view, this rank's b
    frames against all B sounds of the batch (b = B on one rank; rank r holds frames r b to
    (r + 1) b). Eq. 5 normalises over the sounds; `symmetric` adds the same over the frames and
    halves the sum (Eq. 2's remark). `background` (V, A, b) is one more negative of each pair,
    `others` (V, A, b, m) are those of each frame with sounds that are no clip's. `kin` are of the
    batch's clips no negatives or further positives: see `Kin`.
    Returns (V, A): the mean over this rank's clips.
    """
    views, sounds, own = similarities.shape[:3]
    targets = torch.arange(own, device=similarities.device) + ranks.rank() * own
    classes = targets.expand(views * sounds, own).flatten()

    def crossed(scores: Tensor, others: Tensor | None = None) -> Tensor:
        more = [] if others is None else [others]
        if background is not None:
            more.append(background[..., None])
        if kin is not None and kin.positive:
            own_place = functional.one_hot(targets, scores.shape[-1]).bool()
            return _many_positives(scores / tau, kin.mask | own_place, [x / tau for x in more])
        if kin is not None:
            scores = scores.masked_fill(kin.mask, -torch.inf)
        scores = torch.cat([scores, *more], dim=-1)
        losses = functional.cross_entropy(scores.flatten(0, 2) / tau, classes, reduction="none")
        return losses.view(views, sounds, own).mean(dim=2)

    loss = crossed(similarities, others)
    if symmetric:
        # Rows of all ranks (V A B^2 numbers), from which this rank's own sounds are the columns.
        whole = ranks.gather(similarities.permute(2, 0, 1, 3))
        mine = whole[..., ranks.rank() * own : (ranks.rank() + 1) * own]
        loss = (loss + crossed(mine.permute(1, 2, 3, 0))) / 2
    return loss


def _many_positives(scores: Tensor, positive: Tensor, more: Sequence[Tensor]) -> Tensor:
    """Scores (V, A, b, B) over tau, of which `positive` (b, B) are positives and the rest, with
    `more` (V, A, b, m), the negatives of each of them alone: (V, A)."""
    negatives = torch.cat([scores.masked_fill(positive, -torch.inf), *more], dim=-1)
    each = functional.softplus(negatives.logsumexp(dim=-1, keepdim=True) - scores)
    weights = positive / positive.sum(dim=-1, keepdim=True)
    return (each * weights).sum(dim=-1).mean(dim=2)


def contrastive_loss(
    frames: Sequence[Tensor],
    sounds: Sequence[Tensor],
    image_embeddings: Sequence[Tensor] | None = None,
    audio_embeddings: Sequence[Tensor] | None = None,
    *,
    tau: float = 0.07,
    symmetric: bool = False,
    pooling: str = "mean",
    share: float = 0.25,
    temperature: float = 0.1,
    negatives: tuple[Tensor, Tensor | None] | None = None,
    kin: tuple[Kin | None, Kin | None] = (None, None),
) -> tuple[Tensor, Tensor]:
    """Eq. 5: the sum over all pairs of a frame's view and a sound's view of their losses.

    frames: per view v, v_aug, v_conc (or fewer) the maps (b, C, h, w); sounds: per view (b, C);
    clip i is entry i of each. Three by three views are the paper's nine pairs. The embeddings of
    the same views (b, D) add s_A; without them feature alignment is off. Under several ranks each
    one gives its part of the batch, and the negatives are all ranks'.

    `pooling` is one of `s_l`'s, or ``trimap``: LVS's, the masked mean with each pair's own
    background as one more negative. `negatives` are this rank's sounds that are no clip's, (m, C),
    and their embeddings (m, D): every frame's view has all ranks' of them as further negatives.
    `kin` are those of s_L and of s_A, which are no negatives, or further positives.

    Returns the terms of s_L and those of s_A (0 where off), each the mean over this rank's clips.
    A guess at random costs log(B) a pair.
    """
    v, a = torch.stack(list(frames)), torch.stack(list(sounds))
    images, audios = len(v), len(a)

    def arranged(similarities: Tensor) -> Tensor:
        """(V b, B A) to (V, A, b, B)."""
        return (
            similarities.unflatten(0, (images, -1)).unflatten(2, (-1, audios)).permute(0, 3, 1, 2)
        )

    def everyone(views: Tensor) -> Tensor:
        """(A, b, D) of this rank to (B A, D) of all, clip by clip."""
        return ranks.gather(views.transpose(0, 1)).flatten(0, 1)

    background = None
    if pooling == "trimap":
        background = torch.stack([torch.stack([trimap_background(x, y) for y in a]) for x in v])
        pooling = "masked"

    def localized(sounds: Tensor) -> Tensor:
        return s_l(v.flatten(0, 1), sounds, pooling, share=share, temperature=temperature)

    def further(similarities: Tensor) -> Tensor:
        """(V b, m), the same for every view of a sound, to (V, A, b, m)."""
        return similarities.unflatten(0, (images, -1))[:, None].expand(-1, audios, -1, -1)

    no_clips, their_embeddings = negatives or (None, None)
    others = None if no_clips is None else further(localized(ranks.gather(no_clips)))
    scores = arranged(localized(everyone(a)))
    localization = pair_losses(scores, tau, symmetric, background, others, kin[0]).sum()
    if image_embeddings is None or audio_embeddings is None:
        return localization, torch.zeros_like(localization)
    p, q = torch.stack(list(image_embeddings)).flatten(0, 1), torch.stack(list(audio_embeddings))
    others = None
    if their_embeddings is not None:
        others = further(s_a(p, ranks.gather(their_embeddings)))
    scores = arranged(s_a(p, everyone(q)))
    alignment = pair_losses(scores, tau, symmetric, others=others, kin=kin[1])
    return localization, alignment.sum()


def localization_map(v: Tensor, a: Tensor) -> Tensor:
    """Cosine of each v^xy with a, pair by pair: (B, C, h, w), (B, C) to (B, h, w) float32."""
    v, a = functional.normalize(v.float(), dim=1), functional.normalize(a.float(), dim=1)
    return torch.einsum("bchw,bc->bhw", v, a)
