"""A list smaller than a batch, or than k, is trained on with what is there, and no other is."""

import pytest

from pipeline.errors import InputError
from pipeline.methods.alignment import AlignmentSettings
from pipeline.methods.lvs import LVS
from pipeline.train.settings import Train
from pipeline.train.small import fitted

RECIPE = Train(batch=50)


def test_a_small_list_is_one_batch_and_all_others_are_neighbours() -> None:
    method, recipe, told = fitted(AlignmentSettings(k=20), RECIPE, 7, 6)
    assert (method.k, recipe.batch) == (6, 7)
    assert told == [
        "7 clips to train on: a batch has all of them, in place of 50",
        "7 clips to train on: k is 6, in place of 20",
    ]
    same, recipe, told = fitted(LVS.Settings(), RECIPE, 7, 6)  # has no k
    assert same == LVS.Settings() and recipe.batch == 7 and len(told) == 1


def test_a_list_that_is_large_enough_changes_nothing() -> None:
    settings = AlignmentSettings(k=20)
    assert fitted(settings, RECIPE, 50, 20) == (settings, RECIPE, [])
    # A k beyond what was searched is a mistake of the settings', for the loop to name.
    assert fitted(AlignmentSettings(k=21), RECIPE, 50, 20)[0].k == 21


def test_one_clip_is_too_few() -> None:
    with pytest.raises(InputError, match="has 1 clips, expected at least 2"):
        fitted(AlignmentSettings(), RECIPE, 1, 0)
