"""The toy's own benchmark, from the exact truth in `scenes.json` beside its lists."""

from pathlib import Path

from pipeline.benchmarks.contract import (
    Available,
    Benchmark,
    Sample,
    available_rows,
    is_available,
    pair_id,
)
from pipeline.corpora.ground_truth import read_scenes
from pipeline.errors import InputError

NAMES = ("scenes", "scenes-validation")
SPLITS = {"scenes": "test", "scenes-validation": "validation"}


def _clips(path: Path) -> list[str]:
    return [
        clip
        for scene in read_scenes(path)
        for clip in (scene.clip_id, *(silent.sound for silent in scene.distractors))
    ]


TEST_LISTS = {"scenes.json": _clips}


def open(name: str, annotations: Path, available: Available, root: Path | None) -> Benchmark:
    """'scenes' (the test split) or 'scenes-validation', see `open_benchmark`."""
    from pipeline.benchmarks.tasks.scenes import ScenesBenchmark

    path = annotations / "scenes.json"
    listed = [scene for scene in read_scenes(path) if scene.split == SPLITS[name]]
    if not listed:
        raise InputError(f"{path}: no scene of the split {SPLITS[name]!r}, expected some")
    pairs = [Sample(scene.clip_id, scene.clip_id, scene.clip_id) for scene in listed]
    rows = available_rows(pairs, available)
    scenes = [listed[row] for row in rows]
    swaps = [
        (number, item)
        for number, scene in enumerate(scenes)
        for item, silent in enumerate(scene.distractors)
        if is_available(silent.sound, available)
    ]
    samples = [pairs[row] for row in rows]
    for number, item in swaps:
        clip, sound = scenes[number].clip_id, scenes[number].distractors[item].sound
        samples.append(Sample(pair_id(clip, sound), clip, sound))
    return ScenesBenchmark(scenes, swaps, samples, len(listed))
