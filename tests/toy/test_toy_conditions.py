"""Test clips under conditions and clips that move: what is heard and where it shows is exact, and
no other clip is another one for their sake."""

import dataclasses
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.corpora.ground_truth import read_conditions, read_moments, read_moving
from pipeline.toy.annotations import write_conditions, write_moving
from pipeline.toy.classes import CLASSES
from pipeline.toy.conditions import CONDITIONS, MOVING
from pipeline.toy.corpus import plan_corpus
from pipeline.toy.samples import SamplePlan, SampleTruth, draw_sound, make_sample
from pipeline.toy.scenes import visible_masks
from pipeline.toy.sounds import laid_over
from pipeline.toy.travel import draw_travelling_scene

SIZES = {"train": 30, "validation": 12, "test": 24, "labelled": 12}
COUNT = 4


@pytest.fixture(scope="module")
def plans() -> dict[str, list[SamplePlan]]:
    return plan_corpus(1, SIZES, COUNT, COUNT)


@pytest.fixture(scope="module")
def made(
    plans: dict[str, list[SamplePlan]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, list[SampleTruth]]]:
    """The clips of the conditions and those that move, and the truth about them."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "vggsound").mkdir()
    truths = {
        split: [make_sample(plan, folder, 64, 48, 1.0) for plan in plans[split]]
        for split in (*CONDITIONS, MOVING)
    }
    write_conditions(folder / "annotations" / "conditions.json", truths)
    write_moving(folder / "annotations" / "moving.json", truths[MOVING])
    return folder, truths


def test_all_other_plans_are_what_they_are_without(plans: dict[str, list[SamplePlan]]) -> None:
    alone = plan_corpus(1, SIZES)
    added = (*CONDITIONS, MOVING)
    assert all(not alone[split] and len(plans[split]) == COUNT for split in added)
    assert {s: p for s, p in plans.items() if s not in added} == {
        s: p for s, p in alone.items() if s not in added
    }
    names = [plan.sample_id for group in plans.values() for plan in group]
    assert len(names) == len(set(names))


def test_what_each_condition_shows_and_sounds_like(
    made: tuple[Path, dict[str, list[SampleTruth]]],
) -> None:
    folder, _ = made
    found = read_conditions(folder / "annotations" / "conditions.json")
    assert [clip.condition for clip in found] == [c for c in CONDITIONS for _ in range(COUNT)]
    for clip in found:
        seen = [item.label for item in clip.objects]
        assert len(seen) == len(set(seen)) and clip.unseen not in seen
        assert len(clip.sounding) == {"laid-over": 1, "several": 2, "absent": 0}[clip.condition]
        assert (clip.unseen is None) == (clip.condition == "several")
        assert all(item.mask.is_file() for item in clip.objects)
        assert (folder / "vggsound" / f"{clip.clip_id}.mp4").is_file()
    silent = [len(clip.objects) - len(clip.sounding) for clip in found]
    assert silent == [0, 1, 0, 1] * 2 + [1, 2, 1, 2]


def test_a_sound_is_laid_over_at_a_few_decibels() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(16000) / 16000
    own, other = (np.sin(2 * np.pi * f * time).astype(np.float32) for f in (440, 1000))
    for scale in (1.0, 0.01):
        mixed = laid_over(rng, own, np.float32(scale) * other)
        power = [float(mixed @ wave) ** 2 for wave in (own, other)]
        assert mixed.dtype == np.float32 and np.abs(mixed).max() <= 0.9 + 1e-6
        assert abs(10 * np.log10(power[1] / power[0])) <= 3.01


def test_an_absent_source_is_all_that_is_heard(plans: dict[str, list[SamplePlan]]) -> None:
    plan = plans["absent"][0]
    alone = dataclasses.replace(plan, silent=(), sounding=(plan.unseen,), unseen=None)
    sounds = [draw_sound(np.random.default_rng(3), each, 1.0) for each in (plan, alone)]
    np.testing.assert_array_equal(*sounds)


def test_moving_clips_show_at_every_moment_what_their_truth_says(
    made: tuple[Path, dict[str, list[SampleTruth]]],
) -> None:
    folder, truths = made
    scenes = read_moving(folder / "annotations" / "moving.json")
    assert [scene.turns for scene in scenes] == [((0.0, 0),), ((0.0, 0), (3.0, 1))] * 2
    for scene, truth in zip(scenes, truths[MOVING], strict=True):
        labels = [CLASSES[item.class_index].name for item in truth.objects]
        assert (scene.seconds, list(scene.labels)) == (6.0, labels)
        shown = read_moments(scene.masks, 60)
        assert shown.shape == (60, 48, 64) and set(np.unique(shown)) == {0, 1, 2}
        assert all({1, 2} <= set(np.unique(moment)) for moment in shown)
        assert (scene.sounding(2.95), scene.sounding(3.05)) == (0, len(scene.turns) - 1)
        with av.open(str(folder / "moving" / f"{scene.clip_id}.mp4")) as container:
            times = [float(frame.time) for frame in container.decode(video=0)]
        assert times == pytest.approx([n / 10 for n in range(60)])


def test_objects_travel_stay_whole_and_in_view() -> None:
    travelled = []
    for seed in range(8):
        scene = draw_travelling_scene(
            np.random.default_rng(seed), sounding=(0, 5), silent=(), width=96, height=72, frames=60
        )
        for item in scene.objects:
            places = item.offsets + np.array([item.top, item.left])
            room = np.array([72, 96]) - item.alpha.shape
            assert (places >= 0).all() and (places <= room).all()
            assert not item.offsets[scene.middle].any()
            travelled.append(np.linalg.norm(np.ptp(places, axis=0) / [72, 96]))
        for frame in range(60):
            whole = [(item.alpha >= 0.5).sum() for item in scene.objects]
            assert (visible_masks(scene, frame).sum(axis=(1, 2)) >= 0.35 * np.array(whole)).all()
    assert np.median(travelled) > 0.3  # of the frame; a still scene swings by 3 pixels
