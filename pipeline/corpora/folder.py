"""A folder of anyone's videos, for training and for looking.

    videos/
      beach.mp4
      trip/harbour.MOV
      trip/dogs/barking.mkv

A clip's id is its relative path, `trip~dogs~barking`, so that files of the same name in different
folders stay apart; a file that carries a VGGSound name keeps VGGSound's spelling. Only video
containers count: a WAV beside a video is not a clip. The price is that the id changes when a file
is moved.
"""

from pathlib import Path

from pipeline.corpora.names import VIDEO_SUFFIXES, clip_id_of_path
from pipeline.corpora.source import Source, collect_sources, walk_files

EXPECTS = "videos (.mp4, .mkv, .mov, .webm, .avi, ...) in any folders"
ORIGIN = "put any videos there"


def find(root: Path) -> list[Source]:
    """The videos under `root`; raises as `walk_files` and `collect_sources` do."""
    videos = (path for path in walk_files(root) if path.suffix.lower() in VIDEO_SUFFIXES)
    return collect_sources(
        videos, lambda path: clip_id_of_path(path.relative_to(root).parts), videos=True
    )
