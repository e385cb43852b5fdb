"""The contact sheet: each frame in its video's shape, with what is scored outlined where it is."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from made_corpus import make_corpus
from PIL import Image

from pipeline.base.files import read_parquet, write_parquet
from pipeline.benchmarks import Benchmark, open_benchmark
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.report.contact_sheet import draw_contact_sheet, first_of_each_frame

GREY = 128
BOXES = [[0.25, 0.5, 0.75, 1.0]]


@pytest.fixture
def corpus(tmp_path: Path) -> DecodedCorpus:
    """Three grey frames, of videos that are wide, tall and of unknown size."""
    folder = tmp_path / "decoded"
    frames = np.full((3, 40, 40, 3), GREY, np.uint8)
    make_corpus(folder, frames, [np.zeros((4, 3))] * 3)
    table = read_parquet(folder / "clips.parquet")
    for name, sizes in {"width": [640, 240, None], "height": [360, 480, None]}.items():
        table = table.append_column(name, pa.array(sizes, pa.int32()))
    write_parquet(folder / "clips.parquet", table)
    return DecodedCorpus(folder)


@pytest.fixture
def benchmark(corpus: DecodedCorpus, tmp_path: Path) -> Benchmark:
    entries = [{"file": f"clip0{n}", "class": "dog", "bbox": BOXES} for n in range(3)]
    (tmp_path / "vggss.json").write_text(json.dumps(entries))
    return open_benchmark("vggss", tmp_path, corpus)


def _cells(path: Path) -> list[tuple[np.ndarray, int, int]]:
    """Each frame on a sheet of one column, with its height and width: what is grey or outlined, and
    wide enough for a frame."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    grey = (pixels == GREY).all(axis=2)
    rows = np.flatnonzero(grey.sum(axis=1) > 50)
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 20) + 1)
    cells = []
    for run in runs:
        columns = np.flatnonzero(grey[run].any(axis=0))
        cell = pixels[run[0] : run[-1] + 1, columns[0] : columns[-1] + 1]
        cells.append((cell, *cell.shape[:2]))
    return cells


def test_frames_have_their_shape_and_boxes_their_place(
    corpus: DecodedCorpus, benchmark: Benchmark, tmp_path: Path
) -> None:
    path = tmp_path / "sheet.png"
    draw_contact_sheet(path, corpus, benchmark, [0, 1, 2], "three frames", columns=1)
    cells = _cells(path)
    assert [(height, width) for _, height, width in cells] == [(180, 320), (240, 120), (240, 240)]
    for pixels, height, width in cells:
        white = (pixels == 255).all(axis=2)
        rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
        assert rows[0] == pytest.approx(height / 2, abs=3)
        assert rows[-1] == pytest.approx(height - 1, abs=3)
        assert columns[0] == pytest.approx(width / 4, abs=3)
        assert columns[-1] == pytest.approx(3 * width / 4, abs=3)
        # An outline, not an area: the middle of the box is the frame.
        assert (pixels[3 * height // 4, width // 2] == GREY).all()


def test_equal_inputs_give_equal_bytes(
    corpus: DecodedCorpus, benchmark: Benchmark, tmp_path: Path
) -> None:
    for name in ("one.png", "two.png"):
        draw_contact_sheet(tmp_path / name, corpus, benchmark, [0, 2], "two frames")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_each_frame_is_shown_once_and_only_where_something_sounds(
    corpus: DecodedCorpus, tmp_path: Path
) -> None:
    entries = [{"file": f"clip0{n}", "class": "dog", "bbox": BOXES} for n in range(3)]
    entries[1]["bbox"] = [[0.5, 0.5, 0.5, 0.5]]
    (tmp_path / "vggss.json").write_text(json.dumps(entries))
    pairs = "video,audio,label\nclip02,clip00,non-sounding\nclip01,clip00,non-sounding\n"
    (tmp_path / "vggss_test_plus_silent.csv").write_text(pairs)
    plain = open_benchmark("vggss", tmp_path, corpus)
    assert first_of_each_frame(plain, 5) == [0, 2]
    assert first_of_each_frame(plain, 1) == [0]
    extended = open_benchmark("extended-vggss", tmp_path, corpus)
    found = [extended.samples[place] for place in first_of_each_frame(extended, 5)]
    assert len(extended.samples) == 5
    assert [sample.sample_id for sample in found] == ["clip00", "clip02"]


def test_nothing_to_draw_is_said(
    corpus: DecodedCorpus, benchmark: Benchmark, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no sample of the benchmark is there"):
        draw_contact_sheet(tmp_path / "sheet.png", corpus, benchmark, [], "none")
    assert not (tmp_path / "sheet.png").exists()
