"""Frames of several sizes in one batch: by their sizes, and back in the order of the batch."""

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from pipeline.clips.frames import Frames, kept_frames

SHAPES = [(4, 6), (4, 9), (7, 4), (4, 6), (4, 4), (4, 9)]


def made(shapes: list[tuple[int, int]] = SHAPES) -> list[np.ndarray]:
    """Frames whose pixels hold their place in the batch and then noise."""
    generator = np.random.default_rng(0)
    frames = [generator.integers(0, 256, (*shape, 3)).astype(np.uint8) for shape in shapes]
    for place, frame in enumerate(frames):
        frame[0, 0] = place
    return frames


def test_each_size_is_one_array_and_the_order_comes_back() -> None:
    frames = made()
    found = kept_frames(frames)
    assert len(found) == 6 and found.device.type == "cpu"
    assert [tuple(group.shape) for group in found.groups] == [
        (1, 4, 4, 3), (2, 4, 6, 3), (2, 4, 9, 3), (1, 7, 4, 3)
    ]  # fmt: skip
    assert found.nbytes == sum(frame.nbytes for frame in frames)  # nothing is padded
    seen: dict[int, tuple[int, ...]] = {}

    def view(group: torch.Tensor, clips: torch.Tensor) -> torch.Tensor:
        for frame, clip in zip(group, clips.tolist(), strict=True):
            np.testing.assert_array_equal(frame, frames[clip])
            seen[clip] = tuple(frame.shape)
        return group[:, 0, 0, :1].long() * 10

    assert found.each(view).flatten().tolist() == [0, 10, 20, 30, 40, 50]
    assert sorted(seen) == list(range(6))
    moved = found.to(torch.device("cpu"), non_blocking=True)
    assert isinstance(moved, Frames) and torch.equal(moved.clips, found.clips)


class _Batches(Dataset[dict[str, Frames]]):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, step: int) -> dict[str, Frames]:
        return {"frames": kept_frames(made(SHAPES[step:]))}


def test_they_come_whole_out_of_a_loading_process() -> None:
    loader = DataLoader(_Batches(), batch_size=None, num_workers=1)
    for step, batch in enumerate(loader):
        expected = kept_frames(made(SHAPES[step:]))
        assert torch.equal(batch["frames"].clips, expected.clips)
        for group, other in zip(batch["frames"].groups, expected.groups, strict=True):
            assert torch.equal(group, other)
