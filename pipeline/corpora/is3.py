"""IS3 on disk: synthetic pictures of two sounding objects, one entry per object that sounds.

    is3/
      visual_frames/accordion_female_10438_accordion.jpg
      audio_wav/accordion_female_10438_accordion.wav
      synthetic3240_bbox.json       the boxes, read by the benchmark

A clip's id is the stem that its picture and its sound share. The picture of an image's second
object lies there a second time under its own name and is decoded twice: 3,240 pictures more,
against a table of pairs that nothing else would need.
"""

from pathlib import Path

from pipeline.corpora.names import plain_clip_id
from pipeline.corpora.source import Source, collect_sources, walk_files

EXPECTS = "visual_frames/<name>.jpg and audio_wav/<name>.wav"
ORIGIN = "https://github.com/kaistmm/SSLalignment says how to get them"

_FOLDERS = frozenset({"visual_frames", "audio_wav"})


def find(root: Path) -> list[Source]:
    """The pairs under `root`'s `visual_frames` and `audio_wav`; raises as `walk_files` and
    `collect_sources` do."""
    files = (p for p in walk_files(root) if _FOLDERS.intersection(p.relative_to(root).parts))
    return collect_sources(files, lambda path: plain_clip_id(path.name), videos=False)
