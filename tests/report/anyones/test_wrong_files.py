"""Scoring anyone's file: the pipeline's numbers, and one line for every way a file can be wrong."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.benchmarks import Predictions, open_benchmark
from pipeline.errors import InputError
from pipeline.report.anyones.files import open_arrays
from pipeline.report.anyones.rows_file import write_rows
from pipeline.report.anyones.score import score_arrays

CLIPS = ["-aaaaaaaaaa_000001", "bbbb_bbbbbb_000030", "ccccccccccc_000120"]
BOXES = [[[0, 0, 0.5, 0.5]], [[0.5, 0.2, 1, 1]], []]
RNG = np.random.default_rng(14)
MAPS = RNG.normal(size=(3, 14, 14)).astype(np.float32)
OBJECTS = RNG.random((3, 7, 7), dtype=np.float32)


def _file(folder: Path, **arrays: np.ndarray) -> Path:
    path = folder / "maps.npz"
    np.savez_compressed(path, **arrays)
    return path


def score_file(
    kind: str,
    path: Path,
    benchmark: str | None = None,
    annotations: Path | None = None,
    resize: str | None = None,
) -> dict[str, float]:
    return score_arrays(open_arrays(path), kind, benchmark, annotations, None, resize).metrics


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    entries = [
        {"file": clip, "class": str(n % 2), "bbox": boxes}
        for n, (clip, boxes) in enumerate(zip(CLIPS, BOXES, strict=True))
    ]
    (tmp_path / "vggss.json").write_text(json.dumps(entries))
    rows = f"video,audio,label\n{CLIPS[0]},{CLIPS[2]},non-sounding\n"
    (tmp_path / "vggss_test_plus_silent.csv").write_text(rows)
    return tmp_path


def test_ids_boxes_and_masks_give_the_pipeline_s_numbers(annotations: Path) -> None:
    benchmark = open_benchmark("vggss", annotations, lambda _: True)
    expected = benchmark.score(Predictions(MAPS, OBJECTS)).metrics
    shared = {"maps": MAPS, "object_maps": OBJECTS}
    path = _file(annotations, **shared, boxes=np.array(json.dumps(BOXES)))
    assert score_file("localization", path) == expected
    truth = benchmark.ground_truth(0, 3).astype(np.uint8)
    path = _file(annotations, **shared, masks=truth)
    assert score_file("localization", path) == expected

    order = [2, 0, 1]  # any order, any spelling
    ids = np.array(["ccccccccccc_120000_130000", f"{CLIPS[0]}.mp4", CLIPS[1]])
    path = _file(annotations, maps=MAPS[order], object_maps=OBJECTS[order], ids=ids)
    rows = annotations / "rows.parquet"
    scored = score_arrays(open_arrays(path), "localization", "vggss", annotations)
    assert scored.metrics == pytest.approx(expected, abs=1e-9)
    write_rows(rows, scored.rows)
    table = pq.read_table(rows)
    assert table["sample_id"].to_pylist() == [CLIPS[row] for row in order]
    names = {"iou", "iou_adaptive", "iou_ogl", "iou_ogl_adaptive", "confidence"}
    assert names <= set(table.column_names)


def test_a_part_of_a_benchmark_says_so(annotations: Path) -> None:
    path = _file(annotations, maps=MAPS[:2], ids=np.array(CLIPS[:2]))
    metrics = score_file("localization", path, "vggss", annotations)
    assert (metrics["samples"], metrics["official_samples"]) == (2, 3)


def test_resize_is_the_benchmark_s_or_the_one_asked_for(annotations: Path) -> None:
    path = _file(annotations, maps=MAPS, boxes=np.array(json.dumps(BOXES)))
    default = score_file("localization", path)
    assert score_file("localization", path, resize="half-pixel") == default
    assert score_file("localization", path, resize="corners") != default
    with pytest.raises(InputError, match="bicubic-corners"):
        score_file("localization", path, resize="nearest")


def test_detection_from_boxes_and_from_ids(annotations: Path) -> None:
    boxes = [BOXES[0], BOXES[1], [], []]
    maps = np.concatenate([MAPS, MAPS[:1] / 3])
    path = _file(annotations, maps=maps, boxes=np.frombuffer(json.dumps(boxes).encode(), np.uint8))
    metrics = score_file("detection", path)
    assert metrics["sounding_samples"] == 2 and metrics["samples"] == 4
    ids = np.array([*CLIPS, f"{CLIPS[0]}+{CLIPS[2]}"])
    path = _file(annotations, maps=maps, ids=ids)
    metrics = score_file("detection", path, "extended-vggss", annotations)
    assert metrics["sounding_samples"] == 3 and metrics["official_samples"] == 4


def test_segmentation(annotations: Path) -> None:
    masks = np.zeros((3, 224, 224), dtype=np.uint8)
    masks[:2, :100] = 255
    metrics = score_file("segmentation", _file(annotations, maps=MAPS, masks=masks))
    assert metrics["samples_with_mask"] == 2 and 0 < metrics["mIoU"] < 100


def test_retrieval(annotations: Path) -> None:
    image = RNG.normal(size=(3, 16)).astype(np.float32)
    path = _file(annotations, image=image, audio=2 * image, ids=np.array(CLIPS))
    assert score_file("retrieval", path)["R@1_a2i"] == 100.0
    metrics = score_file("retrieval", path, "retrieval", annotations)
    assert metrics["mAP_i2a"] <= 100.0 and metrics["samples"] == 3


BROKEN = {
    "no maps": ({"masks": np.zeros((3, 224, 224), np.uint8)}, "maps"),
    "no truth": ({"maps": MAPS}, "no ground truth"),
    "flat maps": ({"maps": MAPS[0], "boxes": np.array("[]")}, "maps"),
    "no cells": ({"maps": MAPS[:, :0], "boxes": np.array("[[],[],[]]")}, "maps"),
    "nan": ({"maps": MAPS * np.nan, "boxes": np.array("[[],[],[]]")}, "NaN"),
    "complex": ({"maps": MAPS.astype(np.complex64), "boxes": np.array("[[],[],[]]")}, "complex"),
    "objects": ({"maps": MAPS.astype(object), "boxes": np.array("[[],[],[]]")}, "object|pickle"),
    "too few boxes": ({"maps": MAPS, "boxes": np.array("[[]]")}, "boxes"),
    "boxes no json": ({"maps": MAPS, "boxes": np.array("[[")}, "JSON"),
    "boxes nested": ({"maps": MAPS, "boxes": np.array("[" * 100000)}, "JSON"),
    "boxes nan": ({"maps": MAPS, "boxes": np.array("[[[0,0,NaN,1]],[],[]]")}, "boxes"),
    "boxes huge": ({"maps": MAPS, "boxes": np.array("[[[0,0,1e999,1]],[],[]]")}, "boxes"),
    "boxes short": ({"maps": MAPS, "boxes": np.array("[[[0,0,1]],[],[]]")}, "boxes"),
    "boxes texts": ({"maps": MAPS, "boxes": np.array(["[]", "[]", "[]"])}, "boxes"),
    "boxes bytes": ({"maps": MAPS, "boxes": np.frombuffer(b"\xff\xfe", np.uint8)}, "UTF-8"),
    "mask shape": ({"maps": MAPS, "masks": np.zeros((3, 14, 14), np.uint8)}, "masks"),
    "mask floats": ({"maps": MAPS, "masks": np.zeros((3, 224, 224))}, "masks"),
    "both truths": (
        {"maps": MAPS, "boxes": np.array("[]"), "masks": np.zeros((3, 224, 224), np.uint8)},
        "one of them",
    ),
    "object maps": (
        {"maps": MAPS, "object_maps": OBJECTS[:2], "boxes": np.array("[[],[],[]]")},
        "object_maps",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_one_line(tmp_path: Path, case: str) -> None:
    arrays, message = BROKEN[case]
    with pytest.raises(InputError, match=message) as caught:
        score_file("localization", _file(tmp_path, **arrays))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (
            [CLIPS[0], CLIPS[1], "zzzzzzzzzzz_000001"],
            "zzzzzzzzzzz.*vggss, such as -aaaaaaaaaa_000001$",
        ),
        ([CLIPS[0], CLIPS[0], CLIPS[1]], "twice"),
        ([CLIPS[0], CLIPS[1], "../x"], "clip name"),
        ([CLIPS[0]], "one per map"),
    ],
)
def test_unfit_ids(annotations: Path, ids: list[str], message: str) -> None:
    path = _file(annotations, maps=MAPS, ids=np.array(ids))
    with pytest.raises(InputError, match=message):
        score_file("localization", path, "vggss", annotations)


@pytest.mark.parametrize(
    ("kind", "benchmark"),
    [("detection", "vggss"), ("localization", "extended-vggss"), ("localization", "negatives")],
)
def test_a_benchmark_of_another_kind(annotations: Path, kind: str, benchmark: str) -> None:
    path = _file(annotations, maps=MAPS, ids=np.array(CLIPS))
    with pytest.raises(InputError, match=benchmark):
        score_file(kind, path, benchmark, annotations)


def test_damaged_archives(tmp_path: Path) -> None:
    whole = _file(tmp_path, maps=MAPS, boxes=np.array(json.dumps(BOXES))).read_bytes()
    path = tmp_path / "damaged.npz"
    for number in range(10):
        path.write_bytes(whole[: number * len(whole) // 10])
        with pytest.raises(InputError, match=r"damaged\.npz"):
            score_file("localization", path)
    flipped = bytearray(whole)
    flipped[150:400] = bytes(250)
    path.write_bytes(flipped)
    with pytest.raises(InputError, match=r"damaged\.npz"):
        score_file("localization", path)
    with pytest.raises(InputError, match=r"none\.npz"):
        score_file("localization", tmp_path / "none.npz")
    with pytest.raises(InputError, match="localization"):
        score_file("dancing", path)


@pytest.mark.parametrize("shape", ["(3, 1000000, 1000000)", "(3, -14, 14)", "(3, 14, 15)"])
def test_a_header_that_promises_too_much(tmp_path: Path, shape: str) -> None:
    header = io.BytesIO()
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    header.write(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("maps.npy", header.getvalue() + MAPS.tobytes())
    with pytest.raises(InputError, match=r"bomb\.npz: maps"):
        score_file("localization", path)
