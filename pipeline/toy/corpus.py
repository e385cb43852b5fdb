"""The toy corpus as a folder: what is to be made, by how many processes, and in which order.

The whole corpus is planned first from one seed and then made sample by sample, each from its own
seed, so its bytes do not depend on the number of workers. Finished parts wait in a work folder
under a fingerprint of what makes them, and the corpus is renamed when it is complete: a killed run
leaves no half corpus and its parts are taken up, at the price of the disk space of two while one is
replaced by the next.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import av
import numpy as np
import PIL
import scipy

from pipeline.base.code import fingerprint, hash_of_code
from pipeline.base.pieces import is_whole, remove_pieces
from pipeline.errors import InputError
from pipeline.execution.progress import console, track
from pipeline.execution.run import Engine, run
from pipeline.toy import annotations
from pipeline.toy.classes import CLASSES
from pipeline.toy.conditions import CONDITIONS, MOVING, plan_conditions, plan_moving
from pipeline.toy.parts import Part, join_parts, make_part, plan_text, read_part
from pipeline.toy.samples import SamplePlan, SampleTruth

SPLITS = ("train", "validation", "test", "labelled")
# Shares of clips with 0, 1 and 2 silent objects. The held-out splits are harder than training.
_SILENT_SHARES = {
    "train": (0.6, 0.3, 0.1),
    "validation": (0.4, 0.4, 0.2),
    "test": (0.4, 0.4, 0.2),
    "flickr": (0.4, 0.4, 0.2),
    "labelled": (1.0, 0.0, 0.0),
    "s4": (0.5, 0.5, 0.0),
}
_SILENT_CLIPS = 12  # clips without a sounding object, a third of them with noise for a sound
_FLICKR_PICTURES = 40
_S4_VIDEOS = 16
_MS3_VIDEOS = 8
_IS3_PICTURES = 60
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_SMALLEST = 32  # pixels; below this the smallest objects are specks
_PART = 96  # samples, two seconds of work, that a kill can cost each worker
# The libraries that make the bytes of a part.
_VERSIONS = (av.__version__, np.__version__, PIL.__version__, scipy.__version__)


def make_toy_corpus(
    folder: Path,
    *,
    work: Path,
    seed: int,
    clips: Mapping[str, int],
    width: int,
    height: int,
    seconds: float,
    workers: int,
    conditions: int = 0,
    moving: int = 0,
) -> dict[str, int]:
    """Make the toy corpus at `folder` and return how many samples of each kind it holds.

    `clips` says how many clips the lists `train`, `validation`, `test` and `labelled` get, at
    least one per class each, `conditions` how many test clips each of `CONDITIONS` has and `moving`
    how many move; no other file depends on these two but the list of what is tested. Frames are
    `width` x `height` pixels (even numbers), clips last `seconds`, those that move their own time.
    Equal arguments give equal bytes whatever `workers` is. An older toy corpus at `folder` is
    replaced. `work` keeps finished parts while the run lasts. Raises `InputError` where a value is
    out of range or `folder` holds something else.
    """
    _check(folder, clips, width, height, seconds, workers)
    plans = plan_corpus(seed, clips, conditions, moving)
    everything = [plan for group in plans.values() for plan in group]
    settings = repr((width, height, seconds, _VERSIONS))
    code = hash_of_code("pipeline.toy.parts")
    groups = [everything[first : first + _PART] for first in range(0, len(everything), _PART)]
    names = [fingerprint([plan_text(group), settings, code]) for group in groups]
    parts = [
        Part(work / name, tuple(group), width, height, seconds)
        for name, group in zip(names, groups, strict=True)
    ]
    remove_pieces(work, but=names)
    left = [part for part in parts if not is_whole(part.folder)]
    if len(left) < len(parts):
        console.print(f"toy corpus: resuming after {len(parts) - len(left)} of {len(parts)} parts")
    samples = sum(len(part.plans) for part in left)
    for _ in track(run(left, make_part, Engine(workers=workers)), "toy corpus", samples):
        pass
    truths: dict[str, list[SampleTruth]] = {split: [] for split in plans}
    for part in parts:
        for truth in read_part(part):
            truths[truth.plan.split].append(truth)
    unfinished = folder.with_name(f".{folder.name}.partial")
    replaced = folder.with_name(f".{folder.name}.replaced")
    for begun in (unfinished, replaced):
        if begun.exists():
            shutil.rmtree(begun)
    join_parts(parts, unfinished)
    _write_annotations(unfinished, truths, seconds, seed)
    os.sync()  # once for thousands of files: a power cut must not leave a name without its bytes
    if folder.exists():
        folder.rename(replaced)  # at once, where removing could be killed midway
    unfinished.rename(folder)
    for done in (replaced, work):
        shutil.rmtree(done, ignore_errors=True)
    return {split: len(group) for split, group in truths.items()}


def _check(
    folder: Path, clips: Mapping[str, int], width: int, height: int, seconds: float, workers: int
) -> None:
    if set(clips) != set(SPLITS):
        raise InputError(f"toy clips: found the lists {sorted(clips)}, expected {sorted(SPLITS)}")
    for split, count in clips.items():
        if count < len(CLASSES):
            raise InputError(
                f"toy clips.{split}: found {count}, expected at least {len(CLASSES)}, one per class"
            )
    for name, pixels in (("width", width), ("height", height)):
        if pixels < _SMALLEST or pixels % 2:
            raise InputError(
                f"toy {name}: found {pixels}, expected an even number of at least {_SMALLEST}"
            )
    if not 1 <= seconds <= 60:
        raise InputError(f"toy seconds: found {seconds}, expected 1 to 60")
    if workers < 1:
        raise InputError(f"toy workers: found {workers}, expected at least 1")
    toy_before = (folder / "annotations" / "scenes.json").exists()
    if folder.exists() and not toy_before and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: holds something else, expected a toy corpus or nothing")


def _write_annotations(
    folder: Path, truths: Mapping[str, Sequence[SampleTruth]], seconds: float, seed: int
) -> None:
    annotations.write_lists(folder / "lists", truths)
    below = folder / "annotations"
    added = (*CONDITIONS, MOVING)
    as_real = {split: group for split, group in truths.items() if split not in added}
    annotations.write_vggss(below, as_real, seconds, seed)
    annotations.write_scenes(below / "scenes.json", truths, seed)
    annotations.write_flickr(below, truths["flickr"], seed)
    annotations.write_avsbench(below, "s4", truths["s4"])
    annotations.write_avsbench(below, "ms3", truths["ms3"])
    annotations.write_is3(below, truths["is3"])
    annotations.write_conditions(below / "conditions.json", truths)
    annotations.write_moving(below / "moving.json", truths[MOVING])


def plan_corpus(
    seed: int, clips: Mapping[str, int], conditions: int = 0, moving: int = 0
) -> dict[str, list[SamplePlan]]:
    """What the corpus of `seed` holds: plans per split, the lists of `clips` and the small sets,
    and `conditions` clips of each condition and `moving` ones.

    Classes take turns, numbers of silent objects keep their shares exactly, both in random order.
    """
    rng = np.random.default_rng([seed, 100])
    names = _draw_names(rng)
    plans = {
        split: _plan_clips(rng, names, seed, number, split, clips[split])
        for number, split in enumerate(SPLITS)
    }
    plans["silent"] = [
        SamplePlan(
            "clip",
            next(names) + f"_{rng.integers(600):06d}",
            "silent",
            (),
            tuple(map(int, rng.choice(len(CLASSES), 1 + index % 2, replace=False))),
            (seed, 4, index),
            sound="noise" if index % 3 == 2 else "silence",
        )
        for index in range(_SILENT_CLIPS)
    ]
    plans["flickr"] = []
    numbers = rng.choice(10**10, _FLICKR_PICTURES, replace=False) + 10**10
    for index, (sounding, silent) in enumerate(_draw_classes(rng, "flickr", _FLICKR_PICTURES)):
        name = str(numbers[index])
        plans["flickr"].append(
            SamplePlan("flickr", name, "flickr", (sounding,), silent, (seed, 5, index))
        )
    plans["s4"] = [
        SamplePlan("s4", next(names), "s4", (sounding,), silent, (seed, 6, index))
        for index, (sounding, silent) in enumerate(_draw_classes(rng, "s4", _S4_VIDEOS))
    ]
    plans["ms3"] = [
        SamplePlan(
            "ms3",
            f"{next(names)}_{rng.integers(5)}",
            "ms3",
            tuple(map(int, rng.choice(len(CLASSES), 2, replace=False))),
            (),
            (seed, 7, index),
            # As in the real set, a few frames show nothing that sounds.
            empty=(4,) if index == 0 else (),
        )
        for index in range(_MS3_VIDEOS)
    ]
    plans["is3"] = []
    for index in range(_IS3_PICTURES):
        pair = tuple(map(int, rng.choice(len(CLASSES), 2, replace=False)))
        name = "_".join([*(CLASSES[c].key for c in pair), str(index)])
        plans["is3"].append(SamplePlan("is3", name, "is3", pair, (), (seed, 8, index)))
    # Last, so that what is drawn above is the same whatever comes here.
    plans |= plan_conditions(names, seed, conditions)
    plans[MOVING] = plan_moving(names, seed, moving)
    return plans


def _plan_clips(
    rng: np.random.Generator, names: Iterator[str], seed: int, number: int, split: str, count: int
) -> list[SamplePlan]:
    return [
        SamplePlan(
            "clip",
            f"{next(names)}_{rng.integers(600):06d}",
            split,
            (sounding,),
            silent,
            (seed, number, index),
            masks=split in ("validation", "test"),
        )
        for index, (sounding, silent) in enumerate(_draw_classes(rng, split, count))
    ]


def _draw_classes(
    rng: np.random.Generator, split: str, count: int
) -> list[tuple[int, tuple[int, ...]]]:
    """The sounding class and the silent classes of each of `count` scenes."""
    sounding = rng.permutation(np.arange(count) % len(CLASSES))
    edges = np.rint(np.cumsum(_SILENT_SHARES[split]) * count)
    silent = rng.permutation(np.searchsorted(edges, np.arange(count), side="right"))
    drawn = []
    for own, more in zip(sounding, silent, strict=True):
        others = np.delete(np.arange(len(CLASSES)), own)
        drawn.append((int(own), tuple(map(int, rng.choice(others, more, replace=False)))))
    return drawn


def _draw_names(rng: np.random.Generator) -> Iterator[str]:
    """Unique 11-character ids; some begin with `-` and some hold `_`, as YouTube's do."""
    used: set[str] = set()
    while True:
        letters = [_ALPHABET[index] for index in rng.integers(len(_ALPHABET), size=11)]
        if len(used) % 10 == 3:
            letters[0] = "-"
        if len(used) % 10 == 7:
            letters[rng.integers(11)] = "_"
        name = "".join(letters)
        if name not in used:
            used.add(name)
            yield name
