"""The picture of a run: test scenes under their own sound and under a silent object's."""

from pathlib import Path

import numpy as np

from pipeline.benchmarks.tasks import ScenesBenchmark
from pipeline.clips.decoded import DecodedCorpus
from pipeline.report.figures import Scene, draw_scenes


def draw_benchmark_scenes(
    path: Path, benchmark: ScenesBenchmark, corpus: DecodedCorpus, maps: np.ndarray, count: int = 16
) -> None:
    """Draw the first `count` scenes that have a silent object, as PNG.

    `maps` (samples, h, w) are the raw maps of the benchmark's samples. The scenes are taken in the
    order of the list, never by their scores.
    """
    swapped: dict[int, int] = {}  # scene to the sample that plays its first silent object's sound
    for number, (scene, _) in enumerate(benchmark.swaps):
        swapped.setdefault(scene, len(benchmark.scenes) + number)
    drawn = []
    for scene, sample in list(swapped.items())[:count]:
        silent = benchmark.scenes[scene].distractors[
            benchmark.swaps[sample - len(benchmark.scenes)][1]
        ]
        labels = (benchmark.scenes[scene].label, f"silent: {silent.label}")
        sounds = [
            (label, maps[place], benchmark.masks(place, place + 1)[0])
            for label, place in zip(labels, (scene, sample), strict=True)
        ]
        frame = corpus.frame(corpus.row(benchmark.scenes[scene].clip_id))
        drawn.append(Scene(frame, sounds))
    draw_scenes(path, drawn)
