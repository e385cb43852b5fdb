"""What in a corpus looks like this sound, or sounds like this picture?"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.params import Parameters
from pipeline.errors import InputError
from stages.paths import check_outputs, decoded_folder, run_folder


class By(StrEnum):
    """What of the query is looked for."""

    sound = "sound"
    picture = "picture"


class Similarity(StrEnum):
    """What clips are ranked by."""

    s_a = "s_A"
    s_l = "s_L"


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
    run: Annotated[str, typer.Option(help="The run whose localizer is asked.")] = "toy",
    weights: Annotated[
        Path | None, typer.Option(help="A weights file in its place, ours or a published one.")
    ] = None,
    similarity: Annotated[
        Similarity | None, typer.Option(help="By default s_A where the localizer has it.")
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
    from rich.console import Console
    from rich.table import Table

    from pipeline.base.files import atomic_file, read_json
    from pipeline.clips.decoded import DecodedCorpus
    from pipeline.clips.windows import sound_window
    from pipeline.corpora.lists import read_clip_list
    from pipeline.execution.progress import console, track
    from pipeline.media.picture_file import PICTURE_FILES
    from pipeline.methods.localizer import load_localizer
    from pipeline.predict.media import middle_window, picture_of
    from pipeline.predict.published import check_form
    from pipeline.predict.ranking import best_clips
    from pipeline.report.answers import answers_page, clip_card, file_card, media_called

    path = weights or run_folder(run) / "weights.safetensors"
    searched = DecodedCorpus(decoded_folder(corpus))
    root = None
    if page is not None:
        root = media if media is not None else _root(corpus)
        read = [Path(query), path, searched.folder, *([among] if among else [])]
        check_outputs([page], [*read, *media_called(page.name, searched, root)])
    localizer = load_localizer(path)
    check_form(str(path), localizer.usage, read_json(searched.folder / "settings.json"))
    file, own = Path(query), query if query in searched else None
    if own is None and not file.is_file():
        raise InputError(f"{query}: expected a media file or a clip of {searched.folder}")
    chosen = by or (By.picture if file.suffix.lower() in PICTURE_FILES else By.sound)
    usage, sound, picture = localizer.usage, None, None
    if own is not None:
        row = searched.row(own)
        has = searched.has_sound if chosen == By.sound else searched.has_frame
        if not has(row):
            raise InputError(f"{searched.folder}: clip {own} has no {chosen.value}")
        if chosen == By.sound:
            sound = sound_window(searched, row, usage.steps)
        else:
            picture = searched.frame(row)
    elif chosen == By.sound:
        sound = middle_window(file, usage).numpy()
    else:
        picture = picture_of(file, usage.side).frame
    name = similarity.value if similarity else "s_A" if localizer.image_projection else "s_L"
    found = best_clips(
        localizer,
        searched,
        sound=sound,
        picture=picture,
        rows=None if among is None else list(searched.rows(read_clip_list(among))),
        count=top,
        similarity=name,
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
    for study in Parameters().studies():
        if corpus in study.corpora:
            return Path(study.corpora[corpus].root)
    return None
