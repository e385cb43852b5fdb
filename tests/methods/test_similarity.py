"""s_L, s_A, the map and the loss over pairs of views, against explicit loops."""

import math

import pytest
import torch
from torch.nn.functional import cosine_similarity, cross_entropy

from pipeline.methods.common import similarity as objective
from pipeline.methods.common.similarity import (
    POOLINGS,
    contrastive_loss,
    localization_map,
    s_a,
    s_l,
    trimap_background,
    trimap_foreground,
)


def _made(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)


def _cosines(v: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    """The explicit (N, M, h, w) tensor."""
    return cosine_similarity(v[:, None], a[None, :, :, None, None], dim=2)


def _explicit(v: torch.Tensor, a: torch.Tensor, pooling: str) -> torch.Tensor:
    rows = []
    for frame in _cosines(v, a):
        row = []
        for cosines in frame.flatten(1):
            if pooling == "mean":
                row.append(cosines.mean())
            elif pooling == "top":
                row.append(cosines.sort(descending=True).values[: round(0.3 * len(cosines))].mean())
            elif pooling == "softmax":
                weights = torch.exp(cosines / 0.2)
                row.append((weights * cosines).sum() / weights.sum())
            elif pooling == "max":
                row.append(cosines.max())
            else:
                weights = torch.sigmoid((cosines.double() - 0.65) / 0.03)
                row.append(((weights * cosines).sum() / weights.sum()).float())
        rows.append(torch.stack(row))
    return torch.stack(rows)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_s_l_equals_the_explicit_cosines_pooled(pooling: str) -> None:
    v, a = _made(0, 6, 7, 4, 5).requires_grad_(), _made(1, 9, 7).requires_grad_()
    weights = _made(2, 6, 9)
    ours = s_l(v, a, pooling, share=0.3, temperature=0.2)
    explicit = _explicit(v, a, pooling)
    torch.testing.assert_close(ours, explicit, atol=1e-6, rtol=0)
    found = torch.autograd.grad((ours * weights).sum(), (v, a))
    expected = torch.autograd.grad((explicit * weights).sum(), (v, a))
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("pooling", ["top", "softmax", "max", "masked"])
def test_blocks_do_not_change_s_l(pooling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    v, a = _made(0, 7, 6, 4, 4).requires_grad_(), _made(1, 5, 6).requires_grad_()
    whole = s_l(v, a, pooling)
    gradients = torch.autograd.grad(whole.square().sum(), (v, a))
    monkeypatch.setattr(objective, "_BLOCK_COSINES", 2 * 16 * 5)
    blocks = s_l(v, a, pooling)
    torch.testing.assert_close(blocks, whole)
    torch.testing.assert_close(torch.autograd.grad(blocks.square().sum(), (v, a)), gradients)


def test_top_share_of_tied_cosines_is_their_value() -> None:
    v, a = torch.ones(2, 3, 4, 4), torch.ones(2, 3)
    torch.testing.assert_close(s_l(v, a, "top"), torch.ones(2, 2))


def test_unknown_pooling_is_refused() -> None:
    with pytest.raises(ValueError, match="median"):
        s_l(torch.ones(1, 2, 3, 3), torch.ones(1, 2), "median")


def test_s_a_is_the_cosine() -> None:
    image, audio = _made(0, 4, 8), _made(1, 5, 8)
    expected = cosine_similarity(image[:, None], audio[None], dim=2)
    torch.testing.assert_close(s_a(image, audio), expected)


def test_trimap_background_is_the_masked_mean_of_lvs() -> None:
    v, a = _made(0, 4, 6, 3, 3), _made(1, 4, 6)
    cosines = torch.stack([_cosines(v, a)[i, i] for i in range(4)]).flatten(1).double()
    mask = 1 - torch.sigmoid((cosines - 0.4) / 0.03)
    expected = (mask * cosines).sum(1) / mask.sum(1)
    torch.testing.assert_close(trimap_background(v, a), expected.float(), atol=1e-6, rtol=0)


def test_trimap_foreground_is_the_own_pairs_masked_mean() -> None:
    v, a = _made(0, 4, 6, 3, 3), _made(1, 4, 6)
    expected = _explicit(v, a, "masked").diagonal()
    torch.testing.assert_close(trimap_foreground(v, a), expected, atol=1e-6, rtol=0)


def test_the_map_is_the_cosine_of_each_position() -> None:
    v, a = _made(0, 3, 10, 4, 5), _made(1, 3, 10)
    expected = cosine_similarity(v, a[:, :, None, None], dim=1)
    torch.testing.assert_close(localization_map(v, a), expected)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize(("views", "pairs"), [(3, 9), (2, 4), (1, 1)])
def test_loss_equals_a_loop_over_pairs(views: int, pairs: int, symmetric: bool) -> None:
    batch, tau = 5, 0.07
    frames = [_made(i, batch, 6, 3, 3) for i in range(views)]
    sounds = [_made(10 + i, batch, 6) for i in range(views)]
    image = [_made(20 + i, batch, 4) for i in range(views)]
    audio = [_made(30 + i, batch, 4) for i in range(views)]
    expected = {"localization": 0.0, "alignment": 0.0}
    counted = 0
    for v, p in zip(frames, image, strict=True):
        for a, q in zip(sounds, audio, strict=True):
            counted += 1
            for part, scores in (
                ("localization", _cosines(v, a).mean(dim=(2, 3))),
                ("alignment", cosine_similarity(p[:, None], q[None], dim=2)),
            ):
                for i in range(batch):
                    down = -math.log(
                        math.exp(scores[i, i] / tau)
                        / sum(math.exp(scores[i, j] / tau) for j in range(batch))
                    )
                    across = -math.log(
                        math.exp(scores[i, i] / tau)
                        / sum(math.exp(scores[j, i] / tau) for j in range(batch))
                    )
                    expected[part] += ((down + across) / 2 if symmetric else down) / batch
    assert counted == pairs
    found = contrastive_loss(frames, sounds, image, audio, tau=tau, symmetric=symmetric)
    assert float(found[0]) == pytest.approx(expected["localization"], rel=1e-5)
    assert float(found[1]) == pytest.approx(expected["alignment"], rel=1e-5)


def test_without_embeddings_there_is_no_alignment() -> None:
    frames, sounds = [_made(0, 4, 6, 3, 3)], [_made(1, 4, 6)]
    localization, alignment = contrastive_loss(frames, sounds)
    assert float(alignment) == 0
    assert float(localization) > 0


def test_a_guess_costs_the_logarithm_of_the_batch_a_pair() -> None:
    frames, sounds = [torch.ones(8, 4, 2, 2)] * 3, [torch.ones(8, 4)] * 3
    localization, _ = contrastive_loss(frames, sounds, symmetric=True)
    assert float(localization) == pytest.approx(9 * math.log(8), rel=1e-6)


def test_trimap_loss_is_lvs_own_logits() -> None:
    """LVS: [positive region, other sounds' positive regions, own negative region] / 0.07."""
    v, a = _made(0, 5, 6, 3, 3), _made(1, 5, 6)
    cosines = _cosines(v, a).flatten(2).double()
    weights = torch.sigmoid((cosines - 0.65) / 0.03)
    similarities = (weights * cosines).sum(2) / weights.sum(2)
    own = cosines[torch.arange(5), torch.arange(5)]
    mask = 1 - torch.sigmoid((own - 0.4) / 0.03)
    hard = ((mask * own).sum(1) / mask.sum(1))[:, None]
    positive = similarities.diagonal()[:, None]
    negatives = similarities.masked_fill(torch.eye(5, dtype=torch.bool), -math.inf)
    logits = torch.cat([positive, negatives, hard], dim=1) / 0.07
    expected = cross_entropy(logits, torch.zeros(5, dtype=torch.long))
    localization, _ = contrastive_loss([v], [a], pooling="trimap")
    assert float(localization) == pytest.approx(float(expected), rel=1e-5)
