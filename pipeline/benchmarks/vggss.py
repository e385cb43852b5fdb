"""VGG-SS's boxes and subsets, which several families of benchmarks are made of.

One set of boxes serves the whole set, the part that the authors could download and both published
open-set splits; a subset is only a list of ids. The price is that a list may not name a clip that
`vggss.json` does not have.
"""

from pathlib import Path

from pipeline.corpora.ground_truth import Boxes, read_vggss
from pipeline.corpora.lists import read_clip_list
from pipeline.errors import InputError

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


def _clips(path: Path) -> list[str]:
    return [entry.clip_id for entry in read_vggss(path)]


# See `sets.TEST_LISTS`: every list of VGG-SS's test clips, whichever family it is opened by.
VGGSS_TEST_LISTS = {
    "vggss*.json": _clips,
    "vggss_available*.txt": read_clip_list,
    "vggss*_test.csv": read_clip_list,
    "ssltie_openset_test_*.txt": read_clip_list,
}
