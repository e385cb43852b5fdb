"""VGG-SS's boxes, subsets and parts, which several families of benchmarks are made of.

One set of boxes serves the whole set, the part that the authors could download and both published
open-set splits; a subset is only a list of ids. The price is that a list may not name a clip that
`vggss.json` does not have.

**The paper's clips.** Every VGG-SS number of the paper is over the 4,655 clips of its authors'
`ours_vggss.txt`, here `vggss_available_4655.txt`: a percentage of two digits over N clips is
round(100 k / N, 2), which all of Table 3's values and nearly all of Tables 1, 6, 8 and 9 are for
these clips and cannot be for the full lists. So each benchmark is scored on all of its clips and
once more on those of that list (`@available`); the second is what stands beside the paper.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline.corpora.ground_truth import Boxes, read_vggss
from pipeline.corpora.lists import (
    SeenAndHeard,
    find_list,
    listed_files,
    read_clip_list,
    read_vggsounder,
)
from pipeline.errors import InputError

AVAILABLE = "vggss_available*.txt"
VGGSOUNDER = "vggsounder.csv"
# The list of each subset; the real files carry their count before the extension.
LISTS = {
    "vggss-4655": AVAILABLE,
    "heard": "vggss_heard_test.csv",
    "unheard": "vggss_unheard_test.csv",
    "heard-tie": "ssltie_openset_test_heard*.txt",
    "unheard-tie": "ssltie_openset_test_unheard*.txt",
}


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
    AVAILABLE: read_clip_list,
    "vggss*_test.csv": read_clip_list,
    "ssltie_openset_test_*.txt": read_clip_list,
}


def available_clips(annotations: Path) -> frozenset[str] | None:
    """The clips that the paper's authors could get (`vggss_available_4655.txt`), None where the
    list is not there: the set itself can be scored without it. Raises as `read_clip_list` does."""
    if not any(path.exists() for path in listed_files(annotations, AVAILABLE)):
        return None
    return frozenset(read_clip_list(find_list(annotations, AVAILABLE)))


def vggss_parts(
    annotations: Path, entries: Sequence[Boxes]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The parts of VGG-SS entries by the lists of `annotations` and what is only counted, (N,).

    'available' are the clips of `available_clips`, the others those of `seen_and_heard_parts` where
    VGGSounder's file is there. A stage that is to give the same metrics everywhere declares both
    files. Raises as the readers do.
    """
    clips = [entry.clip_id for entry in entries]
    parts: dict[str, np.ndarray] = {}
    counts: dict[str, np.ndarray] = {}
    listed = available_clips(annotations)
    if listed is not None:
        parts["available"] = members(clips, listed)
    if (annotations / VGGSOUNDER).exists():
        sounder = read_vggsounder(annotations / VGGSOUNDER)
        more, counts = seen_and_heard_parts(entries, sounder)
        parts.update(more)
    return parts, counts


def members(clips: Sequence[str], listed: Collection[str]) -> np.ndarray:
    """Which clips (N) are listed, bool (N,)."""
    return np.array([clip in listed for clip in clips], dtype=np.bool_)


def seen_and_heard_parts(
    entries: Sequence[Boxes], sounder: Mapping[str, SeenAndHeard]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What can be localized at all in VGG-SS clips, after VGGSounder (Zverev et al., 2025).

    Parts, bool (N,): 'seen-and-heard' clips whose own class is marked so (AV), 'several' those with
    more than one such class, 'still' those with a still picture, 'music' and 'voice' those with
    music or a voice laid over. A clip that VGGSounder does not have is in none. Classes are the
    same where `comparable` says so. Only counted: `samples_not_in_vggsounder`, and
    `samples_class_not_in_vggsounder` for clips that are there without their own class.
    """
    known = [sounder.get(entry.clip_id) for entry in entries]
    own: list[str | None] = []
    for entry, says in zip(entries, known, strict=True):
        labels = {} if says is None else {comparable(k): m for k, m in says.labels.items()}
        own.append(labels.get(comparable(entry.label)))
    both = [0 if says is None else list(says.labels.values()).count("AV") for says in known]
    parts = {
        "seen-and-heard": [modality == "AV" for modality in own],
        "several": [count > 1 for count in both],
        "still": [says is not None and says.static_image for says in known],
        "music": [says is not None and says.background_music for says in known],
        "voice": [says is not None and says.voice_over for says in known],
    }
    counts = {
        "samples_not_in_vggsounder": [says is None for says in known],
        "samples_class_not_in_vggsounder": [
            says is not None and modality is None for says, modality in zip(known, own, strict=True)
        ],
    }
    return _arrays(parts), _arrays(counts)


def _arrays(rows: Mapping[str, Sequence[bool]]) -> dict[str, np.ndarray]:
    return {name: np.array(values, dtype=np.bool_) for name, values in rows.items()}


def comparable(label: str) -> str:
    """A class name as it is compared between two sets: small letters, and one blank for all that is
    neither letter nor digit. All 221 names of VGG-SS are found in VGGSounder in this form."""
    return " ".join(re.sub(r"[^a-z0-9]+", " ", label.lower()).split())
