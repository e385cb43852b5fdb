"""What of a run's lists is there: the computation behind `avloc corpus check`.

Plain sets of clip ids in, one row per list out, so that the same count stands in the terminal's
table and in every metrics file. Clips are compared by id alone; the price is that the same video
under another id is not seen as leaked (duplicates by content are the clip table's business).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.benchmarks.sets import test_lists
from pipeline.corpora.lists import listed_files
from pipeline.errors import InputError


@dataclass(frozen=True)
class ClipList:
    """A training list or a benchmark: its official number of `samples`, the `clips` that they are
    made of, `sources` the ids that lie on disk in the corpus it is taken from, `rejects` the cause
    of each clip that decoding refused, None where the corpus is not decoded yet."""

    name: str
    samples: int
    clips: Sequence[str]
    sources: Collection[str]
    rejects: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Row:
    """One line of the check: counts of distinct clips, except `samples`, the official number.

    `listed` = `present` + `missing` + the sum of `unreadable`, which counts by cause and is None
    where nothing is decoded yet; `leaked` of the listed clips are in the training list (0 for the
    training list itself).
    """

    name: str
    samples: int
    listed: int
    present: int
    missing: int
    unreadable: dict[str, int] | None
    leaked: int


def leaked(training: Iterable[str], test: Iterable[str]) -> list[str]:
    """The distinct test clips that are in the training list, in the test list's order."""
    trained = set(training)
    return [clip_id for clip_id in dict.fromkeys(test) if clip_id in trained]


def check(training: ClipList, benchmarks: Sequence[ClipList]) -> list[Row]:
    """One row for the training list, then one per benchmark, in the given order."""
    trained = set(training.clips)
    rows = []
    for clips in (training, *benchmarks):
        listed = list(dict.fromkeys(clips.clips))
        on_disk, rejects = set(clips.sources), clips.rejects or {}
        causes = Counter(rejects[clip] for clip in listed if clip in rejects)
        readable = [clip for clip in listed if clip in on_disk and clip not in rejects]
        rows.append(
            Row(
                name=clips.name,
                samples=clips.samples,
                listed=len(listed),
                present=len(readable),
                missing=len(listed) - len(readable) - causes.total(),
                unreadable=None if clips.rejects is None else dict(sorted(causes.items())),
                leaked=0 if clips is training else len(leaked(trained, listed)),
            )
        )
    return rows


def read_test_clips(annotations: Path, *, required: bool = True) -> set[str]:
    """Every clip that is in a benchmark's list in the folder `annotations`, by the
    `TEST_LISTS` of the benchmarks' families.

    A list that is not there, but is known to belong there by a `.dvc` file, is an error, since its
    clips would be trained on in silence; so is a folder without any list, unless none is
    `required`. Raises `InputError` for both and as the readers do.
    """
    clips: set[str] = set()
    found = False
    for pattern, read in test_lists():
        for path in listed_files(annotations, pattern):
            clips.update(read(path))
            found = True
    if required and not found:
        raise InputError(
            f"{annotations}: holds no benchmark's list, so no test clip can be excluded from the "
            f"training; expected files such as vggss.json, or exclude_test_clips: false"
        )
    return clips
