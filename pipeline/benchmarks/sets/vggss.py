"""VGG-SS and its subsets (Tables 1, 3, 4): boxes from `vggss.json`, samples from a list.

One set of boxes serves the whole set, the part that the authors could download and both published
open-set splits; a subset is only a list of ids. The price is that a list may not name a clip that
`vggss.json` does not have.
"""

from pathlib import Path

from pipeline.benchmarks.contract import Available, Sample, available_rows
from pipeline.benchmarks.metrics.rasters import Truth, fraction_boxes
from pipeline.benchmarks.tasks import LocalizationBenchmark
from pipeline.corpora.ground_truth import Boxes, read_vggss
from pipeline.corpora.lists import read_clip_list
from pipeline.errors import InputError

RESIZE = "half-pixel"
# The list of each subset; the real files carry their count before the extension.
LISTS = {
    "vggss-4654": "vggss_available*.txt",
    "heard": "vggss_heard_test.csv",
    "unheard": "vggss_unheard_test.csv",
    "heard-tie": "ssltie_openset_test_heard*.txt",
    "unheard-tie": "ssltie_openset_test_unheard*.txt",
}


def find_list(annotations: Path, pattern: str) -> Path:
    """The one file of `annotations` that `pattern` fits; `InputError` for none or several."""
    if "*" not in pattern:
        return annotations / pattern  # its reader says what to do where it is missing
    found = sorted(annotations.glob(pattern))
    if not found:  # an import that is not there yet: its reader says how to bring it
        found = [path.with_suffix("") for path in sorted(annotations.glob(f"{pattern}.dvc"))]
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise InputError(f"{annotations}: found {names}, expected one list {pattern}")
    return found[0]


def read_subset(name: str, annotations: Path) -> list[Boxes]:
    """The entries of `vggss.json` that make up 'vggss' or a key of `LISTS`, in the list's order.

    Raises `InputError` for a clip without boxes, and as the readers do.
    """
    boxes = {entry.clip_id: entry for entry in read_vggss(annotations / "vggss.json")}
    if name == "vggss":
        return list(boxes.values())
    path = find_list(annotations, LISTS[name])
    clips = read_clip_list(path)
    for clip in clips:
        if clip not in boxes:
            raise InputError(f"{path}: lists clip {clip}, expected clips of vggss.json only")
    return [boxes[clip] for clip in clips]


def open_vggss(
    name: str, annotations: Path, available: Available, media: Path | None
) -> LocalizationBenchmark:
    """'vggss' or a subset, see `open_benchmark`."""
    entries = read_subset(name, annotations)
    samples = [Sample(entry.clip_id, entry.clip_id, entry.clip_id) for entry in entries]
    truth = Truth([entry.boxes for entry in entries], fraction_boxes)
    benchmark = LocalizationBenchmark(samples, len(samples), truth, RESIZE)
    return benchmark.select(available_rows(samples, available))
