"""What in a corpus looks like this sound, or sounds like this picture?"""

import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from pipeline.base.params import Parameters
from pipeline.base.study import Study, active_study, all_studies
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.windows import sound_window
from pipeline.corpora.lists import read_clip_list
from pipeline.errors import InputError
from pipeline.execution.outputs import check_ending, check_outputs
from pipeline.execution.progress import console
from pipeline.media.picture_file import PICTURE_FILES
from pipeline.methods.common.anyone import open_anyones
from pipeline.methods.contract import Method, method_name
from pipeline.predict.media import middle_window, sight_of
from pipeline.predict.places import place_in_words
from pipeline.predict.predictor import check_form
from pipeline.predict.ranking import Match, best_clips
from pipeline.predict.searched import Question, maps_of, stored_clips, usable
from pipeline.predict.sights import stored_sight
from pipeline.report.clip_classes import clip_classes
from stages.asked import asked_weights
from stages.known import known_corpus
from stages.paths import decoded_folder, index_folder, run_folder, spectrograms_folder

_WIDEST = 200  # characters of a table that is no terminal's


class By(StrEnum):
    """What of the query is looked for."""

    sound = "sound"
    picture = "picture"


@dataclass(frozen=True)
class Found:
    """A clip that answers, with what is told of it: its class ('' for unknown) and path, and where
    it sounds, as fractions from the left and the top and in words, by its map (h, w)."""

    match: Match
    class_: str
    path: str
    map: np.ndarray

    @property
    def place(self) -> tuple[float, float, str]:
        return place_in_words(self.map)


def retrieve(
    query: Annotated[str, typer.Argument(help="A media file, or a clip id of the corpus.")],
    corpus: Annotated[
        str | None,
        typer.Option(help="The decoded corpus that is searched; by default the active study's."),
    ] = None,
    by: Annotated[
        By | None,
        typer.Option(
            help="A sound finds frames, a picture finds sounds; by default the sound, of a picture "
            "file the picture."
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(
            help="The run that is asked, below data/runs; by default the first "
            "of the study that the corpus is of."
        ),
    ] = None,
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
        str | None,
        typer.Option(help="One of the method's, such as s_A; by default the stored one, or first."),
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
    """Find the clips of a corpus that fit a sound or a picture best: class, path, and where the
    sound is in the picture.

    Where `avloc index` has stored the run's embeddings of the corpus these are searched; without,
    the network is asked about every clip.

    Examples: [bold]avloc retrieve bark.wav --corpus toy --page answers.html[/bold],
    [bold]avloc retrieve street.jpg --among test.txt[/bold]. A clip id that begins with a dash
    stands behind two: [bold]avloc retrieve -- --V8vjC44tr_000013[/bold]
    """
    if page is not None:
        check_ending(page, (".html", ".htm"), "a page")
    parameters = Parameters()
    active = active_study(parameters)
    corpus = known_corpus(corpus or active.train_on.corpus)
    study = _study(parameters, active, corpus)
    run = run or _first_run(study, active)
    path, method = asked_weights(weights, run, method)
    localizer = open_anyones(path, method)
    spectrograms = spectrograms_folder(corpus, method_name(localizer))
    searched = DecodedCorpus(decoded_folder(corpus), spectrograms)
    root = media if media is not None else _root(study, corpus)
    if page is not None:
        # What the page alone needs takes a while to import.
        from pipeline.report.answers import media_called
        from stages.retrieve_page import write_page

        read = [Path(query), path, searched.folder, *([among] if among else [])]
        check_outputs([page], [*read, *media_called(page.name, searched, root)])
    check_form(localizer, searched)
    file, own = Path(query), query if query in searched else None
    if own is None and not file.is_file():
        raise InputError(f"{query}: expected a media file or a clip of {searched.folder}")
    chosen = by or (By.picture if file.suffix.lower() in PICTURE_FILES else By.sound)
    question = _question(localizer, searched, file, own, chosen)
    rows = None if among is None else list(searched.rows(read_clip_list(among)))
    started = time.monotonic()
    name, matches = _search(
        localizer, path, searched, run if weights is None else None, question, rows, top, similarity
    )
    seconds = time.monotonic() - started
    found = _told(localizer, searched, question, matches, study, corpus, root)
    told = f"{len(searched) if rows is None else len(rows):,} clips searched in {seconds:.2f} s"
    whose = path if weights else run
    asked = f"{chosen.value} of {own or file.name}, in {corpus}, as {whose} hears it"
    _print(asked, name, found, own, told)
    if page is not None:
        note = f"{len(found)} clips of {corpus}, the most similar first by {name} of {whose}"
        shown = own or file.name
        if not write_page(page, searched, root, shown, file, own, chosen.value, name, note, found):
            console.print(f"retrieve: no media in {root}, so no players; --media names the folder")
        typer.echo(str(page))


def _question(
    method: Method, corpus: DecodedCorpus, file: Path, own: str | None, by: By
) -> Question:
    """The sound or the picture of a file, or of a clip of the corpus."""
    if own is None:
        if by == By.sound:
            return Question(middle_window(file, method).numpy(), None)
        return Question(None, sight_of(file, method))
    row = corpus.row(own)
    has = corpus.has_sound if by == By.sound else corpus.has_frame
    if not has(row):
        raise InputError(f"{corpus.folder}: clip {own} has no {by.value}")
    if by == By.sound:
        return Question(np.array(sound_window(corpus, row, method.steps)), None)
    return Question(None, stored_sight(method, corpus, row))


def _search(
    method: Method,
    weights: Path,
    corpus: DecodedCorpus,
    run: str | None,
    question: Question,
    rows: list[int] | None,
    count: int,
    similarity: str | None,
) -> tuple[str, list[Match]]:
    """The similarity's name and the best clips: out of the run's index of the corpus where it has
    one, else by asking the network about every clip, which is told."""
    name = corpus.folder.name
    if run is not None:
        folder = index_folder(run, name)
        stored, why = usable(folder, weights, corpus, similarity)
        if stored is not None:
            return stored_clips(method, corpus, folder, stored, question, rows=rows, count=count)
        told = f"retrieve: {why}, so the network is asked about every clip"
        if similarity is None:
            told += f"; `avloc index {run} {name}` stores what it says"
        console.print(told, markup=False, soft_wrap=True)
    sight = question.sight
    return best_clips(
        method,
        corpus,
        sound=question.sound,
        picture=None if sight is None else sight.frame,
        flow=None if sight is None else sight.flow,
        rows=rows,
        count=count,
        similarity=similarity,
    )


def _told(
    method: Method,
    corpus: DecodedCorpus,
    question: Question,
    matches: list[Match],
    study: Study | None,
    name: str,
    media: Path | None,
) -> list[Found]:
    maps = maps_of(method, corpus, question, matches)
    columns = ("picture_path", "sound_path")
    known = [key for key in columns if key in corpus.clips.column_names]
    paths = {
        match.clip_id: next((p for key in known if (p := corpus.clips[key][match.row].as_py())), "")
        for match in matches
    }
    classes: dict[str, str] = {}
    if study is not None:
        folders = [Path(study.corpora[name].list).parent]
        tests = study.tests.get(name, [])
        classes = clip_classes(paths, tests, Path(study.annotations), folders, media)
    return [
        Found(match, classes.get(match.clip_id, ""), paths[match.clip_id], heat)
        for match, heat in zip(matches, maps, strict=True)
    ]


def _print(title: str, name: str, found: list[Found], own: str | None, told: str) -> None:
    heads = ("", name, "class", "where it sounds", "path")
    table = Table(*heads, title=title, title_justify="left", caption=told, caption_justify="left")
    for rank, each in enumerate(found, start=1):
        across, down, words = each.place
        place = f"{words} ({100 * across:.0f} %, {100 * down:.0f} %)"
        style = "green" if each.match.clip_id == own else ""
        path = each.path or each.match.clip_id
        table.add_row(str(rank), f"{each.match.score:.3f}", each.class_, place, path, style=style)
    Console(width=None if Console().is_terminal else _WIDEST, markup=False).print(table)


def _study(parameters: Parameters, active: Study, corpus: str) -> Study | None:
    """The first study, the active one before the others, that has a corpus."""
    if corpus in active.corpora:
        return active
    studies = all_studies(parameters).values()
    return next((study for study in studies if corpus in study.corpora), None)


def _first_run(study: Study | None, active: Study) -> str:
    """The first trained run of the corpus' own study, or of the active one; where none is trained
    yet, the one that would be asked, so that the message names it."""
    runs = [*(study.trained() if study else ()), *active.trained(), "toy/alignment-full-0"]
    return next(
        (run for run in runs if (run_folder(run) / "weights.safetensors").is_file()), runs[0]
    )


def _root(study: Study | None, corpus: str) -> Path | None:
    """The corpus' folder in a study."""
    return None if study is None else Path(study.corpora[corpus].root)
