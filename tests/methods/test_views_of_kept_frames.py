"""Every method's views of frames whose aspect was kept: of each clip alone, in any split."""

from typing import Any

import numpy as np
import pytest
import torch
from contract_checks import BATCH, RECIPE, backward, made_batch, maker
from test_attention10k_2018 import SMALL as SOUNDNET

from pipeline.clips.frames import Frames, kept_frames
from pipeline.methods.contract import Dice, Input, Method, method_names

# A made method is small; those that are not two ResNets have shapes of their own.
_SSPL: dict[str, Any] = {
    "channels": [4, 6], "convolutions": [1, 2], "side": 32, "seconds": 0.15,
    "vision": "scratch", "sound_model": None, "sound_channels": [3, 4],
    "sound_convolutions": [1, 1], "sound_hidden": 7, "sound_width": 5, "example_steps": 6,
    "projection": 8, "prediction": 4,
}  # fmt: skip
SETTINGS = {
    "attention10k_2018": SOUNDNET,
    "sspl": _SSPL,
    "sspl_pcm": {**_SSPL, "side": 28},  # a map of 14 x 14
}
SHAPES = [(36, 64), (36, 48), (60, 36), (36, 36)]


def made(name: str) -> Method:
    return maker(name, SETTINGS[name])() if name in SETTINGS else maker(name)()


def kept_batch(method: Method) -> dict[str, Any]:
    """A batch whose frames have four shapes."""
    batch: dict[str, Any] = made_batch(method)
    generator = np.random.default_rng(1)
    for name, wanted in method.inputs().items():
        if wanted.part == "frame":
            batch[name] = kept_frames([
                generator.integers(0, 256, (*SHAPES[clip % 4], 3)).astype(np.uint8)
                for clip in range(BATCH)
            ])  # fmt: skip
    return batch


def part_of(found: Any, wanted: Input, rows: range) -> Any:
    """The clips at `rows` of an input."""
    if wanted.part in ("sound", "kin"):
        return found[rows.start : rows.stop]
    frames: dict[int, np.ndarray] = {}
    for group, clips in zip(
        found.groups, found.clips.split([len(group) for group in found.groups]), strict=True
    ):
        frames |= {clip: frame.numpy() for clip, frame in zip(clips.tolist(), group, strict=True)}
    return kept_frames([frames[row] for row in rows])


@pytest.mark.parametrize("name", method_names())
def test_two_ranks_make_one_rank_s_views(name: str) -> None:
    method = made(name)
    batch = kept_batch(method)
    whole = method.views(batch, Dice(3, 0))
    half = BATCH // 2
    for rank in range(2):
        rows = range(rank * half, (rank + 1) * half)
        part = {key: part_of(batch[key], wanted, rows) for key, wanted in method.inputs().items()}
        views = method.views(part, Dice(3, 0, rank, 2))
        assert views.keys() == whole.keys()
        for key, view in views.items():
            if view.modality != "frame":
                continue
            # Where a view joins several inputs, each is a run of the batch's clips.
            joined = len(whole[key].input) // BATCH
            expected = whole[key].input.unflatten(0, (joined, BATCH))[:, rows.start : rows.stop]
            assert view.input.shape[2:] == (method.side, method.side)
            found = view.input.unflatten(0, (joined, half))
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", method_names())
def test_a_step_on_kept_frames_learns(name: str) -> None:
    method = made(name)
    losses, gradients, _ = backward_of(method)
    assert bool(torch.isfinite(losses).all()) and gradients
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients.values())


def backward_of(method: Method) -> Any:
    batch = kept_batch(method)
    assert any(isinstance(part, Frames) for part in batch.values())
    return backward(method, RECIPE, batch)
