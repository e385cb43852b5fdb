"""What holds for any input at all: clip names, box rasters, the shard reader, the metrics."""

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from stage_project import FULL

from pipeline.base.arrays import ShardedArray
from pipeline.base.files import map_npy, write_npy
from pipeline.benchmarks.metrics.detection import (
    area_under_curve,
    exact_curve,
    precision_recall,
    published_average_precision,
    published_max_f1,
)
from pipeline.benchmarks.metrics.localization import intersection_over_union, overlaps
from pipeline.benchmarks.metrics.rasters import consensus_boxes, fraction_boxes, pixel_boxes
from pipeline.benchmarks.metrics.retrieval import class_ranks, partner_ranks
from pipeline.benchmarks.metrics.segmentation import THRESHOLDS, f_scores, mask_iou
from pipeline.corpora.lists import read_clip_list
from pipeline.corpora.names import canonical_clip_id, clip_id_of, clip_id_of_path, plain_clip_id
from pipeline.errors import InputError

pytestmark = pytest.mark.trust
FOLDER = tempfile.TemporaryDirectory()  # goes with the process

anything = settings(
    max_examples=2000 if FULL else 60,
    deadline=None,
    derandomize=True,
)
# Names near the ones that are accepted, where plain text would hardly ever come.
NAMES = st.one_of(
    st.text(max_size=40),
    st.from_regex(r"[A-Za-z0-9_-]{10,12}_[0-9]{5,7}(\.[a-z0-9]{1,4}){0,2}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9_-]{11}_[0-9]{1,9}_[0-9]{1,9}(\.mp4)?", fullmatch=True),
)
NUMBERS = st.one_of(st.floats(-1, 2), st.floats(allow_nan=False, allow_infinity=False))
BOXES = st.lists(st.lists(NUMBERS, min_size=4, max_size=4), max_size=5)


@anything
@given(NAMES)
def test_a_name_is_a_stable_clip_id_or_one_line(name: str) -> None:
    for parse in (canonical_clip_id, plain_clip_id, clip_id_of):
        try:
            clip_id = parse(name)
        except InputError as error:
            assert str(error).isprintable()
            continue
        assert parse(clip_id) == clip_id
        assert clip_id.isprintable() and not set("/\\\n") & set(clip_id) and ".." not in clip_id
        assert Path("root", clip_id).resolve().parent == Path("root").resolve()


@anything
@given(st.lists(NAMES.filter(lambda part: part and "/" not in part), min_size=1, max_size=3))
def test_a_path_always_has_a_clip_id(parts: list[str]) -> None:
    clip_id = clip_id_of_path((*parts, "clip.mp4"))
    if len(clip_id) <= 255:
        assert clip_id_of(clip_id) == clip_id


@anything
@given(st.binary(max_size=300))
def test_a_list_of_any_bytes_is_read_or_one_line(content: bytes) -> None:
    path = Path(FOLDER.name) / "list.txt"
    path.write_bytes(content)
    try:
        clips = read_clip_list(path)
    except InputError as error:
        assert str(error).startswith(str(path)) and str(error).isprintable()
    else:
        assert clips and len(set(clips)) == len(clips)
        assert all(clip_id_of(clip) == clip for clip in clips)


@anything
@given(BOXES, st.permutations(range(5)))
def test_rasters_are_unions(boxes: list[list[float]], order: list[int]) -> None:
    for paint in (fraction_boxes, pixel_boxes):
        whole = paint(boxes)
        assert whole.shape == (224, 224) and whole.dtype == np.bool_
        parts = [paint([box]) for box in boxes]
        np.testing.assert_array_equal(whole, np.any([np.zeros_like(whole), *parts], axis=0))
        for (x0, y0, x1, y1), part in zip(boxes, parts, strict=True):
            assert part.any() <= (x1 > x0 and y1 > y0)
    heat = consensus_boxes(boxes)
    shuffled = [boxes[place] for place in order if place < len(boxes)]
    np.testing.assert_array_equal(consensus_boxes(shuffled), heat)
    assert set(np.unique(heat)) <= {0.0, 0.5, 1.0}
    layers = [consensus_boxes([box]) for box in boxes]
    np.testing.assert_array_equal(heat, np.minimum(1, sum(layers, np.zeros_like(heat))))


@anything
@given(
    hnp.arrays(
        st.sampled_from([np.float16, np.uint8, np.int32, np.float32]),
        hnp.array_shapes(min_dims=1, max_dims=3, max_side=7),
        elements=st.integers(0, 100),
    ),
    st.data(),
)
def test_shards_read_as_one_array(whole: np.ndarray, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=3)))
    bounds = [0, *cuts, len(whole)]
    paths = []
    for number, (start, stop) in enumerate(itertools.pairwise(bounds)):
        paths.append(Path(FOLDER.name) / f"{number}.npy")
        write_npy(paths[-1], whole[start:stop])
        np.testing.assert_array_equal(np.load(paths[-1]), whole[start:stop])
    array = ShardedArray(paths)
    assert len(array) == len(whole)
    start = data.draw(st.integers(-2, len(whole) + 1))
    stop = data.draw(st.integers(-2, len(whole) + 2))
    inside = 0 <= start < stop <= len(whole) and not any(start < cut < stop for cut in cuts)
    if inside:
        np.testing.assert_array_equal(array.read(start, stop), whole[start:stop])
    else:
        with pytest.raises(IndexError):
            array.read(start, stop)


@anything
@given(
    st.lists(st.tuples(st.integers(0, 151), st.integers(0, 255)), max_size=6), st.integers(0, 152)
)
@example([(25, 91)], 128)  # a bracket that is never closed, in the header
def test_a_damaged_shard_is_an_array_or_one_line(changes: list[tuple[int, int]], end: int) -> None:
    path = Path(FOLDER.name) / "damaged.npy"
    write_npy(path, np.arange(6, dtype=np.float32))
    content = bytearray(path.read_bytes())
    assert len(content) == 152
    for place, value in changes:
        content[place] = value
    path.write_bytes(content[: max(end, 100) if changes else end])
    try:
        found = map_npy(path)
    except InputError as error:
        assert str(error).startswith(f"{path}: ") and str(error).isprintable()
    else:
        assert found.nbytes <= path.stat().st_size and found.dtype != object


SCORED = st.integers(1, 12).flatmap(
    lambda count: st.tuples(
        hnp.arrays(np.float64, count, elements=st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9])),
        hnp.arrays(np.float64, count, elements=st.sampled_from([0.0, 0.3, 0.5, 1.0])),
        hnp.arrays(np.bool_, count),
    )
)


@anything
@given(SCORED)
def test_detection_metrics_against_counting(
    scored: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    confidence, iou, sounding = scored
    thresholds, precision, recall = exact_curve(confidence, iou, sounding)
    assert list(thresholds) == sorted(set(confidence), reverse=True)
    again = precision_recall(confidence, iou, sounding, thresholds)
    for place, threshold in enumerate(thresholds):
        found = confidence >= threshold
        true = int((found & sounding & (iou >= 0.5)).sum())
        missed = int((~found & sounding).sum())
        assert precision[place] == again[0][place] == true / found.sum()
        expected = true / (true + missed) if true + missed else 1.0
        assert recall[place] == again[1][place] == expected
    for value in (
        area_under_curve(precision, recall),
        published_average_precision(confidence, iou, sounding),
        published_max_f1(confidence, iou, sounding),
    ):
        assert -1e-12 <= value <= 1 + 1e-12


@anything
@given(
    st.integers(1, 7).flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.float32, (n, n), elements=st.sampled_from([-1, 0, 0.5, 1])),
            st.lists(st.sampled_from("abc"), min_size=n, max_size=n),
        )
    )
)
def test_ranks_against_sorting(given_: tuple[np.ndarray, list[str]]) -> None:
    similarities, classes = given_
    for direction, queries in (("a2i", similarities.T), ("i2a", similarities)):
        ranks = partner_ranks(similarities, direction)
        first, precision = class_ranks(similarities, classes, direction)
        for query, row in enumerate(queries):
            assert ranks[query] == sum(row >= row[query])
            right = [classes[query] == name for name in classes]
            # The worst order that the similarities allow: right answers behind equal wrong ones.
            order = sorted(range(len(row)), key=lambda i, r=row, w=right: (-r[i], w[i]))
            places = [place for place, i in enumerate(order, 1) if right[i]]
            assert first[query] == places[0]
            expected = np.mean([n / place for n, place in enumerate(places, 1)])
            assert precision[query] == pytest.approx(expected)


MAPS = st.integers(1, 3).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.float32, (n, 6, 5), elements=st.sampled_from([0, 0.25, 0.5, 1])),
        hnp.arrays(np.bool_, (n, 6, 5)),
    )
)


@anything
@given(MAPS)
def test_overlaps_are_shares_and_f_scores_are_counted(
    both: tuple[np.ndarray, np.ndarray],
) -> None:
    maps, masks = both
    for values in (
        intersection_over_union(maps > 0.4, masks),
        mask_iou(maps > 0.4, masks),
        *overlaps(maps, masks),
    ):
        assert ((values >= 0) & (values <= 1)).all()
    scores = f_scores(maps, masks)
    for row, (values, mask) in enumerate(zip(maps, masks, strict=True)):
        if not mask.any():
            assert np.isnan(scores[row]).all()
            continue
        for place in (0, 63, 64, 127, 128, 254):
            predicted = values >= THRESHOLDS[place]
            true = (predicted & mask).sum()
            precision, recall = true / max(predicted.sum(), 1), true / mask.sum()
            bottom = 0.3 * precision + recall
            expected = 1.3 * precision * recall / bottom if bottom else 0.0
            assert scores[row, place] == pytest.approx(expected)
