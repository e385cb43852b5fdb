"""Dropout masks of the step's own numbers, and torch's dropout by a given mask."""

import pytest
import torch

from pipeline.methods.common.dropout import draw_kept, drop
from pipeline.methods.contract import Dice

CLIPS = torch.zeros(32, 1)
SHAPE = (40, 5, 5)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_each_entry_is_dropped_with_the_probability(share: float) -> None:
    kept = draw_kept(Dice(7, 3), "dropout", CLIPS, SHAPE, share)
    assert kept is not None and kept.dtype == torch.bool and kept.shape == (32, *SHAPE)
    deviation = (share * (1 - share) / kept.numel()) ** 0.5
    assert float(kept.double().mean()) == pytest.approx(1 - share, abs=4 * deviation)
    # As often kept in each clip, channel and place, and neighbours apart from one another.
    for axis in range(4):
        means = kept.double().mean(dim=[a for a in range(4) if a != axis])
        spread = (share * (1 - share) * len(means) / kept.numel()) ** 0.5
        assert float((means - (1 - share)).abs().max()) < 4.5 * spread
    pairs = kept[..., 1:].logical_and(kept[..., :-1]).double().mean()
    assert float(pairs) == pytest.approx((1 - share) ** 2, abs=0.015)


def test_a_mask_is_of_seed_step_and_name_and_ranks_share_it() -> None:
    def mask(dice: Dice, name: str = "dropout", inputs: torch.Tensor = CLIPS) -> torch.Tensor:
        kept = draw_kept(dice, name, inputs, SHAPE, 0.5)
        assert kept is not None
        return kept

    whole = mask(Dice(7, 3))
    assert torch.equal(mask(Dice(7, 3)), whole)
    for other in (mask(Dice(8, 3)), mask(Dice(7, 4)), mask(Dice(7, 3), "another")):
        assert float((other == whole).double().mean()) == pytest.approx(0.5, abs=0.02)
    parts = [mask(Dice(7, 3, rank, 4), inputs=CLIPS[:8]) for rank in range(4)]
    assert torch.equal(torch.cat(parts), whole)


def test_nothing_is_drawn_where_nothing_is_dropped() -> None:
    assert draw_kept(Dice(7, 3), "dropout", CLIPS, SHAPE, 0.0) is None
    features = torch.randn(2, 3)
    assert drop(features, None, 0.5) is features


def test_what_is_kept_grows_by_what_is_dropped() -> None:
    features = torch.ones(64, 1000)
    torch.manual_seed(0)
    theirs = torch.nn.functional.dropout(features, 0.9)
    torch.testing.assert_close(drop(features, theirs > 0, 0.9), theirs)
