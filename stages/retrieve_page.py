"""The page of `avloc retrieve`, apart from the command: an answer on the terminal needs nothing of
what draws pictures and writes sounds."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.base.files import atomic_file
from pipeline.clips.decoded import DecodedCorpus
from pipeline.execution.progress import track
from pipeline.report.answers import (
    Answer,
    Shown,
    answers_page,
    clip_frame,
    clip_sound,
    file_frame,
    file_sound,
)

if TYPE_CHECKING:
    from stages.retrieve import Found


def write_page(
    page: Path,
    corpus: DecodedCorpus,
    media: Path | None,
    name: str,
    file: Path,
    own: str | None,
    by: str,
    similarity: str,
    note: str,
    found: Sequence["Found"],
) -> bool:
    """Write the page of what was found for the sound or picture (`by`) of a file, or of the clip
    `own` of the corpus, whose media lie below `media`; whether they do."""
    root = media if media is not None and media.is_dir() else None
    by_sound = by == "sound"
    asked, query = None, Shown(name, None, None)
    if not by_sound:
        asked = file_frame(file) if own is None else clip_frame(corpus, corpus.row(own), root)
        query = Shown(name, asked.plain(), None, asked.shape)
    elif own is None:
        query = Shown(name, None, file_sound(file))
    elif root is not None:
        query = Shown(name, None, clip_sound(corpus, own, root))
    answers = []
    for each in track(found, "read media", len(found)):
        match = each.match
        frame = asked or clip_frame(corpus, match.row, root)
        sound = None if root is None else clip_sound(corpus, match.clip_id, root)
        across, down, place = each.place
        answers.append(
            Answer(
                match.clip_id,
                each.class_,
                each.path,
                f"{similarity} {match.score:.3f}",
                Shown(match.clip_id, frame.under(each.map), sound, frame.shape),
                100 * across,
                100 * down,
                place,
                match.clip_id == own,
            )
        )
    text = answers_page(by_sound, note, query, answers, root is not None)
    with atomic_file(page) as output:
        output.write(text.encode())
    return root is not None
