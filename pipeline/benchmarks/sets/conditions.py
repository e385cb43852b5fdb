"""The toy's scenes under the conditions that people are tested under, from the exact truth in
`scenes.json` and `conditions.json`.

Congruent and conflicting pairs are the test scenes and their swaps (`scenes.py`); the other
conditions have clips of their own."""

from pathlib import Path

from pipeline.benchmarks.contract import (
    Available,
    Benchmark,
    Sample,
    available_rows,
    pair_id,
)
from pipeline.corpora.ground_truth import read_conditions, read_scenes
from pipeline.errors import InputError

NAMES = ("conditions",)


def _clips(path: Path) -> list[str]:
    return [clip.clip_id for clip in read_conditions(path)]


TEST_LISTS = {"conditions.json": _clips}


def open(name: str, annotations: Path, available: Available, root: Path | None) -> Benchmark:
    """'conditions', see `open_benchmark`."""
    from pipeline.benchmarks.tasks.conditions import CONDITIONS, Asked, ConditionsBenchmark

    path = annotations / "conditions.json"
    asked: list[Asked] = []
    for scene in read_scenes(annotations / "scenes.json"):
        if scene.split != "test":
            continue
        own = Sample(scene.clip_id, scene.clip_id, scene.clip_id)
        asked.append(Asked(own, "congruent", (scene,)))
        for silent in scene.distractors:
            pair = pair_id(scene.clip_id, silent.sound), scene.clip_id, silent.sound
            asked.append(Asked(Sample(*pair), "conflicting", (silent,)))
    for clip in read_conditions(path):
        if clip.condition not in CONDITIONS:
            known = ", ".join(CONDITIONS)
            raise InputError(
                f"{path}: {clip.clip_id}: found the condition {clip.condition[:40]!r}, expected "
                f"one of {known}"
            )
        own = Sample(clip.clip_id, clip.clip_id, clip.clip_id)
        mute = tuple(item for item in clip.objects if not item.sounding)
        asked.append(Asked(own, clip.condition, clip.sounding, mute))
    asked.sort(key=lambda item: CONDITIONS.index(item.condition))
    present = available_rows([item.sample for item in asked], available)
    return ConditionsBenchmark([asked[row] for row in present], len(asked))
