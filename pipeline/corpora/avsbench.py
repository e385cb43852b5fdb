"""AVSBench on disk: five frames, one 5 s sound and a mask per frame, in the subsets S4 and MS3.

    avsbench/
      S4/visual_frames/test/helicopter/0d9u2CymIxc/0d9u2CymIxc_1.png
      S4/audio_wav/test/helicopter/0d9u2CymIxc.wav
      S4/gt_masks/test/helicopter/0d9u2CymIxc/0d9u2CymIxc_1.png
      MS3/visual_frames/0WxgIKuetYI_0/0WxgIKuetYI_0.mp4_1.png
      MS3/audio_wav/test/0WxgIKuetYI_0.wav
      MS3/gt_masks/test/0WxgIKuetYI_0/0WxgIKuetYI_0_1.png

The masks in `gt_masks/` are read from here; the lists of test frames and the boxes lie in the
folder of annotations.

The folders may also be called `s4_data` and `ms3_data` as in the original archives, and the split
and category folders may be left out. A frame is a clip without sound, `s4-<video>_<n>`, and a
sound a clip without picture, `s4-<video>`: the benchmark's samples name both, so no sound is stored
five times. The price is that these clips cannot train a localizer as they are.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.corpora.copies import Taken, take_one
from pipeline.corpora.names import (
    PICTURE_SUFFIXES,
    SOUND_SUFFIXES,
    avsbench_frame_id,
    avsbench_sound_id,
    parse_frame_name,
    without_media_suffix,
)
from pipeline.corpora.source import Source, collect_sources, walk_files
from pipeline.errors import InputError

EXPECTS = "S4/ and MS3/ with visual_frames/.../<video>_<n>.png and audio_wav/.../<video>.wav"
ORIGIN = "https://github.com/OpenNLPLab/AVSBench says how to get them"

SUBSETS = {"s4": "s4", "s4_data": "s4", "ms3": "ms3", "ms3_data": "ms3"}


def _files(root: Path, folder: str) -> Iterator[tuple[str, Path]]:
    """The subset and path of every file below a folder of the given name."""
    for path in walk_files(root):
        folders = path.relative_to(root).parts[:-1]
        if folder in folders:
            named = (root.resolve().name, *folders)
            subset = next(
                (SUBSETS[part.lower()] for part in named if part.lower() in SUBSETS), None
            )
            if subset is None:
                raise InputError(f"{path}: expected a folder S4 or MS3 above it, found neither")
            yield subset, path


def _frames(root: Path, folder: str) -> Iterator[tuple[str, Path]]:
    """The clip id and path of every picture `<video>_<n>` below a folder of the given name."""
    for subset, path in _files(root, folder):
        if path.suffix.lower() not in PICTURE_SUFFIXES:
            continue
        frame = parse_frame_name(path.name)
        if frame is None:
            raise InputError(f"{path}: expected a frame's name <video>_<number>")
        yield avsbench_frame_id(subset, *frame), path


def find(root: Path) -> list[Source]:
    """The frames, with their masks, and the sounds of S4 and MS3 under `root`; raises as
    `walk_files` does, for a frame that is not called `<video>_<n>`, and for one that is below no
    folder of a subset."""
    names = {path: clip_id for clip_id, path in _frames(root, "visual_frames")}
    for subset, path in _files(root, "audio_wav"):
        if path.suffix.lower() in SOUND_SUFFIXES:
            names[path] = avsbench_sound_id(subset, without_media_suffix(path.name))
    masks = _masks(root)
    sources = []
    for source in collect_sources(names, names.get, videos=False):
        if mask := masks.get(source.clip_id):
            choices = (*source.choices, *([mask] if mask.is_choice else []))
            source = replace(source, mask=mask.path, choices=choices)
        sources.append(source)
    return sources


def find_avsbench_masks(root: Path) -> dict[str, Path]:
    """The mask of every frame under `root`'s `gt_masks` folders, by the frame's clip id; of several
    for one frame the one that `take_one` takes. Raises as `find` does."""
    return {clip_id: mask.path for clip_id, mask in _masks(root).items()}


def _masks(root: Path) -> dict[str, Taken]:
    masks: dict[str, list[Path]] = {}
    for clip_id, path in _frames(root, "gt_masks"):
        masks.setdefault(clip_id, []).append(path)
    return {clip_id: take_one(paths) for clip_id, paths in masks.items()}
