"""What is known of every sample of a benchmark, and of every map that a run made of one.

The tables of samples that stage evaluate wrote differ by the kind of benchmark; here they become
one form, which the failure browser, the breakdowns and the first screen share. What a table lacks
(the IoU at the true area, where the maximum lies) is computed from its maps by the functions that
score the others.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.benchmarks import Benchmark
from pipeline.benchmarks.metrics.detection import confidences, score_maps
from pipeline.benchmarks.metrics.heatmaps import CHUNK, resize_maps
from pipeline.benchmarks.metrics.localization import overlaps, pointing
from pipeline.benchmarks.tasks import ConditionsBenchmark, ScenesBenchmark
from pipeline.errors import InputError
from pipeline.report.failures import DARK, IN_VAIN, NOTHING_FOUND, NOTHING_SOUNDS, is_flat, kinds
from pipeline.report.paper_numbers import PAPER_CLIPS
from pipeline.report.regions import packed

_CUTS = {"median": ("localization_iou", "iou"), "half": ("iou_half",)}
MEDIAN, ADAPTIVE, HALF, UNIVERSAL = "median", "adaptive", "half", "universal"
# Where a map is cut, for a reader.
CUT_WORDS = {
    MEDIAN: "the map's median",
    ADAPTIVE: "the true area",
    HALF: "half of its range",
    UNIVERSAL: "the universal threshold",
}
_CHUNK = 64
_KINDS_OF_SOUND = {
    "own": "its own sound",
    "silence": "under silence",
    "noise": "under noise",
    "offscreen": "under another clip's sound",
}


@dataclass(frozen=True)
class BenchmarkFacts:
    """N samples, whoever is scored on them: the clips of their frames and sounds, the class of what
    sounds ('' where nobody says), the share of the frame that it takes (`area`, (N,), 0 where
    nothing sounds), its region as `regions.packed` has it, and which samples are under which
    condition, bool (N,) by name. `resize` is how the benchmark brings maps to the frame's size."""

    ids: Sequence[str]
    frames: Sequence[str]
    sounds: Sequence[str]
    classes: Sequence[str]
    area: np.ndarray
    regions: Sequence[bytes]
    conditions: Mapping[str, np.ndarray]
    resize: str

    @property
    def true(self) -> np.ndarray:
        """Which samples have something that sounds, bool (N,)."""
        return self.area > 0


@dataclass(frozen=True)
class RunFacts:
    """What a run's maps did: their IoU (N,) by the cut, NaN where nothing sounds; how sure it was
    (N,); and the `kinds` (N,) uint8 of `pipeline.report.failures` at the cut `lead`. `threshold` is
    that of the cut `UNIVERSAL`, None where there is none."""

    cuts: Mapping[str, np.ndarray]
    lead: str
    sureness: np.ndarray
    kinds: np.ndarray
    threshold: float | None = None


def benchmark_facts(
    benchmark: Benchmark, table: pa.Table, labels: Mapping[str, str], trained: Collection[str]
) -> BenchmarkFacts:
    """The facts of a benchmark that scores maps. `table` is that of any run's samples, `labels` say
    what a clip's sound is where the benchmark does not, and `trained` are clips that some run was
    trained on. Raises `InputError` where the table is of other samples."""
    check_rows(benchmark, table)
    samples = benchmark.samples
    area = np.empty(len(samples))
    regions: list[bytes] = []
    for start in range(0, len(samples), _CHUNK):
        for truth in benchmark.ground_truth(start, min(start + _CHUNK, len(samples))):
            area[len(regions)] = np.count_nonzero(truth) / truth.size
            regions.append(packed(truth > 0))
    return BenchmarkFacts(
        [sample.sample_id for sample in samples],
        [sample.frame_clip for sample in samples],
        [sample.sound_clip for sample in samples],
        list(benchmark.labels) or [labels.get(sample.sound_clip, "") for sample in samples],
        area,
        regions,
        _conditions(benchmark, table, trained),
        getattr(benchmark, "localization_resize", benchmark.resize),
    )


def run_facts(
    benchmark: Benchmark,
    facts: BenchmarkFacts,
    table: pa.Table,
    maps: np.ndarray,
    threshold: float | None = None,
) -> RunFacts:
    """The facts of a run from its table of samples and its raw `maps` (N, h, w). `threshold` is the
    universal one where the benchmark has negative sounds. Raises `InputError` where the table is of
    other samples."""
    check_rows(benchmark, table)
    true = facts.true
    cuts = {}
    for cut, names in _CUTS.items():
        if name := next((each for each in names if each in table.column_names), None):
            cuts[UNIVERSAL if threshold is not None else cut] = _column(table, name, true)
    if "iou_adaptive" in table.column_names:
        cuts[ADAPTIVE] = _column(table, "iou_adaptive", true)
    else:
        cuts[ADAPTIVE] = _adaptive(benchmark, facts, maps)
    if "pointing" in table.column_names:
        points = table["pointing"].to_numpy(zero_copy_only=False).astype(np.bool_)
    else:
        points = _points(benchmark, maps)
    # A scene is scored where its silent objects count as well: at the true area.
    made = isinstance(benchmark, (ScenesBenchmark, ConditionsBenchmark))
    lead = ADAPTIVE if made else next(iter(cuts))
    found = kinds(cuts[lead], cuts[ADAPTIVE], facts.area, points, is_flat(maps), lead == MEDIAN)
    found[~true] = NOTHING_SOUNDS
    if "lit_share" in table.column_names:
        lit = table["lit_share"].to_numpy() > 0
        found[true & ~lit] = NOTHING_FOUND
        found[~true] = np.where(lit[~true], IN_VAIN, DARK)
    return RunFacts(cuts, lead, _sureness(table, maps), found, threshold)


def _column(table: pa.Table, name: str, true: np.ndarray) -> np.ndarray:
    values = np.array(table[name].to_pylist(), np.float64)  # None becomes NaN
    return np.where(true, values, np.nan)


def _adaptive(benchmark: Benchmark, facts: BenchmarkFacts, maps: np.ndarray) -> np.ndarray:
    found = np.full(len(maps), np.nan)
    for start in range(0, len(maps), CHUNK):
        part = slice(start, min(start + CHUNK, len(maps)))
        truth = benchmark.ground_truth(part.start, part.stop)
        found[part] = overlaps(resize_maps(maps[part], facts.resize), truth)[1]
    return np.where(facts.true, found, np.nan)


def _points(benchmark: Benchmark, maps: np.ndarray) -> np.ndarray:
    parts = []
    for start in range(0, len(maps), _CHUNK):
        stop = min(start + _CHUNK, len(maps))
        parts.append(pointing(maps[start:stop], benchmark.ground_truth(start, stop) > 0))
    return np.concatenate(parts)


def _sureness(table: pa.Table, maps: np.ndarray) -> np.ndarray:
    """The mean of the hottest quarter of each map's cells, as (cosine + 1) / 2."""
    if "confidence" in table.column_names:
        return np.array(table["confidence"].to_numpy(), np.float64)
    return confidences(score_maps(np.asarray(maps, np.float32)))


def _conditions(
    benchmark: Benchmark, table: pa.Table, trained: Collection[str]
) -> dict[str, np.ndarray]:
    """Conditions that some samples are under and others are not."""
    found: dict[str, np.ndarray] = {}
    if isinstance(benchmark, ScenesBenchmark):
        own = len(benchmark.scenes)
        scene = [*range(own), *(scene for scene, _ in benchmark.swaps)]
        beside = np.array([bool(benchmark.scenes[place].distractors) for place in scene])
        swapped = np.arange(len(scene)) >= own
        found["alone"] = ~beside
        found["beside silent objects"] = beside & ~swapped
        found["under a silent object's sound"] = swapped
    if "sounding" in table.column_names:
        sounding = np.array(table["sounding"].to_pylist(), np.bool_)
        found |= {"sounds": sounding, "nothing sounds": ~sounding}
    if "kind" in table.column_names:
        kind = np.array(table["kind"].to_pylist())
        found |= {words: kind == name for name, words in _KINDS_OF_SOUND.items()}
    for name, members in getattr(benchmark, "parts", {}).items():
        words = "the paper's clips" if f"@{name}" == PAPER_CLIPS else f"part: {name}"
        found[words] = np.asarray(members, np.bool_)
    clips = [(sample.frame_clip, sample.sound_clip) for sample in benchmark.samples]
    found["trained on"] = np.array([not set(pair).isdisjoint(trained) for pair in clips], np.bool_)
    return {name: rows for name, rows in found.items() if rows.any() and not rows.all()}


def scored_region(
    heat: np.ndarray, resize: str, cut: str, area: float, threshold: float | None
) -> np.ndarray:
    """What of a raw map (h, w) is scored at a cut: bool (224, 224). `area` is the truth's share of
    the frame, `threshold` that of the cut `UNIVERSAL`."""
    fine = resize_maps(np.asarray(heat, np.float32)[None], resize)[0]
    if cut == UNIVERSAL:
        assert threshold is not None
        return np.asarray(fine > threshold)
    if cut == HALF:
        return np.asarray(fine >= (fine.min() + fine.max()) / 2)
    count = fine.size
    lit = (round(area * count) or count // 2) if cut == ADAPTIVE else count - count // 2
    return np.asarray(fine > np.partition(fine.ravel(), count - lit)[count - lit])


def check_rows(benchmark: Benchmark, rows: pa.Table, *columns: str) -> None:
    """Raise `InputError` unless a table of samples has `columns` and is of the benchmark's own."""
    for column in columns:
        if column not in rows.column_names:
            raise InputError(f"the table of samples has no {column}; run dvc repro evaluate")
    found = rows["sample_id"].to_pylist()
    expected = [sample.sample_id for sample in benchmark.samples]
    if found != expected:
        raise InputError(
            f"the table of samples holds {len(found)} samples, expected the benchmark's own "
            f"{len(expected)}; run dvc repro evaluate"
        )
