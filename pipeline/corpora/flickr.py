"""SoundNet-Flickr on disk: one frame and one sound a clip, joined by the clip's number.

As SoundNet and the authors of the 144k list have it, a folder of frames a clip; of its frames the
first is taken, as their loaders do:

    flickr/
      frames/10000130166.mp4/00000001.jpg       also below folders, 1/0/0/.../10000130166.mp4/
      frames/10000130166.mp4/00000002.jpg
      mp3/10000130166.mp3                       or  mp3/10000130166.mp4.mp3

As SSL-TIE has it, where one frame of each clip is kept:

    flickr/
      frames/10000130166/00000003.jpg
      mp3/10000130166.mp3

As EZ-VSL and SLAVC prepare it, or with all files in one folder:

    flickr/
      frames/10000130166.jpg
      audio/10000130166.wav

A clip's id is its number, as the published lists spell it: the folder's name for a frame in a
folder of its clip's, otherwise the file's own without its extension. Other folders carry no
meaning. The boxes of the test clips that the benchmark reads are `flickr/<id>.xml` in the folder of
annotations, not here.
"""

import re
from pathlib import Path

from pipeline.corpora.names import PICTURE_SUFFIXES, plain_clip_id, without_media_suffix
from pipeline.corpora.source import Source, collect_sources, report_unpaired, walk_files

EXPECTS = (
    "frames/<id>.jpg or frames/<id>.mp4/<frame>.jpg, and audio/<id>.wav (.mp3), in any folders"
)
ORIGIN = "https://github.com/ardasnck/learning_to_localize_sound_source says how to get them"

# The 288,000 listed clips have numbers of 10 or 11 digits, frames at most 8: a folder `10` that
# holds `10000130166.jpg` is none of a clip's.
_CLIP_FOLDER = re.compile(r"[0-9]{9,}")
_FRAME = re.compile(r"(?:frame|image|img)?[_-]?([0-9]{1,8})", re.IGNORECASE)


def _frame_number(path: Path) -> int | None:
    """The number of a frame in a folder of its clip's; None for any other file."""
    number = _FRAME.fullmatch(path.stem)
    is_frame = (
        path.suffix.lower() in PICTURE_SUFFIXES
        and number is not None
        and _CLIP_FOLDER.fullmatch(without_media_suffix(path.parent.name))
    )
    return int(number[1]) if is_frame and number else None


def find(root: Path) -> list[Source]:
    """The pairs under `root`; raises as `walk_files` does, and for a name that is no clip id."""
    first: dict[Path, tuple[int, Path]] = {}
    files = []
    for path in walk_files(root):
        number = _frame_number(path)
        if number is None:
            files.append(path)
        else:
            first[path.parent] = min((number, path), first.get(path.parent, (number, path)))
    folders = {path: folder.name for folder, (_, path) in first.items()}
    sources = collect_sources(
        [*files, *folders], lambda path: plain_clip_id(folders.get(path, path.name)), videos=False
    )
    report_unpaired(root, sources)
    return sources
