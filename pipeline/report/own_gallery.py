"""A gallery of videos that nobody annotated: each clip's map under its own sound, and how sure.

Nothing here is a score, since nobody has said where it sounds; what can be said is by how much a
map rises above those of the same picture under silence and under noise. The surest stand first, so
that who looks sees both ends; of many clips so many are shown, evenly from the surest to the least
sure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.execution.progress import track
from pipeline.media.errors import MediaError
from pipeline.media.file import read_picture
from pipeline.report.clips import Clips, Picture, Player
from pipeline.report.figures import overlay
from pipeline.report.players import picture_uri
from pipeline.report.templating import render

WORDS = ("sure", "hardly sure", "not sure", "silent")
_SIDE = 320  # pixels of a picture


@dataclass(frozen=True)
class Card:
    """A clip of the gallery: its picture without and with its map, where that is largest in per
    cent of the picture and in words, its sound, and what else is known of it."""

    name: str
    path: str
    frame: Picture
    heat: Picture
    across: float
    down: float
    place: str
    player: Player
    numbers: str


@dataclass(frozen=True)
class Told:
    """What the page says of itself: title, sentences, and numbers by their names."""

    title: str
    sentences: Sequence[str]
    numbers: Mapping[str, str]


def counts_of(said: pa.Table) -> dict[str, int]:
    """How many clips of an index' table have a map of which sureness, and how many none."""
    words = said["sure"].to_pylist()
    counted = {word: words.count(word) for word in WORDS}
    return {**counted, "without a map": words.count(None)}


def choose_evenly(order: Sequence[int], count: int) -> list[int]:
    """At most `count` of the places in `order`, evenly spread, its ends among them."""
    if len(order) <= count:
        return list(order)
    picked = np.linspace(0, len(order) - 1, count).round().astype(int)
    return [order[place] for place in picked]


def gallery_page(
    told: Told,
    said: pa.Table,
    maps: np.ndarray,
    corpus: DecodedCorpus,
    media: Path,
    rejects: Sequence[Mapping[str, str]],
    count: int,
) -> str:
    """The page as HTML text without any outside reference: at most `count` clips of a corpus whose
    media lie below `media`, by an index' table `said` and its `maps` (clips, h, w), and the
    `rejects` (rows of rejects.parquet).

    Raises `InputError` where the index is of another corpus."""
    if said["clip_id"].to_pylist() != corpus.clip_ids:
        raise InputError(
            f"{corpus.folder}: holds {len(corpus)} clips, the index is of {len(said)} others; "
            "`avloc index` makes it anew"
        )
    columns = {name: said[name].to_pylist() for name in said.column_names}
    order = sorted(
        (row for row, sure in enumerate(columns["sure"]) if sure is not None),
        key=lambda row: (columns["sure"][row] == "silent", -_margin(columns, row), row),
    )
    chosen = choose_evenly(order, count)
    clips = Clips(corpus, media)
    groups: dict[str, list[Card]] = {word: [] for word in WORDS}
    for row in track(chosen, "gallery", len(chosen)):
        groups[columns["sure"][row]].append(_card(columns, row, maps[row], clips, media))
    mute = [clip for clip, sure in zip(corpus.clip_ids, columns["sure"], strict=True) if not sure]
    return render(
        "own_gallery",
        title=told.title,
        told=told,
        groups={word: cards for word, cards in groups.items() if cards},
        counts=counts_of(said),
        shown=len(chosen),
        mapped=len(order),
        mute=mute,
        rejects=rejects,
    )


def _margin(columns: Mapping[str, list], row: int) -> float:
    floor = max(columns["silence"][row], columns["noise"][row])
    return float(columns["peak"][row] - floor)


def _card(
    columns: Mapping[str, list], row: int, heat: np.ndarray, clips: Clips, media: Path
) -> Card:
    corpus = clips.corpus
    name, sure = corpus.clip_ids[row], columns["sure"][row]
    frame, shape = _frame(corpus, row, media)
    plain = Image.fromarray(frame).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    # An unsure map is drawn weaker, and none where there is silence.
    drawn = overlay(frame, np.asarray(heat, np.float32), _SIDE, columns["strength"][row])
    paths = (corpus.clips[key][row].as_py() for key in ("picture_path", "sound_path"))
    return Card(
        name,
        next((path for path in paths if path), ""),
        Picture(picture_uri(plain), f"frame of {name}", _SIDE, shape),
        Picture(picture_uri(drawn), f"map of {name}, {sure}", _SIDE, shape),
        100 * columns["across"][row],
        100 * columns["down"][row],
        columns["place"][row],
        clips.player(name),
        f"at most {columns['peak'][row]:.2f}, under silence {columns['silence'][row]:.2f}, "
        f"under noise {columns['noise'][row]:.2f}",
    )


def _frame(corpus: DecodedCorpus, row: int, media: Path) -> tuple[np.ndarray, str | None]:
    """The middle frame out of the media, (side, side, 3) uint8, or as it is stored where they are
    gone; and its shape, 'width/height', where it is known."""
    path = corpus.clips["picture_path"][row].as_py()
    try:
        found = read_picture(media / path, side=_SIDE)
        if corpus.aspect != "cropped":
            return found.frame, f"{found.width}/{found.height}"
    except MediaError:
        pass  # a gallery outlives its videos: the stored frame is smaller, and the same
    width, height = (corpus.clips[name][row].as_py() for name in ("width", "height"))
    whole = width and height and corpus.aspect != "cropped"
    return corpus.square(row), f"{width}/{height}" if whole else None
