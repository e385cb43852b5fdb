"""VPO on disk: COCO's pictures paired with VGGSound's sounds by class, one set a corpus.

VPO-SS and VPO-MS (Chen et al., CVPR 2024) are a corpus each: 104 pairs are in both under one name,
16 of them with another box, and each set pairs them with a sound of its own.

As the set is published, a table beside COCO's pictures, with VGGSound's sounds put below the same
root:

    vpo-ss/
      VPO-SS/vpo_ss_data_stereo.csv           columns img_Id, ann_Ids and vgg_file, others unread
      VPO-SS/data/dog/000000062491.jpg        COCO's picture; VPO-MS has no folders by class
      VPO-SS/mask/dog/...png                  not read
      audios/3YOH4c9HXpo_290000_300000.wav    any of VGGSound's spellings, in any folder

As KAIST's box files (`vpo_ss_boxes.json`, `vpo_ms_boxes.json` in the folder of annotations) name
it, each pair written out:

    vpo-ss/
      COCO_AV/visual_frames/000000062491_432356.jpg
      COCO_AV/audio_wav/000000062491_432356.wav

A clip's id is `<COCO's image, 12 digits>_<COCO's annotation>` in both layouts, as in the box files.
A row of the table whose sound is not there is a clip without a sound. A row of VPO-MS is read with
its own sound alone; CAVP's loader adds up the sounds of all objects of a picture.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline.corpora.copies import take_one
from pipeline.corpora.files import read_text
from pipeline.corpora.names import (
    PICTURE_SUFFIXES,
    SOUND_SUFFIXES,
    canonical_clip_id,
    is_vggsound_name,
    without_media_suffix,
)
from pipeline.corpora.source import Source, collect_sources, report, report_unpaired, walk_files
from pipeline.errors import InputError

EXPECTS = (
    "visual_frames/<image>_<annotation>.jpg and audio_wav/<image>_<annotation>.wav, or vpo_*.csv, "
    "<image>.jpg and <VGGSound clip>.wav, in any folders"
)
ORIGIN = "https://github.com/cyh-0/CAVP says how to get them"

_PICTURE_FOLDERS = frozenset({"visual_frames", "images"})
_SOUND_FOLDERS = frozenset({"audio_wav", "audio_waw"})
_PAIR = re.compile(r"[0-9]{12}_[0-9]+")
_PICTURE = re.compile(r"[0-9]{12}")
_COLUMNS = ("img_Id", "ann_Ids", "vgg_file")


def find(root: Path) -> list[Source]:
    """The pairs under `root`, of one of the two layouts.

    Raises `InputError` as `walk_files` does, for more than one set below the root, a table without
    its columns, and a row that names no picture, annotation or VGGSound clip.
    """
    files = list(walk_files(root))
    tables = [path for path in files if re.fullmatch(r"vpo_.*\.csv", path.name, re.IGNORECASE)]
    pairs = [path for path in files if _is_of_a_pair(root, path)]
    sets = dict.fromkeys([*(table.parent for table in tables), *(p.parent.parent for p in pairs)])
    if len(sets) > 1:
        one, other, *_ = sets
        raise InputError(
            f"{root}: found two sets, {one} and {other}; expected one of VPO, each is a corpus "
            "of its own"
        )
    sources = (
        _tabled(root, files, tables)
        if tables
        else collect_sources(pairs, lambda path: without_media_suffix(path.name), videos=False)
    )
    report_unpaired(root, sources)
    return sources


def _is_of_a_pair(root: Path, path: Path) -> bool:
    folder, suffix = path.parent.name.lower(), path.suffix.lower()
    is_picture = suffix in PICTURE_SUFFIXES and folder in _PICTURE_FOLDERS
    is_sound = suffix in SOUND_SUFFIXES and folder in _SOUND_FOLDERS
    named = _PAIR.fullmatch(without_media_suffix(path.name)) is not None
    return named and path.parent != root and (is_picture or is_sound)


def _tabled(root: Path, files: list[Path], tables: list[Path]) -> list[Source]:
    """The rows of the tables, a clip each, with the picture and the sound that they name."""
    pictures: dict[str, list[Path]] = {}
    sounds: dict[str, list[Path]] = {}
    for path in files:
        stem, suffix = without_media_suffix(path.name), path.suffix.lower()
        # The masks are PNG, and VPO-MS calls them as their pictures.
        if suffix in (".jpg", ".jpeg") and _PICTURE.fullmatch(stem):
            pictures.setdefault(stem, []).append(path)
        elif suffix in SOUND_SUFFIXES and is_vggsound_name(path.name):
            sounds.setdefault(canonical_clip_id(path.name), []).append(path)
    rows: dict[str, str] = {}
    again = []
    for table in tables:
        for place, clip_id, sound in _rows(table):
            if rows.setdefault(clip_id, sound) != sound:
                again.append(place)
    if again:
        report(
            root,
            f"{len(again):,} rows give a pair another sound than an earlier row, which is taken; "
            f"the first is {again[0]}",
        )
    sources = []
    for clip_id, sound in sorted(rows.items()):
        # A picture lies in the folder of each of its classes, as the same file of COCO's.
        picture, heard = pictures.get(clip_id.partition("_")[0]), sounds.get(sound)
        kinds = {"picture": picture, "sound": heard}
        taken = {kind: take_one(paths) for kind, paths in kinds.items() if paths}
        if taken:
            of_kind = {kind: one.path for kind, one in taken.items()}
            choices = tuple(replace(one, copies=0) for one in taken.values() if one.others)
            picked = of_kind.get("picture"), of_kind.get("sound")
            sources.append(Source(clip_id, *picked, choices=choices))
    return sources


def _rows(table: Path) -> Iterator[tuple[str, str, str]]:
    """The place, the clip's id and VGGSound's id of its sound, of every row."""
    rows = csv.DictReader(io.StringIO(read_text(table), newline=""), strict=True)
    try:
        if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
            raise InputError(
                f"{table}: found the columns {','.join(rows.fieldnames or ())[:80]!r}, expected "
                f"also {', '.join(missing)}"
            )
        for row in rows:
            place = f"{table}, line {rows.line_num}"
            image, annotation = (_number(row[name], name, place) for name in _COLUMNS[:2])
            try:
                sound = canonical_clip_id((row["vgg_file"] or "").strip())
            except InputError as error:
                raise InputError(f"{place}: {error}") from error
            yield place, f"{image:012d}_{annotation}", sound
    except csv.Error as error:
        raise InputError(f"{table}, after line {rows.line_num}: {error}") from error


def _number(text: str | None, name: str, place: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", (text or "").strip()):
        raise InputError(f"{place}: {name} is {(text or '')[:40]!r}, expected a number")
    return int(text or "")
