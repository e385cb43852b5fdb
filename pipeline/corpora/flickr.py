"""SoundNet-Flickr on disk: one frame and one sound a clip, joined by their names.

    flickr/
      frames/10000130166.jpg        also nested, or all files in one folder
      audio/10000130166.wav
      Annotations/10000130166.xml   the test clips' boxes, read by the benchmark

A clip's id is the file's name without its extension, as the published lists spell it. Folders carry
no meaning, which costs nothing as long as no two clips share a number, as in the original.
"""

from pathlib import Path

from pipeline.corpora.names import plain_clip_id
from pipeline.corpora.source import Source, collect_sources, walk_files

EXPECTS = "frames/<id>.jpg and audio/<id>.wav"
ORIGIN = "https://github.com/ardasnck/learning_to_localize_sound_source says how to get them"


def find(root: Path) -> list[Source]:
    """The pairs under `root`; raises as `walk_files` and `collect_sources` do."""
    return collect_sources(walk_files(root), lambda path: plain_clip_id(path.name), videos=False)
