"""Families of benchmarks: one file each, found by its names, opened without the others."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.benchmarks import Predictions, benchmark_names, open_benchmark, sets
from pipeline.corpora.check import read_test_clips
from pipeline.errors import InputError

# A complete family: a list of its own, a frame whose lower half sounds, maps against it.
CORNERS = '''
"""Street corners: the lower half of every frame sounds."""

import numpy as np

from pipeline.benchmarks.contract import Sample, available_rows
from pipeline.corpora.lists import read_clip_list

NAMES = ("corners-day", "corners-night")
TEST_LISTS = {"corners_*.txt": read_clip_list}


def open(name, annotations, available, root):
    from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
    from pipeline.benchmarks.tasks.localization import LocalizationBenchmark

    clips = read_clip_list(annotations / f"corners_{name.removeprefix('corners-')}.txt")
    samples = [Sample(clip, clip, clip) for clip in clips]
    truth = Truth([[[0, 0.5, 1, 1]]] * len(samples), fraction_boxes)
    benchmark = LocalizationBenchmark(samples, len(samples), truth, labels=["car"] * len(samples))
    return benchmark.select(available_rows(samples, available))
'''


@pytest.fixture
def more_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A second folder that families are found in."""
    folder = tmp_path / "sets"
    folder.mkdir()
    monkeypatch.setattr(sets, "__path__", [*sets.__path__, str(folder)])
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if name.startswith(sets.__name__):
            del sys.modules[name]


def test_a_new_benchmark_is_one_file(more_sets: Path, tmp_path: Path) -> None:
    (more_sets / "street_corners.py").write_text(CORNERS)
    (tmp_path / "corners_day.txt").write_text("one\ntwo\nthree\n")
    (tmp_path / "corners_night.txt").write_text("four\n")
    assert benchmark_names()[-2:] == ("corners-day", "corners-night")
    benchmark = open_benchmark("corners-day", tmp_path, {"three", "one"})
    assert [sample.frame_clip for sample in benchmark.samples] == ["one", "three"]
    assert (benchmark.official_count, benchmark.resize) == (3, "half-pixel")
    assert list(benchmark.labels) == ["car", "car"] and benchmark.classes is None
    assert benchmark.outline(1).sum() == 224 * 112
    falling = np.broadcast_to(np.arange(8, dtype=np.float32)[:, None], (2, 8, 8))
    maps = np.stack([falling[0], -falling[1]])  # hot below, hot above
    metrics = benchmark.score(Predictions(maps)).metrics
    assert (metrics["cIoU"], metrics["samples"], metrics["official_samples"]) == (50.0, 2, 3)
    # Its clips are kept out of training without a word anywhere else.
    assert read_test_clips(tmp_path) == {"one", "two", "three", "four"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NAMES = tuple(['a'])", "found no NAMES, expected a literal tuple"),
        ("NAMES = ('a')", "found no NAMES, expected a literal tuple"),
        ("NAME = ('a',)", "found no NAMES, expected a literal tuple"),
        ("NAMES = ('vggss',)", "'vggss' is in pipeline.benchmarks.sets.vggss already"),
    ],
)
def test_a_family_that_does_not_say_its_names(more_sets: Path, text: str, message: str) -> None:
    (more_sets / "zebra.py").write_text(text)
    with pytest.raises(InputError, match=r"zebra\.py") as error:
        benchmark_names()
    assert message in str(error.value)


def test_opening_one_family_imports_no_other(tmp_path: Path) -> None:
    (tmp_path / "flickr_test.csv").write_text("101,5\n")
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from pipeline.benchmarks import benchmark_names, open_benchmark\n"
        "from pipeline.corpora.check import read_test_clips\n"
        "print(len(benchmark_names()), *sorted(m for m in sys.modules if 'sets.' in m))\n"
        "open_benchmark('flickr', Path(sys.argv[1]), {'101'})\n"
        "print(*sorted(m for m in sys.modules if 'benchmarks.sets.' in m))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines == [str(len(benchmark_names())), "pipeline.benchmarks.sets.flickr"]


def test_the_test_clips_are_read_without_arithmetic(tmp_path: Path) -> None:
    (tmp_path / "flickr_test.csv").write_text("101,5\n")
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from pipeline.corpora.check import read_test_clips\n"
        "print(read_test_clips(Path(sys.argv[1])), 'torch' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == "{'101'} False\n"


def test_every_family_declares_its_test_lists() -> None:
    patterns = {pattern for pattern, _ in sets.test_lists()}
    assert {"vggss*.json", "flickr_test.csv", "*_plus_silent.csv", "is3_boxes.json"} <= patterns
    assert len(sets.test_lists()) == len(patterns)  # what families share is read once
