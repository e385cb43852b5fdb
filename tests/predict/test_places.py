"""The places that a map names."""

import numpy as np

from pipeline.predict.places import places


def test_places_are_what_is_connected_above_half_of_the_range() -> None:
    heat = np.full((4, 5), -1.0, np.float32)
    heat[0, 0], heat[1, 1] = 0.2, 0.4  # joined by a corner
    heat[3, 3:5] = 0.9, 1.0
    heat[0, 4] = -0.1  # below the half, which is 0
    first, second = places(heat)
    assert (first.x, first.y, first.value) == (0.9, 0.875, 1.0)
    assert first.cells == [(3, 3), (3, 4)] and first.box == (0.6, 0.75, 1.0, 1.0)
    assert second.cells == [(0, 0), (1, 1)] and second.box == (0.0, 0.0, 0.4, 0.5)
    assert (second.x, second.y) == (0.3, 0.375)


def test_a_constant_map_is_one_place() -> None:
    (only,) = places(np.zeros((2, 3), np.float32))
    assert only.box == (0, 0, 1, 1) and len(only.cells) == 6
