"""IS3 on disk: synthetic pictures of two sounding objects, one entry per object that sounds.

As the archive of its authors unpacks (`audio_waw` is their spelling), or in the folders that their
box file names, `visual_frames/` and `audio_wav/`; any pair of these names is read:

    is3/
      images/accordion_female_10438_accordion.jpg
      images/accordion_female_10438_female.jpg
      audio_waw/accordion_female_10438_accordion.wav
      audio_waw/accordion_female_10438_female.wav
      gt_segmentation/...             not read
      IS3_annotation.json             not read

The boxes that the benchmark reads are `is3_boxes.json` in the folder of annotations, not here.

A clip's id is the stem that its picture and its sound share. The picture of an image's second
object lies there a second time under its own name and is decoded twice: 3,240 pictures more,
against a table of pairs that nothing else would need.
"""

from pathlib import Path

from pipeline.corpora.names import PICTURE_SUFFIXES, SOUND_SUFFIXES, plain_clip_id
from pipeline.corpora.source import Source, collect_sources, report_unpaired, walk_files

EXPECTS = "images/<name>.jpg (or visual_frames/) and audio_waw/<name>.wav (or audio_wav/)"
ORIGIN = "https://github.com/kaistmm/SSLalignment says how to get them"

_PICTURE_FOLDERS = frozenset({"images", "visual_frames"})
_SOUND_FOLDERS = frozenset({"audio_wav", "audio_waw"})


def find(root: Path) -> list[Source]:
    """The pairs below `root`'s folders of pictures and of sounds; raises as `walk_files` does, and
    for a name that is no clip id."""

    def clip_id(path: Path) -> str | None:
        folders = {part.lower() for part in path.relative_to(root).parts[:-1]}
        is_picture = path.suffix.lower() in PICTURE_SUFFIXES and folders & _PICTURE_FOLDERS
        is_sound = path.suffix.lower() in SOUND_SUFFIXES and folders & _SOUND_FOLDERS
        return plain_clip_id(path.name) if is_picture or is_sound else None

    sources = collect_sources(walk_files(root), clip_id, videos=False)
    report_unpaired(root, sources)
    return sources
