"""The ground truth of frames that show the middle of their pictures alone."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from four_clips import CLIPS
from PIL import Image

from pipeline.benchmarks import Predictions, open_benchmark
from pipeline.benchmarks.contract import Defaults, Sample, Scores
from pipeline.benchmarks.metrics.baselines import true_maps
from pipeline.benchmarks.metrics.rasters import (
    WHOLE,
    consensus_boxes,
    fraction_boxes,
    pixel_boxes,
    resize_mask,
)
from pipeline.benchmarks.seen import as_seen
from pipeline.clips.decoded import DecodedCorpus
from pipeline.corpora.source import Source
from pipeline.decode.corpus import decode_corpus
from pipeline.errors import InputError
from pipeline.execution.run import Engine
from pipeline.media.crop import seen_part
from pipeline.media.resizing import Aspect

MIDDLE = (0.25, 0.0, 0.75, 1.0)  # what is seen of a picture twice as wide as high
CORNER = (0.125, 0.125, 0.625, 0.625)
MAPS = ["vggss", "vggss-4655", "heard", "flickr", "is3", "vpo-ms", "avsbench-ms3-boxes",
        "extended-vggss", "extended-flickr", "avsbench-s4", "negatives", "scenes",
        "conditions"]  # fmt: skip


def everything(_: str) -> bool:
    return True


def test_what_a_crop_shows_of_a_picture() -> None:
    assert seen_part(448, 224, 224) == MIDDLE
    assert seen_part(100, 100, 224) == WHOLE
    # 16:9: 398 x 224 pixels, of which 87 are left out at the left and 87 at the right.
    assert seen_part(1280, 720, 224) == (87 / 398, 0.0, 311 / 398, 1.0)
    # 224 x 298 pixels, of which 37 are left out at the top.
    assert seen_part(360, 480, 224) == (0.0, 37 / 298, 1.0, 261 / 298)


@pytest.mark.parametrize(
    ("box", "columns"),
    [
        ((0.25, 0.0, 0.5, 1.0), (0, 112)),
        ((0.0, 0.0, 1.0, 1.0), (0, 224)),  # cut at both edges
        ((0.1, 0.0, 0.375, 1.0), (0, 56)),
        ((0.0, 0.0, 0.25, 1.0), (0, 0)),  # all of it is beyond the edge
        ((0.5, 0.0, 0.6, 1.0), (112, 156)),  # 0.7 x 224 = 156.8
    ],
)
def test_boxes_move_into_the_window(
    box: tuple[float, float, float, float], columns: tuple[int, int]
) -> None:
    expected = np.zeros((224, 224), bool)
    expected[:, columns[0] : columns[1]] = True
    np.testing.assert_array_equal(fraction_boxes([box], MIDDLE), expected)
    scale = np.array(box)
    np.testing.assert_array_equal(pixel_boxes([224 * scale], MIDDLE), expected)
    flickr = np.rint(256 * scale)
    twice = consensus_boxes([flickr, flickr], MIDDLE)
    wide = np.floor(224 * (flickr[[0, 2]] / 256 - 0.25) / 0.5).clip(0, 224).astype(int)
    assert set(np.unique(twice)) <= {0.0, 1.0}
    assert twice.sum() == 224 * (wide[1] - wide[0])


def test_the_whole_window_changes_no_pixel() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        boxes = generator.uniform(-0.2, 1.2, (3, 4))
        whole = np.arange(-5, 235)[generator.integers(0, 240, (3, 4))]
        np.testing.assert_array_equal(fraction_boxes(boxes, WHOLE), fraction_boxes(boxes))
        np.testing.assert_array_equal(pixel_boxes(whole, WHOLE), pixel_boxes(whole))
        np.testing.assert_array_equal(consensus_boxes(whole, WHOLE), consensus_boxes(whole))
    mask = generator.random((100, 130)) < 0.5
    np.testing.assert_array_equal(resize_mask(mask, WHOLE), resize_mask(mask))


def test_a_pixel_of_a_mask_is_the_one_under_its_centre() -> None:
    mask = np.zeros((224, 448), bool)
    mask[10:50, 112:200] = True  # the seen part are the columns 112 to 336
    expected = np.zeros((224, 224), bool)
    expected[10:50, 0:88] = True
    np.testing.assert_array_equal(resize_mask(mask, MIDDLE), expected)
    square = np.eye(224, dtype=bool)
    assert not np.array_equal(resize_mask(square, MIDDLE), square)


def corpus_of(folder: Path, aspect: Aspect, size: tuple[int, int]) -> DecodedCorpus:
    """The four clips' pictures: black, and white where the box 0.1, 0.1, 0.4, 0.6 is."""
    sources = []
    width, height = size
    for clip in CLIPS:
        levels = np.zeros((height, width, 3), np.uint8)
        left, top, right, bottom = (
            round(share * edge)
            for share, edge in zip((0.1, 0.1, 0.4, 0.6), (width, height) * 2, strict=True)
        )
        levels[top:bottom, left:right] = 255
        path = folder / f"{clip}.png"
        Image.fromarray(levels).save(path)
        sources.append(Source(clip, path, None))
    decode_corpus(
        sources, folder, folder / "decoded", work=folder / "work", side=224, max_seconds=4.0,
        shards=1, seconds_limit=60.0, max_reject_share=0.0, engine=Engine(workers=1), aspect=aspect,
    )  # fmt: skip
    return DecodedCorpus(folder / "decoded")


class _Shown(Defaults):
    """A benchmark of one frame's clip, which knows whole pictures alone."""

    samples = (Sample(CLIPS[0], CLIPS[0], CLIPS[0]),)
    official_count = 1

    def ground_truth(self, start: int, stop: int) -> np.ndarray:
        return np.ones((stop - start, 224, 224), bool)

    def score(self, predictions: Predictions) -> Scores:
        return Scores({"area": float(predictions.maps is None)}, pa.table({}))


@pytest.mark.parametrize("size", [(448, 224), (640, 360), (360, 480), (300, 300), (500, 150)])
def test_the_truth_lies_where_the_cropped_frame_shows_it(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    corpus = corpus_of(tmp_path, "cropped", size)
    assert corpus.aspect == "cropped"
    row = corpus.row(CLIPS[0])
    seen = corpus.frame(row)[..., 0] > 127
    truth = fraction_boxes([[0.1, 0.1, 0.4, 0.6]], seen_part(*size, 224))
    rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
    if size == (500, 150):  # 0.4 of 746 pixels is beyond the left edge, 261
        assert (truth.sum(axis=1).max(), len(columns)) == (37, 37)
    for axis, found in ((1, rows), (0, columns)):
        expected = np.flatnonzero(truth.any(axis=axis))
        # Resampling blurs an edge, and truncation moves it by less than a pixel.
        assert abs(int(found[0]) - int(expected[0])) <= 1
        assert abs(int(found[-1]) - int(expected[-1])) <= 1


def test_a_benchmark_is_that_of_the_corpus_frames(tmp_path: Path, annotations: Path) -> None:
    benchmark = open_benchmark("vggss", annotations, everything)
    (tmp_path / "squashed").mkdir()
    (tmp_path / "cropped").mkdir()
    squashed = corpus_of(tmp_path / "squashed", "squashed", (448, 224))
    assert as_seen(benchmark, squashed) is benchmark
    seen = as_seen(benchmark, corpus_of(tmp_path / "cropped", "cropped", (448, 224)))
    assert [sample.sample_id for sample in seen.samples] == CLIPS
    truth = seen.ground_truth(0, 4)
    # The first clip's box is the left upper quarter of the picture, of which the right half is
    # seen: the left upper quarter of the frame. The last one's reaches beyond both edges.
    expected = np.zeros((4, 224, 224), bool)
    expected[0, :112, :112] = True
    expected[1, 112:] = True
    expected[3, 22:201] = True
    np.testing.assert_array_equal(truth, expected)
    part = seen.select([3, 0])  # type: ignore[attr-defined]
    np.testing.assert_array_equal(part.ground_truth(0, 2), expected[[3, 0]])
    # Maps that are the truth of the frames find all of it; the third clip has none.
    rows = seen.score(Predictions(true_maps(truth))).rows
    assert rows["iou_adaptive"].to_pylist() == pytest.approx([1, 1, 0, 1], abs=0.01)
    rows = benchmark.score(Predictions(true_maps(truth))).rows
    assert rows["iou_adaptive"].to_pylist()[3] < 0.9


@pytest.mark.parametrize("name", MAPS)
def test_every_set_s_truth_is_seen_through_windows(
    annotations: Path, media: Path, name: str
) -> None:
    benchmark = open_benchmark(name, annotations, everything, media)
    count = len(benchmark.samples)
    whole = benchmark.ground_truth(0, count)
    same = benchmark.through([WHOLE] * count)
    np.testing.assert_array_equal(same.ground_truth(0, count), whole)
    seen = benchmark.through([CORNER] * count)
    # A quarter of each frame, twice as large: exact but for the truncation of coordinates.
    expected = whole[:, 28:140, 28:140].repeat(2, axis=1).repeat(2, axis=2)
    found = seen.ground_truth(0, count)
    assert found.dtype == whole.dtype and found.shape == whole.shape
    assert np.mean(found != expected) < 0.01
    assert np.mean(found != whole) > 0.05
    np.testing.assert_array_equal(seen.outline(0) > 0, seen.outline(0))
    assert np.mean(seen.outline(0) != (expected[0] > 0)) < 0.02


def test_what_scores_no_map_is_as_it_is_and_what_knows_no_window_is_refused(
    tmp_path: Path, annotations: Path
) -> None:
    retrieval = open_benchmark("retrieval", annotations, everything)
    corpus = corpus_of(tmp_path, "cropped", (448, 224))
    assert as_seen(retrieval, corpus) is retrieval
    with pytest.raises(InputError, match="_Shown: its ground truth is of whole pictures"):
        as_seen(_Shown(), corpus)
