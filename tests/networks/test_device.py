"""Native precision: bfloat16 where the machine has instructions for it, else float32."""

import pytest
import torch

from pipeline.networks.device import has_bfloat16
from pipeline.train.settings import Train
from pipeline.train.step import on_device

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("found", "precision"),
    [
        ({"amx_bf16": True, "avx512_bf16": False}, "bfloat16"),
        ({"avx512_bf16": True}, "bfloat16"),
        ({"avx512_bf16": False, "avx2": True}, "float32"),
        ({}, "float32"),  # another kind of processor
    ],
)
def test_native_precision_is_that_of_the_processor(
    found: dict[str, bool], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found)
    assert has_bfloat16(CPU) == (precision == "bfloat16")
    assert on_device(Train(precision="native"), CPU) == Train(precision=precision)  # type: ignore[arg-type]


def test_a_precision_that_is_named_stays() -> None:
    for precision in ("float32", "float16", "bfloat16"):
        recipe = Train(precision=precision)  # type: ignore[arg-type]
        assert on_device(recipe, CPU) == recipe
