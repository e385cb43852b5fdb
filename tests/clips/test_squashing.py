"""Frames and flows squashed to their shorter side."""

import numpy as np
from PIL import Image

from pipeline.clips.squashing import squashed


def test_a_squashed_frame_is_resampled_along_its_longer_edge_alone() -> None:
    ramp = np.repeat(np.arange(0, 240, 20, dtype=np.uint8)[:, None, None], 3, axis=2)
    wide = np.ascontiguousarray(np.broadcast_to(ramp.transpose(1, 0, 2), (6, 12, 3)))
    found = squashed(wide)
    assert found.shape == (6, 6, 3)
    expected = Image.fromarray(wide[:1]).resize((6, 1), Image.Resampling.BICUBIC)
    for row in found:  # the rows of an axis that keeps its length are not mixed
        np.testing.assert_array_equal(row, np.asarray(expected)[0])
    np.testing.assert_array_equal(squashed(wide.transpose(1, 0, 2)), found.transpose(1, 0, 2))
    square = wide[:, :6]
    assert squashed(square) is square


def test_a_squashed_flow_keeps_its_signs_and_its_number_format() -> None:
    ramp = np.linspace(-300, 300, 12, dtype=np.float16)
    wide = np.stack([np.tile(ramp, (6, 1)), np.tile(-ramp, (6, 1))], axis=2)
    found = squashed(wide)
    assert found.shape == (6, 6, 2) and found.dtype == np.float16
    middles = ramp.astype(np.float32).reshape(6, 2).mean(axis=1)
    np.testing.assert_allclose(found[:, 1:-1, 0], np.tile(middles[1:-1], (6, 1)), rtol=0.02)
    np.testing.assert_array_equal(found[..., 1], -found[..., 0])
    stored = (wide[..., :1] > 0).repeat(2, axis=2).astype(np.uint8) * 200
    assert squashed(stored).dtype == np.uint8 and (squashed(stored)[:, -1] == 200).all()
