"""What in a corpus looks like this sound, or sounds like this picture?"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline.base.files import atomic_file
from pipeline.base.params import Parameters
from pipeline.base.study import all_studies
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.windows import sound_window
from pipeline.corpora.lists import read_clip_list
from pipeline.errors import InputError
from pipeline.execution.outputs import check_ending, check_outputs
from pipeline.execution.progress import console, track
from pipeline.media.picture_file import PICTURE_FILES
from pipeline.methods.common.anyone import open_anyones
from pipeline.methods.contract import method_name
from pipeline.predict.media import middle_window, sight_of
from pipeline.predict.predictor import check_form
from pipeline.predict.ranking import best_clips
from pipeline.predict.sights import stored_sight
from pipeline.report.answers import answers_page, clip_card, file_card, media_called
from stages.asked import asked_weights
from stages.paths import decoded_folder, spectrograms_folder


class By(StrEnum):
    """What of the query is looked for."""

    sound = "sound"
    picture = "picture"


def retrieve(
    query: Annotated[str, typer.Argument(help="A media file, or a clip id of the corpus.")],
    corpus: Annotated[str, typer.Option(help="The decoded corpus that is searched.")] = "toy",
    by: Annotated[
        By | None,
        typer.Option(
            help="A sound finds frames, a picture finds sounds; by default the sound, of a picture "
            "file the picture."
        ),
    ] = None,
    run: Annotated[
        str, typer.Option(help="The run that is asked, below data/runs.")
    ] = "toy/alignment-full-0",
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="Other weights: a file, ours or a published one, or a name of avloc weights list.",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="With a published file: its method, where its entries fit several."),
    ] = None,
    similarity: Annotated[
        str | None, typer.Option(help="One of the method's, such as s_A; by default its first.")
    ] = None,
    among: Annotated[
        Path | None, typer.Option(help="A list of clips, to search these alone.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many clips are shown.")] = 10,
    page: Annotated[
        Path | None, typer.Option(help="Also a page with pictures and players, HTML.")
    ] = None,
    media: Annotated[
        Path | None,
        typer.Option(help="The corpus' media, for the players; by default its root in params.yaml"),
    ] = None,
) -> None:
    """Find the clips of a corpus that fit a sound or a picture best.

    Examples: [bold]avloc retrieve bark.wav --corpus toy --page answers.html[/bold],
    [bold]avloc retrieve street.jpg --among test.txt[/bold]. A clip id that begins with a dash
    stands behind two: [bold]avloc retrieve -- --V8vjC44tr_000013[/bold]
    """
    if page is not None:
        check_ending(page, (".html", ".htm"), "a page")
    path, method = asked_weights(weights, run, method)
    localizer = open_anyones(path, method)
    spectrograms = spectrograms_folder(corpus, method_name(localizer))
    searched = DecodedCorpus(decoded_folder(corpus), spectrograms)
    root = None
    if page is not None:
        root = media if media is not None else _root(corpus)
        read = [Path(query), path, searched.folder, *([among] if among else [])]
        check_outputs([page], [*read, *media_called(page.name, searched, root)])
    check_form(localizer, searched)
    file, own = Path(query), query if query in searched else None
    if own is None and not file.is_file():
        raise InputError(f"{query}: expected a media file or a clip of {searched.folder}")
    chosen = by or (By.picture if file.suffix.lower() in PICTURE_FILES else By.sound)
    sound, seen = None, None
    if own is not None:
        row = searched.row(own)
        has = searched.has_sound if chosen == By.sound else searched.has_frame
        if not has(row):
            raise InputError(f"{searched.folder}: clip {own} has no {chosen.value}")
        if chosen == By.sound:
            sound = sound_window(searched, row, localizer.steps)
        else:
            seen = stored_sight(localizer, searched, row)
    elif chosen == By.sound:
        sound = middle_window(file, localizer).numpy()
    else:
        seen = sight_of(file, localizer)
    name, found = best_clips(
        localizer,
        searched,
        sound=sound,
        picture=None if seen is None else seen.frame,
        flow=None if seen is None else seen.flow,
        rows=None if among is None else list(searched.rows(read_clip_list(among))),
        count=top,
        similarity=similarity,
    )
    table = Table(
        "", "clip", name, title=f"{chosen.value} of {own or file.name}", title_justify="left"
    )
    for rank, match in enumerate(found, start=1):
        style = "green" if match.clip_id == own else ""
        table.add_row(str(rank), match.clip_id, f"{match.score:.3f}", style=style)
    Console(width=None if Console().is_terminal else 200).print(table)
    if page is None:
        return
    if root is None or not root.is_dir():
        console.print(f"retrieve: no media in {root}, so no players; --media names the folder")
        root = None
    asked = file_card(file) if own is None else clip_card(searched, searched.row(own), root, own)
    cards = [
        clip_card(
            searched,
            match.row,
            root,
            f"{rank}. {match.clip_id}",
            f"{name} {match.score:.3f}",
            match.clip_id == own,
        )
        for rank, match in track(enumerate(found, start=1), "read media", len(found))
    ]
    title = f"{chosen.value} of {file.name if own is None else own}"
    note = f"{len(found)} clips of {corpus}, the most similar first by {name} of {path}"
    with atomic_file(page) as output:
        output.write(answers_page(title, note, asked, cards).encode())
    typer.echo(str(page))


def _root(corpus: str) -> Path | None:
    """The corpus' folder in the active study, or in the first one that has it."""
    for study in all_studies(Parameters()).values():
        if corpus in study.corpora:
            return Path(study.corpora[corpus].root)
    return None
