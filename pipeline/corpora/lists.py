"""Clip lists in all forms of the field, read to canonical clip ids.

One reader for `.txt` and `.csv`: the clip is the first column, whatever follows it; extensions,
KAIST's milliseconds, a byte-order mark, Windows line ends and a header all go. A clip that is
listed twice is an error, since it would train or score twice: none of the field's lists has one.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.corpora.files import read_text
from pipeline.corpora.names import clip_id_of, is_listed_without_dash, parse_frame_name
from pipeline.errors import InputError
from pipeline.execution.progress import console

# The published name of a list and the one that was used for it here before: the file that the
# paper scored by has 4,655 lines, but no line end after the last one.
FORMER_NAMES = {"vggss_available_4655.txt": "vggss_available_4654.txt"}
_HEADS = frozenset({"clip", "clip_id", "file", "filename", "id", "name", "video", "video_id"})


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The line number and the stripped cells of every row that is not blank."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from error


def _rows_without_head(path: Path) -> Iterator[tuple[int, list[str]]]:
    for number, (line, cells) in enumerate(_rows(path)):
        if number or cells[0].lower() not in _HEADS:
            yield line, cells


def _cell(path: Path, line: int, cells: list[str], column: int, meaning: str) -> str:
    if len(cells) <= column or not cells[column]:
        raise InputError(
            f"{path}, line {line}: expected the {meaning} in column {column + 1}, "
            f"found {','.join(cells)[:80]!r}"
        )
    return cells[column]


def _clip(path: Path, line: int, name: str) -> str:
    try:
        return clip_id_of(name)
    except InputError as error:
        raise InputError(f"{path}, line {line}: {error}") from error


def _once(path: Path, line: int, what: str, seen: dict[str, int]) -> None:
    first = seen.setdefault(what, line)
    if first != line:
        raise InputError(f"{path}, line {line}: {what} is on line {first} already; expected once")


def read_clip_list(path: Path) -> list[str]:
    """The clip ids of a list, in its order.

    Raises `InputError` with the line's number for a name that cannot be a clip's, a clip listed
    twice and text that is not UTF-8, and for a list without any clip.
    """
    seen: dict[str, int] = {}
    for line, cells in _rows_without_head(path):
        _once(path, line, _clip(path, line, cells[0]), seen)
    if not seen:
        raise InputError(f"{path}: lists no clip; expected one name per line")
    return list(seen)


def read_listed(path: Path) -> list[str]:
    """The different clips of any official list, those of pairs too, in its order.

    Ids that have lost their leading dash are warned of in one line on the terminal, and stay.
    Raises as `read_clip_list` and `read_pairs` do.
    """
    if path.name.endswith("_plus_silent.csv"):
        clips = list(dict.fromkeys(clip for row in read_pairs(path) for clip in row[:2]))
    else:
        clips = read_clip_list(path)
    if lost := describe_lost_dashes(clips):
        console.print(f"{path}: {lost}", markup=False, soft_wrap=True)
    return clips


def describe_lost_dashes(clips: Sequence[str]) -> str | None:
    """One line that counts the ids of a list that have lost their leading dash, with the first of
    them; None where there are none. A corpus of one's own may have such names."""
    lost = [clip for clip in clips if is_listed_without_dash(clip)]
    if not lost:
        return None
    return (
        f"{len(lost):,} of {len(clips):,} clips look like VGGSound's with an id of 10 characters, "
        f"which has lost its leading '-'; the first is {lost[0]!r}, expected '-{lost[0]}'"
    )


def read_labelled(path: Path) -> dict[str, str]:
    """The class of each clip of a list `clip,class`, in its order; raises as `read_clip_list`."""
    seen: dict[str, int] = {}
    labels: dict[str, str] = {}
    for line, cells in _rows_without_head(path):
        clip_id = _clip(path, line, cells[0])
        _once(path, line, clip_id, seen)
        labels[clip_id] = _cell(path, line, cells, 1, "class")
    if not labels:
        raise InputError(f"{path}: lists no clip; expected rows clip,class")
    return labels


def read_pairs(path: Path) -> list[tuple[str, str, str]]:
    """The rows (frame's clip, sound's clip, label) of a `*_plus_silent.csv`, in its order.

    The extended sets of SLAVC: columns `video`, `audio` and `label` by their header. Raises
    `InputError` for a missing column, a pair listed twice and as `read_clip_list` does.
    """
    rows = _rows(path)
    _, head = next(rows, (0, []))
    columns = []
    for wanted in ("video", "audio", "label"):
        if wanted not in head:
            raise InputError(
                f"{path}: found the columns {','.join(head)[:80]!r}, expected video,audio,label"
            )
        columns.append(head.index(wanted))
    seen: dict[str, int] = {}
    pairs = []
    for line, cells in rows:
        video, audio, label = (_cell(path, line, cells, column, head[column]) for column in columns)
        pair = (_clip(path, line, video), _clip(path, line, audio), label)
        _once(path, line, " with ".join(pair[:2]), seen)
        pairs.append(pair)
    return pairs


def read_avsbench_list(path: Path) -> list[tuple[str, int, str]]:
    """The rows (video, frame number, categories) of an AVSBench list `<video>_<n>,<categories>`.

    Several categories stay one text as listed (`baby, man`). The clip ids follow by
    `names.avsbench_frame_id` and `names.avsbench_sound_id`. Raises `InputError` for a name of
    another form, a frame listed twice and as `read_clip_list` does.
    """
    seen: dict[str, int] = {}
    frames = []
    for line, cells in _rows_without_head(path):
        _once(path, line, _clip(path, line, cells[0]), seen)
        frame = parse_frame_name(cells[0])
        if frame is None:
            raise InputError(
                f"{path}, line {line}: frame name {cells[0][:80]!r}: expected <video>_<number>"
            )
        frames.append((*frame, _cell(path, line, cells, 1, "category")))
    if not frames:
        raise InputError(f"{path}: lists no frame; expected rows <video>_<number>,<category>")
    return frames


def under_either_name(path: Path) -> Path:
    """`path`, or where it is absent the same file under its former name, if that is there."""
    former = path.with_name(FORMER_NAMES.get(path.name, path.name))
    return former if former.exists() and not path.exists() else path


def listed_files(annotations: Path, pattern: str) -> list[Path]:
    """The files of `annotations` that `pattern` fits, sorted, and those that are promised there by
    a `.dvc` file, present or not; of a file under both its names only the present one."""
    promised = {path.with_suffix("") for path in annotations.glob(f"{pattern}.dvc")}
    found = {under_either_name(path) for path in promised.union(annotations.glob(pattern))}
    return sorted(found)


def find_list(annotations: Path, pattern: str) -> Path:
    """The one file of `annotations` that `pattern` fits; `InputError` for none or several. One that
    is promised by a `.dvc` file alone is left to its reader, which says how to bring it."""
    if "*" not in pattern:
        return annotations / pattern  # its reader says what to do where it is missing
    found = listed_files(annotations, pattern)
    there = [path for path in found if path.exists()] or found
    if len(there) != 1:
        names = ", ".join(path.name for path in there) or "none"
        raise InputError(f"{annotations}: found {names}, expected one list {pattern}")
    return there[0]


@dataclass(frozen=True)
class SeenAndHeard:
    """What VGGSounder says of a clip: `labels` gives the modality of each of its classes, 'A' for
    heard, 'V' for seen, 'AV' for both; the rest is true of the whole clip."""

    labels: Mapping[str, str]
    background_music: bool
    static_image: bool
    voice_over: bool


_FLAGS = ("background_music", "static_image", "voice_over")


def read_vggsounder(path: Path) -> dict[str, SeenAndHeard]:
    """VGGSounder's `vggsounder+background-music.csv` (Zverev et al., 2025) by clip id.

    A row is a clip and one of its classes, `label`, with its `modality` (A, V, AV) and three facts
    of the clip, True or False. Raises `InputError` for a missing column, another value, a class
    given twice and rows of one clip that differ in a fact of the clip, with the line's number.
    """
    rows = _rows(path)
    _, head = next(rows, (0, []))
    names = ("video_id", "label", "modality", *_FLAGS)
    missing = [name for name in names if name not in head]
    if missing:
        raise InputError(
            f"{path}: found the columns {','.join(head)[:80]!r}, expected {','.join(names)}"
        )
    places = {name: head.index(name) for name in names}
    labels: dict[str, dict[str, str]] = {}
    facts: dict[str, tuple[bool, ...]] = {}
    for line, cells in rows:
        row = {name: _cell(path, line, cells, place, name) for name, place in places.items()}
        clip_id = _clip(path, line, row["video_id"])
        if row["modality"] not in ("A", "V", "AV"):
            found = repr(row["modality"][:40])
            raise InputError(f"{path}, line {line}: found the modality {found}, expected A, V, AV")
        for name in _FLAGS:
            if row[name] not in ("True", "False"):
                found = repr(row[name][:40])
                raise InputError(
                    f"{path}, line {line}: {name}: found {found}, expected True, False"
                )
        own = tuple(row[name] == "True" for name in _FLAGS)
        if facts.setdefault(clip_id, own) != own:
            raise InputError(
                f"{path}, line {line}: {clip_id}: found {', '.join(_FLAGS)} {own}, expected "
                f"{facts[clip_id]} as in its rows before"
            )
        if row["label"] in labels.setdefault(clip_id, {}):
            raise InputError(
                f"{path}, line {line}: {clip_id}: found {row['label'][:40]!r} again, expected once"
            )
        labels[clip_id][row["label"]] = row["modality"]
    if not labels:
        raise InputError(f"{path}: lists no clip; expected rows {','.join(names)}")
    return {clip_id: SeenAndHeard(own, *facts[clip_id]) for clip_id, own in labels.items()}
