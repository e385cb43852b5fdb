"""Making one sample of the toy world: its media files, and the truth about it as plain values.

Each sample draws from a generator seeded by its own seed words, so any subset can be made in any
order by any number of processes with the same bytes; the price is that nothing is shared between
samples, not even a backdrop.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from pipeline.media.writing import write_picture, write_video, write_wav
from pipeline.toy.classes import CLASSES
from pipeline.toy.scenes import Scene, draw_scene, mask_box, render, visible_masks
from pipeline.toy.sounds import SAMPLE_RATE, coloured_noise, laid_over, make_sound, normalised
from pipeline.toy.travel import draw_travelling_scene

_FRAMES_PER_SECOND = 5
AVSBENCH_FRAMES = 5  # one a second over a sound of five seconds
AVSBENCH_SECONDS = 5.0
# A moving clip: one frame for each moment that a moving map is made of, in two halves.
MOVING_FRAMES_PER_SECOND = 10
MOVING_SECONDS = 6.0


@dataclass(frozen=True)
class SamplePlan:
    """What is to be made. `kind` is 'clip', 'moving', 'flickr', 's4', 'ms3' or 'is3'.

    `sounding` and `silent` are class indices; `sound` is 'class', or for a clip without a sounding
    object 'silence' (digital zero) or 'noise'. `unseen` is a class that is heard and not in view,
    over the sounding object or alone. `masks` asks for a clip's masks as files. `empty` frames of
    an AVSBench video show the backdrop only. Of two `sounding` objects of a moving clip the first
    sounds in its first half and the second in its second.
    """

    kind: str
    sample_id: str
    split: str
    sounding: tuple[int, ...]
    silent: tuple[int, ...]
    seed: tuple[int, ...]
    sound: str = "class"
    masks: bool = False
    empty: tuple[int, ...] = ()
    unseen: int | None = None


@dataclass(frozen=True)
class ObjectTruth:
    """One object of a finished sample: its class, whether it sounds, the box of what shows of it
    as fractions of the frame, and the file of its mask where one was asked for."""

    class_index: int
    sounding: bool
    box: list[float]
    mask: str | None = None


@dataclass(frozen=True)
class SampleTruth:
    """The truth about a finished sample: its plan and its objects, sounding ones first."""

    plan: SamplePlan
    objects: list[ObjectTruth] = field(default_factory=list)


def middle_truth(plan: SamplePlan, scene: Scene, annotations: Path) -> SampleTruth:
    """The objects of the middle frame in the order of the plan; masks are written if asked for."""
    order = [*plan.sounding, *plan.silent]
    seen = {
        item.class_index: (item, mask)
        for item, mask in zip(scene.objects, visible_masks(scene, scene.middle), strict=True)
    }
    objects = []
    for number, class_index in enumerate(order):
        item, mask = seen[class_index]
        name = None
        if plan.masks:
            name = f"masks/{plan.sample_id}{f'.{number}' if number else ''}.png"
            write_picture(annotations / name, mask)
        objects.append(ObjectTruth(class_index, item.sounding, mask_box(mask), name))
    return SampleTruth(plan, objects)


def draw_sound(rng: np.random.Generator, plan: SamplePlan, seconds: float) -> np.ndarray:
    """The mixed sound of all sounding objects, or silence, or noise, as the plan says; with a class
    that is not in view laid over it."""
    samples = round(seconds * SAMPLE_RATE)
    if plan.sound == "silence":
        return np.zeros(samples, dtype=np.float32)
    if plan.sound == "noise":
        return normalised(rng, coloured_noise(rng, samples, rng.uniform(0, 2)))
    parts = [make_sound(rng, index, seconds=seconds) for index in plan.sounding]
    if plan.unseen is None:
        return np.mean(parts, axis=0)
    unseen = make_sound(rng, plan.unseen, seconds=seconds)
    return laid_over(rng, np.mean(parts, axis=0), unseen) if parts else unseen


def make_sample(
    plan: SamplePlan, folder: Path, width: int, height: int, seconds: float
) -> SampleTruth:
    """Make the files of one sample below `folder` and return the truth about it.

    `width` and `height` in pixels (even), `seconds` of sound (AVSBench's is five whatever it is).
    """
    makers = {"clip": _make_clip, "flickr": _make_flickr, "is3": _make_is3}
    rng = np.random.default_rng(plan.seed)
    if plan.kind == "moving":
        return _make_moving(rng, plan, folder, width, height)
    if plan.kind in makers:
        return makers[plan.kind](rng, plan, folder, width, height, seconds)
    return _make_avsbench(rng, plan, folder, width, height)


def _make_clip(
    rng: np.random.Generator,
    plan: SamplePlan,
    folder: Path,
    width: int,
    height: int,
    seconds: float,
) -> SampleTruth:
    # An odd number of frames has one in the middle that is on show at half the duration.
    frames = 2 * int(seconds * _FRAMES_PER_SECOND / 2) + 1
    rate = Fraction(frames) / Fraction(seconds).limit_denominator(1000)
    scene = draw_scene(
        rng,
        sounding=plan.sounding,
        silent=plan.silent,
        width=width,
        height=height,
        frames=frames,
    )
    write_video(
        folder / "vggsound" / f"{plan.sample_id}.mp4",
        (render(scene, frame) for frame in range(frames)),
        draw_sound(rng, plan, seconds),
        rate,
    )
    return middle_truth(plan, scene, folder / "annotations")


def _make_moving(
    rng: np.random.Generator, plan: SamplePlan, folder: Path, width: int, height: int
) -> SampleTruth:
    """A clip whose objects travel, and beside its annotations one picture of what each moment shows
    of them: the frames below each other, the value 1 + i where the plan's object i shows."""
    frames = round(MOVING_SECONDS * MOVING_FRAMES_PER_SECOND)
    scene = draw_travelling_scene(
        rng,
        sounding=plan.sounding,
        silent=plan.silent,
        width=width,
        height=height,
        frames=frames,
    )
    length = MOVING_SECONDS / len(plan.sounding)
    turns = [make_sound(rng, index, seconds=length) for index in plan.sounding]
    (folder / "moving").mkdir(exist_ok=True)
    write_video(
        folder / "moving" / f"{plan.sample_id}.mp4",
        (render(scene, frame) for frame in range(frames)),
        np.concatenate(turns),
        Fraction(MOVING_FRAMES_PER_SECOND),
    )
    order = [*plan.sounding, *plan.silent]
    values = np.array([1 + order.index(item.class_index) for item in scene.objects], np.uint8)
    shown = np.zeros((frames, height, width), np.uint8)
    for frame, picture in enumerate(shown):
        for value, mask in zip(values, visible_masks(scene, frame), strict=True):
            picture[mask] = value
    strip = shown.reshape(frames * height, width)
    write_picture(folder / "annotations" / moving_strip(plan), strip)
    return middle_truth(plan, scene, folder / "annotations")


def moving_strip(plan: SamplePlan) -> str:
    """The file of what a moving clip shows at its moments, below the annotations."""
    return f"moving/{plan.sample_id}.png"


def _make_flickr(
    rng: np.random.Generator,
    plan: SamplePlan,
    folder: Path,
    width: int,
    height: int,
    seconds: float,
) -> SampleTruth:
    scene = draw_scene(rng, sounding=plan.sounding, silent=plan.silent, width=width, height=height)
    write_picture(folder / "flickr" / "frames" / f"{plan.sample_id}.jpg", render(scene, 0))
    sound = draw_sound(rng, plan, seconds)
    write_wav(folder / "flickr" / "audio" / f"{plan.sample_id}.wav", sound)
    return middle_truth(plan, scene, folder / "annotations")


def _make_is3(
    rng: np.random.Generator,
    plan: SamplePlan,
    folder: Path,
    width: int,
    height: int,
    seconds: float,
) -> SampleTruth:
    """One picture of two objects, stored once per sounding object beside that object's sound."""
    scene = draw_scene(rng, sounding=plan.sounding, silent=(), width=width, height=height)
    picture = render(scene, 0)
    for index in plan.sounding:
        name = f"{plan.sample_id}_{CLASSES[index].key}"
        write_picture(folder / "is3" / "visual_frames" / f"{name}.jpg", picture)
        sound = make_sound(rng, index, seconds=seconds)
        write_wav(folder / "is3" / "audio_wav" / f"{name}.wav", sound)
    return middle_truth(plan, scene, folder / "annotations")


def avsbench_category(plan: SamplePlan) -> str:
    """A video's category as AVSBench spells it: words joined by `_` in S4, a list in MS3."""
    if plan.kind == "s4":
        return CLASSES[plan.sounding[0]].name.replace(",", "").replace(" ", "_")
    return ", ".join(CLASSES[index].key for index in plan.sounding)


def _make_avsbench(
    rng: np.random.Generator, plan: SamplePlan, folder: Path, width: int, height: int
) -> SampleTruth:
    """Five frames, five masks of all that sounds, one sound; S4 nests by category, MS3 does not."""
    scene = draw_scene(
        rng,
        sounding=plan.sounding,
        silent=plan.silent,
        width=width,
        height=height,
        frames=AVSBENCH_FRAMES,
        reach=8.0,
    )
    subset = folder / "avsbench" / plan.kind.upper()
    nested = Path("test") / avsbench_category(plan) if plan.kind == "s4" else Path()
    for frame in range(AVSBENCH_FRAMES):
        name = f"{plan.sample_id}_{frame + 1}.png"
        shown = Scene(scene.backdrop, (), scene.frames) if frame in plan.empty else scene
        sounding = np.array([item.sounding for item in shown.objects], dtype=bool)
        mask = visible_masks(shown, frame)[sounding].any(axis=0)
        write_picture(
            subset / "visual_frames" / nested / plan.sample_id / name, render(shown, frame)
        )
        write_picture(subset / "gt_masks" / nested / plan.sample_id / name, mask)
    sounds = subset / "audio_wav" / (nested if plan.kind == "s4" else "test")
    write_wav(sounds / f"{plan.sample_id}.wav", draw_sound(rng, plan, AVSBENCH_SECONDS))
    return middle_truth(plan, scene, folder / "annotations")
