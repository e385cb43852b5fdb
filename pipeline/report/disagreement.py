"""Which methods are right here: samples with the maps of all runs side by side.

Nobody picks the samples: first come those on which the runs differ most, then a few that all get
right and a few that none does. Everything is read from the tables and maps that stage evaluate
wrote of every sample. Right is what the benchmark's own share of samples counts: the maximum in the
visible object for the toy's scenes, an IoU of at least 0.5 with what sounds for all others. The
price of that one threshold: a map cut at its median cannot meet a small object, so there no run is
right, however well it points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from pipeline.benchmarks import Benchmark
from pipeline.benchmarks.metrics.localization import IOU_THRESHOLD
from pipeline.report.clips import Clips, Picture, Player
from pipeline.report.facts import check_rows
from pipeline.report.templating import render

CARDS = 96  # samples on a page with all maps, over all benchmarks
_MOST, _FEWEST = 24, 6  # of a benchmark
AGREED = 3  # samples that all get right, and as many that none does
# What right means, by whether the table of samples says where maps point.
_RULES = {
    True: "the map's maximum lies in what sounds",
    False: f"the IoU of the map with what sounds is at least {IOU_THRESHOLD:g}",
}
# Where the IoU of a sample is that a share of samples counts, the first that a table has.
_IOUS = ("localization_iou", "iou")


@dataclass(frozen=True)
class Judged:
    """What runs that differ in their seed alone did on a benchmark: their name, the table of each
    seed's samples, and the raw maps (samples, h, w) of the first seed."""

    label: str
    tables: Sequence[pa.Table]
    maps: np.ndarray


@dataclass(frozen=True)
class Verdicts:
    """Of runs on samples, (runs, samples) float64: the share of its seeds that are `right`, and the
    mean `iou` over them; NaN where the sample has nothing that sounds."""

    right: np.ndarray
    iou: np.ndarray


@dataclass(frozen=True)
class Shown:
    """A run's map of a sample: its picture, the run, a verdict in words and as the style sheet
    draws it, and the IoU."""

    picture: Picture
    label: str
    verdict: str
    style: str
    iou: str


@dataclass(frozen=True)
class SampleOfAll:
    """A sample under all runs: its frame, its sound, what it is called, how many runs are right and
    what each of them shows."""

    frame: Picture
    player: Player
    names: Sequence[str]
    verdict: str
    shown: Sequence[Shown]


def share_of(cards: int, benchmarks: int) -> int:
    """How many samples one of several benchmarks shows, so that a page of many is no longer than
    one of few."""
    return min(_MOST, max(_FEWEST, cards // max(benchmarks, 1)))


def verdicts(judged: Sequence[Judged]) -> Verdicts:
    """Whether each run is right on each sample. A benchmark that judges no map has neither column,
    for which a ValueError is raised."""
    right, iou = [], []
    for each in judged:
        found = [_of_table(table) for table in each.tables]
        right.append(np.mean([one for one, _ in found], axis=0))
        iou.append(np.mean([other for _, other in found], axis=0))
    return Verdicts(np.stack(right), np.stack(iou))


def _of_table(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    name = next((name for name in _IOUS if name in table.column_names), None)
    if name is None:
        raise ValueError(f"a table of samples without an IoU: {', '.join(table.column_names)}")
    iou = np.array(table[name].to_pylist(), np.float64)  # None becomes NaN
    for column in ("sounding", "has_mask"):
        if column in table.column_names:
            iou[~table[column].to_numpy(zero_copy_only=False).astype(np.bool_)] = np.nan
    right = np.where(iou >= IOU_THRESHOLD, 1.0, 0.0)
    if "pointing" in table.column_names:
        right = table["pointing"].to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(np.isnan(iou), np.nan, right), iou


def most_disagreed(found: Verdicts, count: int) -> list[int]:
    """The places of at most `count` samples on which the runs differ, those that divide them most
    evenly first: by the variance of `right` over runs, equal ones by the deviation of their IoU,
    then by their place."""
    variance = np.round(found.right.var(axis=0), 12)  # NaN is never above 0
    deviation = np.round(found.iou.std(axis=0), 12)
    differ = np.flatnonzero(variance > 0).tolist()
    return sorted(differ, key=lambda n: (-variance[n], -deviation[n], n))[:count]


def agreed(found: Verdicts, right: bool, count: int = AGREED) -> list[int]:
    """The first `count` samples that every seed of every run gets right, the highest mean IoU
    first; or that none does, the lowest first."""
    places = np.flatnonzero((found.right == float(right)).all(axis=0)).tolist()
    mean = found.iou.mean(axis=0)
    return sorted(places, key=lambda n: (-mean[n] if right else mean[n], n))[:count]


def side_by_side(
    benchmark: Benchmark, judged: Sequence[Judged], clips: Clips, count: int
) -> Markup:
    """The samples of a benchmark that scores maps, `count` of them those that divide the runs, with
    the maps of all. Raises `InputError` where a table is of other samples than the benchmark's."""
    for each in judged:
        for table in each.tables:
            check_rows(benchmark, table)
    found = verdicts(judged)
    differ = most_disagreed(found, count)
    several = int((found.right.var(axis=0) > 0).sum())
    parts = {
        f"Where the runs differ most: {len(differ)} of {several} samples": differ,
        "What all get right": agreed(found, True),
        "What none gets right": agreed(found, False),
    }
    drawn = [
        (title, [_sample(benchmark, judged, found, clips, place) for place in places])
        for title, places in parts.items()
        if places
    ]
    points = any("pointing" in table.column_names for each in judged for table in each.tables)
    several_seeds = any(len(each.tables) > 1 for each in judged)
    return render("side_by_side", parts=drawn, rule=_RULES[points], several=several_seeds)


def _sample(
    benchmark: Benchmark, judged: Sequence[Judged], found: Verdicts, clips: Clips, place: int
) -> SampleOfAll:
    sample = benchmark.samples[place]
    outline = benchmark.outline(place)
    shown = []
    for number, each in enumerate(judged):
        share, seeds = found.right[number, place], len(each.tables)
        style = "right" if share == 1 else "wrong" if share == 0 else "partly"
        word = {"right": "right", "wrong": "wrong"}.get(style, f"{share * seeds:.0f} of {seeds}")
        picture = clips.heat(sample.frame_clip, each.maps[place], outline, small=True)
        iou = f"IoU {found.iou[number, place]:.2f}"
        shown.append(Shown(picture, each.label, word, style, iou))
    names = [sample.frame_clip]
    if sample.sound_clip != sample.frame_clip:
        names = [f"frame {sample.frame_clip}", f"sound {sample.sound_clip}"]
    if benchmark.labels:
        names.insert(0, benchmark.labels[place])
    right = [each.label for number, each in enumerate(judged) if found.right[number, place] == 1]
    verdict = f"{len(right)} of {len(judged)} right"
    frame, player = clips.frame(sample.frame_clip, small=True), clips.player(sample.sound_clip)
    return SampleOfAll(frame, player, names, verdict, shown)
