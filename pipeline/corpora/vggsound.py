"""VGGSound on disk: downloaded videos, or the frames and sounds that other code bases prepare.

Videos, under any of the three spellings, flat or in folders by class or by first letters:

    vggsound/
      zpWuikVorYg_000032.mp4
      airplane/XR7vOriQ9VY_000194.mkv
      3Y/3YOH4c9HXpo_290000_300000.webm

Prepared, in one folder or in sibling folders:

    vggsound/
      frames/zpWuikVorYg_000032.jpg           or  frames/zpWuikVorYg_000032/image_050.jpg
      audio/zpWuikVorYg_000032.wav

Folder names carry no meaning except a clip's own, so any re-upload's layout is read; the price is
that a file of another name is left out, which is told on the terminal.
"""

import re
from pathlib import Path

from pipeline.corpora.names import (
    PICTURE_SUFFIXES,
    SOUND_SUFFIXES,
    VIDEO_SUFFIXES,
    canonical_clip_id,
    is_vggsound_name,
)
from pipeline.corpora.source import Source, collect_sources, walk_files
from pipeline.execution.progress import console

EXPECTS = (
    "videos <id>_<start>.mp4 (.mkv, .webm, .avi), or <clip>.jpg or <clip>/image_050.jpg with "
    "<clip>.wav, in any folders"
)
ORIGIN = "the list at https://github.com/hche11/VGGSound names the YouTube videos"

_NUMBERED_FRAME = re.compile(r"image_?[0-9]+", re.IGNORECASE)
_MIDDLE_FRAME = re.compile(r"image_?0*50", re.IGNORECASE)


def _middle_frame(frames: list[Path]) -> Path:
    """Frame 50 (10 frames a second, 10 s), or the middle one of a clip that is shorter."""
    for frame in frames:
        if _MIDDLE_FRAME.fullmatch(frame.stem):
            return frame
    return frames[len(frames) // 2]


def find(root: Path) -> list[Source]:
    """The clips under `root`, ids canonical; raises as `walk_files` and `collect_sources` do."""
    media: list[Path] = []
    numbered: dict[Path, list[Path]] = {}
    for path in walk_files(root):
        is_frame = path.suffix.lower() in PICTURE_SUFFIXES and _NUMBERED_FRAME.fullmatch(path.stem)
        if is_frame and is_vggsound_name(path.parent.name):
            numbered.setdefault(path.parent, []).append(path)
        elif path.suffix.lower() in PICTURE_SUFFIXES | SOUND_SUFFIXES | VIDEO_SUFFIXES:
            media.append(path)
    named = [path for path in media if is_vggsound_name(path.name)]
    if len(named) < len(media):
        odd = next(path for path in media if not is_vggsound_name(path.name))
        console.print(
            f"{root}: {len(media) - len(named)} media files without a VGGSound name are left out, "
            f"the first is {str(odd.relative_to(root))!r}",
            markup=False,
        )
    chosen = {_middle_frame(frames): folder.name for folder, frames in numbered.items()}
    return collect_sources(
        [*named, *chosen],
        lambda path: canonical_clip_id(chosen.get(path, path.name)),
        videos=True,
    )
