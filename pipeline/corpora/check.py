"""What of a run's lists is there: the computation behind `avloc corpus check`.

Plain sets of clip ids in, one row per list out, so that the same count stands in the terminal's
table and in every metrics file. Clips are compared by id alone; the price is that the same video
under another id is not seen as leaked (duplicates by content are the clip table's business).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ClipList:
    """A training list or a benchmark's samples: `frames` and `sounds` are parallel clip ids (the
    same ids where frame and sound are one clip's), `sources` the ids that lie on disk in the corpus
    it is taken from, `rejects` the cause of each clip that decoding refused."""

    name: str
    frames: Sequence[str]
    sounds: Sequence[str]
    sources: Collection[str]
    rejects: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One line of the check: counts of distinct clips, except `samples`.

    `listed` = `present` + `missing` + the sum of `unreadable`, which counts by cause; `leaked` of
    the listed clips are in the training list (0 for the training list itself).
    """

    name: str
    samples: int
    listed: int
    present: int
    missing: int
    unreadable: dict[str, int]
    leaked: int


def leaked(training: Iterable[str], test: Iterable[str]) -> list[str]:
    """The distinct test clips that are in the training list, in the test list's order."""
    trained = set(training)
    return [clip_id for clip_id in dict.fromkeys(test) if clip_id in trained]


def exclude(training: Iterable[str], test: Iterable[str]) -> list[str]:
    """The training list without any test clip, in its own order."""
    tested = set(test)
    return [clip_id for clip_id in training if clip_id not in tested]


def check(training: ClipList, benchmarks: Sequence[ClipList]) -> list[Row]:
    """One row for the training list, then one per benchmark, in the given order.

    A test clip is leaked where its frame or its sound is a training clip's.
    """
    trained = {*training.frames, *training.sounds}
    rows = []
    for clips in (training, *benchmarks):
        listed = list(dict.fromkeys([*clips.frames, *clips.sounds]))
        on_disk = set(clips.sources)
        causes = Counter(clips.rejects[clip] for clip in listed if clip in clips.rejects)
        readable = [clip for clip in listed if clip in on_disk and clip not in clips.rejects]
        rows.append(
            Row(
                name=clips.name,
                samples=len(clips.frames),
                listed=len(listed),
                present=len(readable),
                missing=len(listed) - len(readable) - causes.total(),
                unreadable=dict(sorted(causes.items())),
                leaked=0 if clips is training else len(leaked(trained, listed)),
            )
        )
    return rows
