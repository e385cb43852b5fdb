"""Every format of anyone's maps gives the same numbers, and tells what is wrong with it."""

import json
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
import torch
from PIL import Image

from pipeline.errors import InputError
from pipeline.report.anyones.files import open_arrays, read_maps
from pipeline.report.anyones.kinds import check_benchmark, kinds
from pipeline.report.anyones.rows_file import write_rows
from pipeline.report.anyones.score import score_arrays

CLIPS = ["-aaaaaaaaaa_000001", "bbbb_bbbbbb_000030", "ccccccccccc_000120"]
MAPS = np.random.default_rng(6).integers(0, 255, size=(3, 9, 9)).astype(np.uint8)


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    entries = [{"file": clip, "class": "a", "bbox": [[0, 0, 0.6, 0.6]]} for clip in CLIPS]
    folder = tmp_path / "annotations"
    folder.mkdir()
    (folder / "vggss.json").write_text(json.dumps(entries))
    return folder


def _write(folder: Path, form: str) -> tuple[Path, Path | None]:
    """MAPS in a format, and the file of their ids where the format has none."""
    path, ids = folder / f"maps.{form}", folder / "ids.txt"
    ids.write_text("\n".join(CLIPS) + "\n\n")
    tensor = torch.from_numpy(MAPS)
    if form == "npz":
        np.savez(path, maps=MAPS, ids=np.array(CLIPS))
    elif form == "npy":
        np.save(path, MAPS)
        return path, ids
    elif form == "pt":
        torch.save({"ids": CLIPS, "maps": tensor}, path)
    elif form == "pth":
        torch.save({clip: tensor[n].to(torch.bfloat16) for n, clip in enumerate(CLIPS)}, path)
    elif form == "tensor.pt":
        torch.save(tensor, path)
        return path, ids
    else:
        path.mkdir()
        for clip, heat in zip(CLIPS, MAPS, strict=True):
            if form == "pictures":
                Image.fromarray(heat).save(path / f"{clip}.png")
            else:
                np.save(path / f"{clip}.npy", heat)
        (path / "notes.txt").write_text("not a map")
    return path, None


@pytest.mark.parametrize("form", ["npz", "npy", "pt", "pth", "tensor.pt", "pictures", "arrays"])
def test_formats_agree(annotations: Path, tmp_path: Path, form: str) -> None:
    path, ids = _write(tmp_path, form)
    arrays = open_arrays(path, ids)
    assert arrays.ids(3) == CLIPS
    assert np.array_equal(arrays.maps(), MAPS)
    scored = score_arrays(arrays, "localization", "vggss", annotations)
    assert scored.rows["sample_id"].to_pylist() == CLIPS
    if ids is None:
        assert read_maps(path)[0] == CLIPS
    else:  # in the order of the list
        again = score_arrays(open_arrays(path), "localization", "vggss", annotations)
        assert again.metrics == scored.metrics


def test_wrong_files_are_one_line(tmp_path: Path) -> None:
    folder, empty, mixed = tmp_path / "maps", tmp_path / "empty", tmp_path / "mixed"
    for place in (folder, empty, mixed):
        place.mkdir()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / "a.png")
    np.save(mixed / "a.npy", MAPS[0])
    np.save(mixed / "b.npy", MAPS[0, :4])
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object))
    (tmp_path / "broken.pt").write_bytes(b"no tensors")
    torch.save([1, 2], tmp_path / "list.pt")
    np.savez(tmp_path / "named.npz", maps=MAPS, ids=np.array(CLIPS))
    (tmp_path / "ids.txt").write_text("a\nb\nc\n")
    (tmp_path / "maps.mat").write_bytes(b"")
    for name, message in {
        "none.npz": "not found, expected .npz",
        "maps": "a.png: found a picture in colours",
        "empty": "found none",
        "mixed": "b.npy: found a map of",
        "pickled.npy": "expected an npy array",
        "broken.pt": "expected tensors",
        "list.pt": "found list",
        "maps.mat": "expected .npz",
    }.items():
        with pytest.raises(InputError, match=message) as caught:
            open_arrays(tmp_path / name)
        assert "\n" not in str(caught.value) and "Errno" not in str(caught.value)
    with pytest.raises(InputError, match="ids in it and --ids"):
        open_arrays(tmp_path / "named.npz", tmp_path / "ids.txt")
    np.save(mixed / "b.npy", MAPS[0])
    Image.fromarray(MAPS[0]).save(mixed / "b.png")
    with pytest.raises(InputError, match="two maps of b"):
        open_arrays(mixed)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([10, 10, 100, 120], "looks like pixels"),
        ([0.1, 0.1, 1.2, 0.5], "0 to 1"),
        ([-0.2, 0.1, 0.5, 0.5], "0 to 1"),
        ([0.5, 0.5, 0.2, 0.2], "no width and height"),
    ],
)
def test_boxes_that_are_no_fractions(tmp_path: Path, box: list[float], message: str) -> None:
    path = tmp_path / "maps.npz"
    for boxes in (np.array(json.dumps([[box]] * 3)), np.array([[box]] * 3, dtype=np.float32)):
        np.savez(path, maps=MAPS, boxes=boxes)
        with pytest.raises(InputError, match=message):
            score_arrays(open_arrays(path), "localization")


def test_a_little_beyond_the_frame_is_taken(tmp_path: Path) -> None:
    found = []
    for box in ([0, 0, 1, 1], [-1e-4, 0, 1.0001, 1]):
        np.savez(tmp_path / "maps.npz", maps=MAPS, boxes=np.array([[box]] * 3))
        found.append(score_arrays(open_arrays(tmp_path / "maps.npz"), "localization").metrics)
    assert found[0] == found[1]


def test_benchmarks_are_offered_by_what_they_are_scored_as() -> None:
    known = kinds()
    assert known["vggss"] == known["is3"] == known["avsbench-s4-boxes"] == "localization"
    assert known["extended-flickr"] == "detection" and known["avsbench-ms3"] == "segmentation"
    assert known["retrieval"] == "retrieval" and known["scenes"] is known["negatives"] is None
    check_benchmark("localization", "vggss")
    for kind, name, offered, others in [
        ("localization", "vggs", "unknown.*vggss", "retrieval"),
        ("localization", "scenes", "more than a file of maps.*vggss", "avsbench-s4,"),
        ("segmentation", "vggss", "as localization, not segm.*avsbench-s4, avsbench-ms3", "flickr"),
    ]:
        with pytest.raises(InputError, match=offered) as caught:
            check_benchmark(kind, name)
        assert others not in str(caught.value).partition("expected")[2]


def test_avsbench_by_ids_and_media(tmp_path: Path) -> None:
    rows = [f"{video}_{n},dog\n" for video in ("v_1", "w_2") for n in range(1, 6)]
    (tmp_path / "avsbench_s4_test.csv").write_text("".join(rows))
    masks = np.zeros((10, 224, 224), np.uint8)
    masks[:, :90] = 255
    media = tmp_path / "media"
    for number in range(10):
        video = ("v_1", "w_2")[number // 5]
        place = media / "S4/gt_masks/test/dog" / video / f"{video}_{number % 5 + 1}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(masks[number]).save(place)
    maps = np.random.default_rng(7).random((10, 7, 7), dtype=np.float32)
    ids = [f"s4-{video}_{n}" for video in ("v_1", "w_2") for n in range(1, 6)]
    np.savez(tmp_path / "maps.npz", maps=maps, ids=np.array(ids))
    np.savez(tmp_path / "own.npz", maps=maps, masks=masks)
    arrays = open_arrays(tmp_path / "maps.npz")
    with pytest.raises(InputError, match="--media"):
        score_arrays(arrays, "segmentation", "avsbench-s4", tmp_path)
    found = score_arrays(arrays, "segmentation", "avsbench-s4", tmp_path, media)
    own = score_arrays(open_arrays(tmp_path / "own.npz"), "segmentation")
    assert found.metrics == own.metrics and found.metrics["samples_with_mask"] == 10


def test_rows_are_written_as_their_ending_says(tmp_path: Path) -> None:
    table = pyarrow.table({"sample_id": ["a", "b"], "iou": [0.5, 0.25], "answers": [["x"], []]})
    for ending in ("parquet", "csv", "tsv"):
        write_rows(tmp_path / f"rows.{ending}", table)
    assert pyarrow.parquet.read_table(tmp_path / "rows.parquet").equals(table)
    assert pyarrow.csv.read_csv(tmp_path / "rows.csv")["iou"].to_pylist() == [0.5, 0.25]
    assert "\t" in (tmp_path / "rows.tsv").read_text()
    with pytest.raises(InputError, match=r"rows\.xlsx"):
        write_rows(tmp_path / "rows.xlsx", table)
