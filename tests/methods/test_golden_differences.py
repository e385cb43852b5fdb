"""The table of how far each method is from its published functions' numbers holds its bars."""

from functools import cache

import golden_differences
import pytest
import torch
from golden_differences import COMPARED, KINDS, in_float64, table

from pipeline.methods.contract import method_names

greatest = cache(golden_differences.greatest)  # the table asks once more

# Of the largest entry of an array. In float32 rounding is left, most of it in gradients that are
# thousandths; in float64 the rounding of references that were made in float64, and of the others
# what float32 did to the published functions themselves.
SINGLE, DOUBLE, OF_SINGLE = 1.5e-5, 1e-7, 1.5e-5
MADE_IN_DOUBLE = {"ezvsl", "fnac", "hardpos", "lvs", "marginnce", "slavc"}


def test_every_method_has_a_row() -> None:
    assert sorted([*COMPARED, "avloc"]) == method_names()  # of our own nothing is published


@pytest.mark.parametrize("name", list(COMPARED))
def test_differences_are_those_of_rounding(name: str) -> None:
    found, exact = greatest(name), greatest(name, double=True)
    assert set(found) == set(exact) == set(KINDS)
    # HearTheFlow's attention leaves its queries gradients of a ten-thousandth.
    finer = 6e-5 if name == "heartheflow" else 0.0
    for kind in KINDS:
        assert found[kind] <= max(SINGLE, finer), kind
        exact_bar = DOUBLE if name in MADE_IN_DOUBLE else max(OF_SINGLE, finer)
        assert exact[kind] <= exact_bar, kind


def test_float64_ends_with_its_block() -> None:
    with in_float64():
        assert torch.zeros(1).float().dtype == torch.float64
    assert torch.zeros(1).float().dtype == torch.float32


def test_the_table_names_each_method_and_the_lines_of_its_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(golden_differences, "greatest", greatest)
    found = table()
    print(f"\n{found}")
    rows = found.splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(COMPARED)
    assert all(int(row.split("|")[2]) > 20 for row in rows)
