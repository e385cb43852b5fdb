"""`avloc corpus`: what of a run's lists and media is there; and the stage that looks first of all.

The table needs no stage to have run. What is absent is told in one message at the end, after all
that could be counted without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.base.params import Embed, EvaluationItem, Neighbours, Parameters, Study
from pipeline.errors import InputError
from stages.paths import decoded_folder, encoders_folder, toy_folder

if TYPE_CHECKING:
    from pipeline.corpora.check import Row

_NARROWEST = 110  # columns of the terminal; the table's numbers do not wrap

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="What of a run's data is in place.\n\n"
    "Example: [bold]avloc corpus check vggsound-144k[/bold]",
)


def settings(parameters: Parameters, name: str) -> Study:
    """The parameters of the stage: the whole study, since everything in it is looked for."""
    return parameters.read(name, Study)


@app.command()
def check(run: Annotated[str, typer.Argument(help="A run of any study in params.yaml.")]) -> None:
    """Tell which clips of a run's lists are there, and which test clips it trains on.

    Example: [bold]avloc corpus check vggsound-144k[/bold]
    """
    from pipeline.corpora.check import ClipList
    from pipeline.corpora.check import check as check_lists

    parameters = Parameters()
    study = _study_of(parameters, run)
    data = _Data(study)
    notes = []
    if run in study.runs:
        search = study.searches[study.runs[run].search]
        path, corpus = search.list, study.runs[run].corpus
        if parameters.read(search.neighbours, Neighbours).exclude_test_clips:
            notes.append("exclude_test_clips is on: the run drops them before it trains")
    else:
        path, corpus = study.published[run].list, study.published[run].corpus
        data.weights(study.published[run].weights)
    listed = data.training_list(path)
    on_disk, rejects = data.on_disk(corpus) or (), data.rejects(corpus)
    training = ClipList("training list", len(listed), listed, on_disk, rejects)
    benchmarks = []
    for item in (item for item in study.evaluations.values() if item.run == run):
        if found := data.benchmark(item):
            where = item.ground.corpus
            on_disk, rejects = data.on_disk(where) or (), data.rejects(where)
            benchmarks.append(ClipList(item.benchmark, *found, on_disk, rejects))
    _print(f"run {run}, trained on {path}", check_lists(training, benchmarks), bool(listed), notes)
    _end(f"run {run}", data.absent)


@app.command()
def ready(name: Annotated[str, typer.Argument(help="The key of a study.")] = "active") -> None:
    """Fail unless all that a study reads and no stage makes is in place: the first stage.

    Example: [bold]avloc corpus ready studies.vggsound-144k[/bold]
    """
    parameters = Parameters()
    study = settings(parameters, name)
    data = _Data(study)
    for corpus in study.corpora:
        if not data.is_made(study.corpora[corpus].root):
            data.on_disk(corpus)
    for embedding in study.embeddings.values():
        if not data.is_made(embedding.weights):
            model = parameters.read(embedding.embed, Embed).image_model
            data.image_encoder(embedding.weights, model)
            data.audio_encoder(embedding.weights)
    for search in study.searches.values():
        if not data.is_made(search.list):
            data.training_list(search.list)
    for published in study.published.values():
        data.weights(published.weights)
        if not data.is_made(published.list):
            data.training_list(published.list)
    grounds = {(e.benchmark, e.ground.corpus): e for e in study.evaluations.values()}
    for item in grounds.values():
        if not data.is_made(item.ground.annotations):
            data.benchmark(item)
    data.imports()
    _end(name, data.absent)


@dataclass
class _Data:
    """The data that a study names, and the messages of what of it is absent."""

    study: Study
    absent: list[str] = field(default_factory=list)
    clips: dict[str, frozenset[str] | None] = field(default_factory=dict)

    def is_made(self, path: str) -> bool:
        """Whether the study's own stages make what lies there."""
        folders = [f for toy in self.study.toys for f in (toy_folder(toy), encoders_folder(toy))]
        return any(Path(path).is_relative_to(folder) for folder in folders)

    def on_disk(self, corpus: str) -> frozenset[str] | None:
        """The clips of a corpus, None where it is absent."""
        from pipeline.corpora.ready import clips_on_disk, collect

        if corpus not in self.clips:
            item = self.study.corpora[corpus]
            root = Path(item.root)
            if self._unmade(item.root):
                self.clips[corpus] = None
            else:
                find = partial(clips_on_disk, item.reader, root)
                self.clips[corpus] = collect(find, self.absent)
        return self.clips[corpus]

    def rejects(self, corpus: str) -> dict[str, str] | None:
        """What decoding refused, None where it has not run."""
        from pipeline.corpora.ready import rejected_clips

        return rejected_clips(decoded_folder(corpus))

    def training_list(self, path: str) -> list[str]:
        """The clips of a list, none where it is absent."""
        from pipeline.corpora.lists import read_clip_list
        from pipeline.corpora.ready import collect

        if self._unmade(path):
            return []
        return collect(partial(read_clip_list, Path(path)), self.absent) or []

    def benchmark(self, item: EvaluationItem) -> tuple[int, list[str]] | None:
        """The official number of samples of a benchmark and its clips, None where it is absent."""
        from pipeline.corpora.ready import benchmark_clips, check_ground_truth, collect

        ground = item.ground
        annotations, root = Path(ground.annotations), Path(ground.root)
        if self._unmade(ground.annotations):
            return None
        found = collect(partial(benchmark_clips, item.benchmark, annotations, root), self.absent)
        on_disk = self.on_disk(ground.corpus)
        if found and on_disk:
            reader = self.study.corpora[ground.corpus].reader
            collect(
                partial(check_ground_truth, item.benchmark, annotations, root, reader, on_disk),
                self.absent,
            )
        return found

    def audio_encoder(self, folder: str) -> None:
        """Look for the published VGGSound network."""
        path = Path(folder) / "H.pth.tar"
        if not path.is_file():
            from pipeline.corpora.ready import collect
            from pipeline.encoders.load import audio_encoder

            collect(partial(audio_encoder, path), self.absent)

    def image_encoder(self, folder: str, model: str) -> None:
        """Fetch an ImageNet network whose file is not in place: a machine off the network shall not
        find out after days of decoding."""
        from pipeline.corpora.ready import collect
        from pipeline.encoders.load import load_image_encoder

        if not any(Path(folder).glob("image.*")):
            collect(partial(load_image_encoder, Path(folder), model, side=224), self.absent)

    def weights(self, file: str) -> None:
        """Look for a published localizer."""
        if not Path(file).is_file():
            self._note(
                f"{file}: not found, expected a localizer's weights; "
                "https://github.com/kaistmm/SSLalignment says where the authors' are"
            )

    def imports(self) -> None:
        """Look for what DVC itself asks for in the folders of annotations."""
        from pipeline.corpora.ready import absent_imports

        searches, items = self.study.searches.values(), self.study.evaluations.values()
        folders = [s.annotations for s in searches] + [i.ground.annotations for i in items]
        for folder in dict.fromkeys(folders):
            if message := absent_imports(Path(folder)):
                self._note(message)

    def _unmade(self, path: str) -> bool:
        """Whether a stage makes what lies there and has not yet; then it is noted."""
        if not self.is_made(path) or Path(path).exists():
            return False
        self._note(f"{path}: not made yet; `dvc repro` makes it where its study is the active one")
        return True

    def _note(self, message: str) -> None:
        if message not in self.absent:
            self.absent.append(message)


def _study_of(parameters: Parameters, run: str) -> Study:
    """The first study that has the run, the active one before the others."""
    studies = parameters.studies()
    for study in studies:
        if run in study.runs or run in study.published:
            return study
    known = dict.fromkeys(name for study in studies for name in (*study.runs, *study.published))
    raise InputError(
        f"{parameters.path}: no study has a run {run!r}, expected one of {', '.join(known)}"
    )


def _print(title: str, rows: "Sequence[Row]", has_list: bool, notes: Sequence[str]) -> None:
    """The table, on standard output, the training list first; without one no leak is counted."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", caption_justify="left")
    table.add_column("list")
    for head in ("samples", "clips", "present", "missing", "unreadable", "in training list"):
        table.add_column(head, justify="right", no_wrap=head != "unreadable")
    for row in rows if has_list else rows[1:]:
        first = has_list and row is rows[0]
        leaked = "" if first else f"{row.leaked:,}" if has_list else "?"
        table.add_row(
            row.name,
            *(f"{count:,}" for count in (row.samples, row.listed, row.present, row.missing)),
            _causes(row.unreadable),
            leaked,
            end_section=first,
        )
    if any(row.unreadable is None for row in rows):
        notes = [*notes, "unreadable is ? where the corpus is not decoded yet"]
    table.caption = "\n".join(notes)
    if table.row_count:
        console = Console(highlight=False)
        console.width = max(console.width, _NARROWEST)
        console.print(table, markup=False)


def _causes(unreadable: dict[str, int] | None) -> str:
    if not unreadable:
        return "?" if unreadable is None else "0"
    causes = ", ".join(f"{cause} {count:,}" for cause, count in unreadable.items())
    return f"{sum(unreadable.values()):,} ({causes})"


def _end(what: str, absent: Sequence[str]) -> None:
    """One message for all that is absent, and exit code 1."""
    if absent:
        lines = "".join(f"\n  {message}" for message in absent)
        typer.echo(f"error: {what}: absent data, {len(absent)} in all:{lines}", err=True)
        raise typer.Exit(1)
