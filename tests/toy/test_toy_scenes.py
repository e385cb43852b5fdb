"""The toy's pictures: exact truth, the promised range of sizes, no cue but the sound."""

import numpy as np
import pytest

from pipeline.toy.classes import CLASSES
from pipeline.toy.scenes import Scene, draw_scene, mask_box, render, visible_masks

WIDTH, HEIGHT = 96, 72


def scene_of(seed: int, silent: tuple[int, ...] = (3, 7), frames: int = 5) -> Scene:
    rng = np.random.default_rng(seed)
    return draw_scene(
        rng, sounding=[0], silent=silent, width=WIDTH, height=HEIGHT, frames=frames, reach=6
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("frame", [0, 2])
def test_visible_masks_agree_with_painting_pixel_by_pixel(seed: int, frame: int) -> None:
    scene = scene_of(seed)
    owner = np.full((HEIGHT, WIDTH), -1)
    for number, item in enumerate(scene.objects):  # the farthest first, so later ones cover
        for y in range(item.alpha.shape[0]):
            for x in range(item.alpha.shape[1]):
                row = item.top + item.offsets[frame, 0] + y
                column = item.left + item.offsets[frame, 1] + x
                if item.alpha[y, x] >= 0.5 and 0 <= row < HEIGHT and 0 <= column < WIDTH:
                    owner[row, column] = number
    masks = visible_masks(scene, frame)
    for number, mask in enumerate(masks):
        np.testing.assert_array_equal(mask, owner == number)


def test_a_pixel_shows_the_object_whose_mask_holds_it() -> None:
    scene = scene_of(1)
    picture = render(scene, scene.middle).astype(float)
    for item, mask in zip(scene.objects, visible_masks(scene, scene.middle), strict=True):
        own = np.zeros((HEIGHT, WIDTH, 3))
        rows, columns = item.alpha.shape
        own[item.top : item.top + rows, item.left : item.left + columns] = item.colours
        solid = np.zeros((HEIGHT, WIDTH))
        solid[item.top : item.top + rows, item.left : item.left + columns] = item.alpha
        # Inside, away from every soft edge, the picture is the object's own colour.
        difference = np.abs(picture - own).max(axis=2)[mask & (solid == 1)]
        assert np.quantile(difference, 0.5) <= 0.5


def test_the_box_is_the_extent_of_the_mask() -> None:
    mask = np.zeros((10, 20), dtype=bool)
    mask[2:5, 4:10] = True
    assert mask_box(mask) == [4 / 20, 2 / 10, 10 / 20, 5 / 10]


def test_objects_lie_whole_and_visible_in_the_middle_frame_and_move_elsewhere() -> None:
    for seed in range(20):
        scene = scene_of(seed)
        first, middle = visible_masks(scene, 0), visible_masks(scene, scene.middle)
        for item, mask in zip(scene.objects, middle, strict=True):
            rows, columns = item.alpha.shape
            assert 0 <= item.top <= HEIGHT - rows
            assert 0 <= item.left <= WIDTH - columns
            assert mask.sum() >= 0.35 * (item.alpha >= 0.5).sum()
        assert (first != middle).any()


def test_sizes_are_those_of_vggss() -> None:
    rng = np.random.default_rng(0)
    areas = []
    for number in range(400):
        scene = draw_scene(
            rng,
            sounding=[number % 12],
            silent=[(number + 5) % 12, (number + 6) % 12][: number % 3],
            width=WIDTH,
            height=HEIGHT,
        )
        index = [item.sounding for item in scene.objects].index(True)
        x0, y0, x1, y1 = mask_box(visible_masks(scene, 0)[index])
        areas.append((x1 - x0) * (y1 - y0))
    # Quartiles of VGG-SS's own boxes, summed per clip.
    np.testing.assert_allclose(np.quantile(areas, [0.25, 0.5, 0.75]), [0.12, 0.25, 0.47], atol=0.07)


def test_sounding_and_silent_objects_look_alike() -> None:
    rng = np.random.default_rng(0)
    area: dict[bool, list[float]] = {True: [], False: []}
    front: dict[bool, list[int]] = {True: [], False: []}
    for number in range(300):
        scene = draw_scene(
            rng, sounding=[number % 12], silent=[(number + 1) % 12], width=WIDTH, height=HEIGHT
        )
        for depth, (item, mask) in enumerate(
            zip(scene.objects, visible_masks(scene, 0), strict=True)
        ):
            area[item.sounding].append(float(mask.mean()))
            front[item.sounding].append(depth)
    assert abs(np.mean(area[True]) - np.mean(area[False])) < 0.03
    assert abs(np.mean(front[True]) - 0.5) < 0.1


def test_shapes_keep_their_proportions_when_squashed_to_a_square() -> None:
    # The same seed in a square and in an oblong frame gives boxes that agree as fractions.
    for seed in range(5):
        boxes = []
        for width, height in ((96, 72), (120, 120)):
            rng = np.random.default_rng(seed)
            scene = draw_scene(rng, sounding=[0], silent=(), width=width, height=height)
            x0, y0, x1, y1 = mask_box(visible_masks(scene, 0)[0])
            boxes.append((x1 - x0, y1 - y0))
        np.testing.assert_allclose(boxes[0], boxes[1], atol=0.05)


def test_every_class_draws_and_no_two_share_shape_and_texture() -> None:
    assert len(CLASSES) == 12
    assert len({(kind.shape, kind.texture) for kind in CLASSES}) == 12
    assert len({kind.name for kind in CLASSES}) == len({kind.key for kind in CLASSES}) == 12
    assert any("," in kind.name for kind in CLASSES)
    for index in range(12):
        rng = np.random.default_rng(index)
        scene = draw_scene(rng, sounding=[index], silent=(), width=64, height=64)
        assert render(scene, 0).std() > 5


def test_the_same_seed_draws_the_same_scene() -> None:
    np.testing.assert_array_equal(render(scene_of(4), 1), render(scene_of(4), 1))
    assert (render(scene_of(4), 1) != render(scene_of(5), 1)).any()
