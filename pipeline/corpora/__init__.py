"""Where clips, lists and ground truth are: one reader per source layout, all giving `Source`s.

A reader knows names and folders and never opens a media file, so finding 200,000 clips takes the
time of listing them; what is inside is for `decode` to find out, one clip at a time. A new layout
is a file here and a line in `READERS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.corpora.avsbench import find_avsbench
from pipeline.corpora.flickr import find_flickr
from pipeline.corpora.folder import find_folder
from pipeline.corpora.is3 import find_is3
from pipeline.corpora.source import Source
from pipeline.corpora.vggsound import find_vggsound
from pipeline.errors import InputError

__all__ = ["READERS", "Reader", "Source", "find_sources"]


@dataclass(frozen=True)
class Reader:
    """A source layout: its reader, what it expects under the root, and where that comes from."""

    find: Callable[[Path], list[Source]]
    expects: str
    origin: str


READERS: dict[str, Reader] = {
    "vggsound": Reader(
        find_vggsound,
        "videos <id>_<start>.mp4 (.mkv, .webm, .avi), or <clip>.jpg or <clip>/image_050.jpg with "
        "<clip>.wav, in any folders",
        "the list at https://github.com/hche11/VGGSound names the YouTube videos",
    ),
    "flickr": Reader(
        find_flickr,
        "frames/<id>.jpg and audio/<id>.wav",
        "https://github.com/ardasnck/learning_to_localize_sound_source says how to get them",
    ),
    "avsbench": Reader(
        find_avsbench,
        "S4/ and MS3/ with visual_frames/.../<video>_<n>.png and audio_wav/.../<video>.wav",
        "https://github.com/OpenNLPLab/AVSBench says how to get them",
    ),
    "is3": Reader(
        find_is3,
        "visual_frames/<name>.jpg and audio_wav/<name>.wav",
        "https://github.com/kaistmm/SSLalignment says how to get them",
    ),
    "folder": Reader(
        find_folder,
        "videos (.mp4, .mkv, .mov, .webm, .avi, ...) in any folders",
        "put any videos there",
    ),
}


def find_sources(reader: str, root: Path) -> list[Source]:
    """The clips of a corpus, sorted by their unique ids.

    `reader` is a key of `READERS`, `root` the corpus' folder (it may itself be a link). Raises
    `InputError` for an unknown reader, a missing or empty root (with what is expected there and
    where it comes from), two files for one clip, and a link that leaves the root.
    """
    if reader not in READERS:
        raise InputError(f"corpus reader {reader!r}: expected one of {', '.join(READERS)}")
    layout = READERS[reader]
    wanted = f"the {reader} reader expects {layout.expects}; {layout.origin}"
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; {wanted}")
    sources = layout.find(root)
    if not sources:
        raise InputError(f"{root}: holds no clip; {wanted}")
    return sources
