"""One spelling for every clip's name, in lists, folders and annotation files.

Lists spell one VGGSound clip in three ways, downloads in two more; here they all become
`<11-char id>_<6-digit start second>`, so that two lists can be compared as sets of strings. A name
that only looks like VGGSound's is respelled too, which is harmless as long as lists and folders go
through the same function.
"""

import re
from urllib.parse import quote

from pipeline.errors import InputError

# One ASCII alphabet for YouTube ids: they may hold `_` and `-` and begin with `-`.
_VGGSOUND = re.compile(r"([A-Za-z0-9_-]{11})_([0-9]{6})")
# As downloads are called. Shorter numbers are no spelling of a list: AVSBench's frames look alike.
_VGGSOUND_SECONDS = re.compile(r"([A-Za-z0-9_-]{11})_([0-9]{1,6})(\.0{1,6})?")
_VGGSOUND_WITHOUT_DASH = re.compile(r"[A-Za-z0-9_-]{10}_([0-9]{1,6}(\.0{1,6})?|[0-9]+_[0-9]+)")
_VGGSOUND_MILLISECONDS = re.compile(r"([A-Za-z0-9_-]{11})_([0-9]{1,9})_([0-9]{1,10})")
_AVSBENCH_FRAME = re.compile(r"(?P<video>.+?)(\.mp4)?_(?P<number>[1-9][0-9]?)")

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
SOUND_SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".opus"})
VIDEO_SUFFIXES = frozenset(
    {".3g2", ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"}
    | {".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogv", ".rm", ".ts", ".vob", ".webm", ".wmv"}
)
_MEDIA_SUFFIXES = PICTURE_SUFFIXES | SOUND_SUFFIXES | VIDEO_SUFFIXES


def without_media_suffix(name: str) -> str:
    """`name` without the extensions of picture, sound and video files; other dots stay.

    All of them go (`<clip>.mp4.wav`), so that taking them off twice changes nothing.
    """
    stem, dot, suffix = name.rpartition(".")
    while stem and dot and f".{suffix.lower()}" in _MEDIA_SUFFIXES:
        name = stem
        stem, dot, suffix = name.rpartition(".")
    return name


def _vggsound(name: str) -> str | None:
    stem = without_media_suffix(name)
    if seconds := _VGGSOUND.fullmatch(stem):
        return f"{seconds[1]}_{seconds[2]}"
    if milliseconds := _VGGSOUND_MILLISECONDS.fullmatch(stem):
        start, end = int(milliseconds[2]), int(milliseconds[3])
        # AVSBench's `<video>_<cut>_<frame>` looks alike, but spans no time.
        if start % 1000 == 0 and end - start >= 100:
            return f"{milliseconds[1]}_{start // 1000:06d}"
    return None


def _vggsound_file(name: str) -> str | None:
    if seconds := _VGGSOUND_SECONDS.fullmatch(without_media_suffix(name)):
        return f"{seconds[1]}_{int(seconds[2]):06d}"
    return _vggsound(name)


def canonical_clip_id(name: str) -> str:
    """VGGSound's clip id in the one spelling used inside: `<11-char id>_<6-digit start second>`.

    Accepts that spelling, `<11-char id>_<start ms>_<end ms>` (starting at a whole second) and, as
    downloads are called, `<11-char id>_<start second>` without leading zeros (`_32`) or with
    decimals (`_40.000`), each with or without a media file's extension. Raises `InputError` for
    anything else; an id that has lost its leading dash is named as such.
    """
    clip_id = _vggsound_file(name)
    if clip_id is None and has_lost_its_dash(name):
        raise InputError(
            f"clip name {name[:80]!r}: found an id of 10 characters, which has lost its leading "
            f"'-'; expected {f'-{name}'[:80]!r}"
        )
    if clip_id is None:
        raise InputError(
            f"clip name {name[:80]!r}: expected VGGSound's <11-character id>_<6-digit start second>"
            " or <11-character id>_<start ms>_<end ms>"
        )
    return clip_id


def has_lost_its_dash(name: str) -> bool:
    """Whether `name` is a spelling of VGGSound's with an id of 10 characters.

    YouTube's have 11, and a tool that takes a leading `-` for an option's cuts it off.
    """
    return _VGGSOUND_WITHOUT_DASH.fullmatch(without_media_suffix(name)) is not None


def is_listed_without_dash(name: str) -> bool:
    """Whether `name` would be one of the lists' three spellings of VGGSound with a `-` before it:
    an id of 10 characters that a list holds is no clip's, and nothing else says so."""
    return _vggsound(name) is None and _vggsound(f"-{name}") is not None


def plain_clip_id(name: str) -> str:
    """The clip id of a corpus with its own names: `name` without a media file's extension.

    Raises `InputError` for a name that could not be a file's own name on every system (empty,
    longer than 255, a path, `..`, a leading dot, outer blanks, unprintable characters).
    """
    clip_id = without_media_suffix(name)
    if (
        not clip_id
        or len(clip_id) > 255
        or not clip_id.isprintable()
        or clip_id != clip_id.strip()
        or clip_id.startswith(".")
        or ".." in clip_id
        or "/" in clip_id
        or "\\" in clip_id
    ):
        raise InputError(
            f"clip name {name[:80]!r}: expected printable characters without '/', '\\' and '..'"
        )
    return clip_id


def clip_id_of(name: str) -> str:
    """The clip id of a name from any corpus: VGGSound's canonical spelling where `name` is one of
    its lists' three spellings, `plain_clip_id` otherwise."""
    return _vggsound(name) or plain_clip_id(name)


def is_vggsound_name(name: str) -> bool:
    """Whether `canonical_clip_id` accepts `name`."""
    return _vggsound_file(name) is not None


def clip_id_of_path(parts: tuple[str, ...]) -> str:
    """The clip id of a file in anyone's folder, from the parts of its relative path.

    `beach.mp4` gives `beach`, `trip/beach.mp4` gives `trip~beach`; what a clip id cannot hold is
    percent-encoded, so every file name gives a valid id. Raises nothing.
    """
    text = without_media_suffix("~".join(parts))
    if (clip_id := _vggsound(text)) is not None:
        return clip_id
    safe = "".join(
        c if c.isprintable() and c not in '%\\,"' else quote(c, safe="", errors="surrogateescape")
        for c in text
    )
    safe = safe.replace("..", "%2E%2E")
    if safe.startswith("."):
        safe = "%2E" + safe[1:]
    return re.sub(r"^\s|\s$", lambda blank: quote(blank[0]), safe)


def avsbench_frame_id(subset: str, video: str, number: int) -> str:
    """The clip id of AVSBench's frame `number` (1 to 5) of `video`; `subset` is `s4` or `ms3`.

    The subset stands before the name because one video can be in both.
    """
    return plain_clip_id(f"{subset}-{video}_{number}")


def avsbench_sound_id(subset: str, video: str) -> str:
    """The clip id of the one sound that the five frames of an AVSBench `video` share."""
    return plain_clip_id(f"{subset}-{video}")


def parse_frame_name(name: str) -> tuple[str, int] | None:
    """The video and the frame number of AVSBench's `<video>_<n>` or `<video>.mp4_<n>`, with or
    without an extension; None for another name."""
    match = _AVSBENCH_FRAME.fullmatch(without_media_suffix(name))
    return None if match is None else (match["video"], int(match["number"]))
