"""VGGSound on disk: downloaded videos, or the frames and sounds that other code bases prepare.

Videos, under any of the five spellings of a clip (`names.canonical_clip_id`), flat or in folders by
class, by split or by first letters:

    vggsound/
      zpWuikVorYg_000032.mp4
      airplane/XR7vOriQ9VY_000194.mkv
      3Y/3YOH4c9HXpo_290000_300000.webm
      video/bJmXMYZ1rzM_10.mp4
      train/1F3_bvIT0ig_40.000.mp4

Prepared, in one folder or in sibling folders; of a folder of frames the one at 5 s is taken, which
is frame 50 of LVS' and KAIST's 10 frames a second (`image_050.jpg`) and frame 125 of SSL-TIE's and
VGG-SS' 25 (`125.jpg`), or else the middle one:

    vggsound/
      frames/zpWuikVorYg_000032.jpg       or  frames/zpWuikVorYg_000032/image_050.jpg
                                          or  frames/zpWuikVorYg_000032/125.jpg
      audio/zpWuikVorYg_000032.wav

Folder names carry no meaning except a clip's own, so any re-upload's layout is read once it is
unpacked. Media files of another name are left out; the terminal shows how many. The official lists
and VGG-SS' boxes lie in the folder of annotations, not here.
"""

import re
from pathlib import Path

from pipeline.corpora.names import (
    PICTURE_SUFFIXES,
    SOUND_SUFFIXES,
    VIDEO_SUFFIXES,
    canonical_clip_id,
    has_lost_its_dash,
    is_vggsound_name,
)
from pipeline.corpora.source import Source, collect_sources, report, report_unpaired, walk_files

EXPECTS = (
    "videos <id>_<start>.mp4 (.mkv, .webm, .avi), or <clip>.jpg or <clip>/image_050.jpg with "
    "<clip>.wav, in any folders"
)
ORIGIN = "the list at https://github.com/hche11/VGGSound names the YouTube videos"

_MEDIA_SUFFIXES = PICTURE_SUFFIXES | SOUND_SUFFIXES | VIDEO_SUFFIXES
_NUMBERED_FRAME = re.compile(r"(image_?)?([0-9]{1,8})", re.IGNORECASE)
# By whether `image` stands before the number: 10 and 25 frames a second.
_FRAME_AT_5_SECONDS = {True: 50, False: 125}


def _middle_frame(frames: list[Path]) -> Path:
    """The frame at 5 s, or the middle one of a clip that is shorter."""
    numbered = {}
    for frame in frames:
        match = _NUMBERED_FRAME.fullmatch(frame.stem)
        if match is not None:
            number = int(match[2])
            if number == _FRAME_AT_5_SECONDS[match[1] is not None]:
                return frame
            numbered[frame] = number
    in_order = sorted(numbered, key=lambda frame: (numbered[frame], frame.name))
    return in_order[len(in_order) // 2]


def find(root: Path) -> list[Source]:
    """The clips under `root`, ids canonical; raises as `walk_files` does."""
    media: list[Path] = []
    frames: dict[Path, list[Path]] = {}
    for path in walk_files(root):
        is_frame = path.suffix.lower() in PICTURE_SUFFIXES and _NUMBERED_FRAME.fullmatch(path.stem)
        if is_frame and is_vggsound_name(path.parent.name):
            frames.setdefault(path.parent, []).append(path)
        elif path.suffix.lower() in _MEDIA_SUFFIXES:
            media.append(path)
    named = [path for path in media if is_vggsound_name(path.name)]
    if len(named) < len(media):
        _report_left_out(root, [path for path in media if not is_vggsound_name(path.name)])
    chosen = {_middle_frame(paths): folder.name for folder, paths in frames.items()}
    sources = collect_sources(
        [*named, *chosen],
        lambda path: canonical_clip_id(chosen.get(path, path.name)),
        videos=True,
    )
    report_unpaired(root, sources)
    return sources


def _report_left_out(root: Path, left_out: list[Path]) -> None:
    first = str(left_out[0].relative_to(root))
    line = (
        f"{len(left_out)} media files without a VGGSound name are left out, the first is {first!r}"
    )
    without_dash = [path.name for path in left_out if has_lost_its_dash(path.name)]
    if without_dash:
        line += (
            f"; the ids of {len(without_dash)} have lost their leading '-': "
            f"{without_dash[0]!r} must be {f'-{without_dash[0]}'!r}"
        )
    report(root, line)
