"""The picture of a run: test scenes under their own sound and under a silent object's.

It is drawn from what evaluating a run on the scenes wrote, so that a change of colours or of words
evaluates nothing again.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.base.files import map_npy, read_parquet
from pipeline.benchmarks.metrics.localization import pointing
from pipeline.benchmarks.tasks import ScenesBenchmark
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.report.sheet import Heard, Scene, draw_scenes


def draw_scenes_of(
    details: Path,
    corpus: DecodedCorpus,
    benchmark: ScenesBenchmark,
    path: Path,
    count: int = 16,
) -> None:
    """Draw `count` scenes to `path`, a PNG, as `draw_benchmark_scenes` does, from the maps that
    evaluating a run on `benchmark` wrote to `details`. Raises `InputError` as both do."""
    draw_benchmark_scenes(path, benchmark, corpus, stored_maps(details, benchmark), count)


def stored_maps(details: Path, benchmark: ScenesBenchmark) -> np.ndarray:
    """The raw maps (samples, h, w) float32 that evaluating a run on `benchmark` wrote to `details`,
    beside samples.parquet. Raises `InputError` where they are of other samples."""
    table = details / "samples.parquet"
    found = read_parquet(table)["sample_id"].to_pylist()
    expected = [sample.sample_id for sample in benchmark.samples]
    maps = map_npy(details / "maps.npy")
    if found != expected or len(maps) != len(expected):
        raise InputError(
            f"{table}: found {len(found)} samples and {len(maps)} maps, expected the benchmark's "
            f"own {len(expected)}; run dvc repro evaluate"
        )
    return maps


def draw_benchmark_scenes(
    path: Path,
    benchmark: ScenesBenchmark,
    corpus: DecodedCorpus,
    maps: np.ndarray,
    count: int = 16,
    strengths: Mapping[int, tuple[str, float]] | None = None,
) -> None:
    """Draw the first `count` scenes that have a silent object, as PNG.

    `maps` (samples, h, w) are the raw maps of the benchmark's samples, `strengths` by a sample's
    place how sure its map is in a word, and how strongly it is drawn, 0 to 1; wholly where None.
    The scenes are taken in the order of the list, never by their scores, but for one: the first
    whose maps point right under both sounds leads, so that a reader sees what is meant before what
    goes wrong. Raises `InputError` where no scene has a silent object.
    """
    swapped: dict[int, int] = {}  # scene to the sample that plays its first silent object's sound
    for number, (scene, _) in enumerate(benchmark.swaps):
        swapped.setdefault(scene, len(benchmark.scenes) + number)
    if not swapped:
        raise InputError("scenes: none has a silent object at hand, expected some to draw")
    first = next((s for s, swap in swapped.items() if _right(benchmark, maps, [s, swap])), None)
    drawn = []
    for scene in sorted(swapped, key=lambda scene: (scene != first, scene))[:count]:
        sample = swapped[scene]
        silent = benchmark.scenes[scene].distractors[
            benchmark.swaps[sample - len(benchmark.scenes)][1]
        ]
        sounds = [
            Heard(
                label,
                maps[place],
                benchmark.masks(place, place + 1)[0],
                *(strengths or {}).get(place, ("", 1.0)),
                _right(benchmark, maps, [place]),
            )
            for label, place in (
                (benchmark.scenes[scene].label, scene),
                (silent.label, sample),
            )
        ]
        frame = corpus.square(corpus.row(benchmark.scenes[scene].clip_id))
        drawn.append(Scene(frame, sounds))
    draw_scenes(path, drawn)


def _right(benchmark: ScenesBenchmark, maps: np.ndarray, places: list[int]) -> bool:
    """Whether the maps of all these samples point into the object that sounds."""
    return all(
        bool(pointing(np.asarray(maps[place][None]), benchmark.masks(place, place + 1))[0])
        for place in places
    )
