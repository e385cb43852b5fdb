"""Numbers that the methods' published functions gave for fixed inputs, from `goldens/*.npz`."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor


def read_golden(name: str) -> dict[str, Tensor]:
    """The arrays of a file by name: float32, and bool for masks."""
    with np.load(Path(__file__).parent / "goldens" / f"{name}.npz") as file:
        return {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}


def assert_golden(found: Tensor | None, expected: Tensor, share: float = 1e-5) -> None:
    """Equal to a share of the largest entry, or of 1 where that is less."""
    assert found is not None and found.shape == expected.shape
    largest = max(1.0, float(expected.abs().max()))
    assert float((found.detach() - expected).abs().max()) <= share * largest
