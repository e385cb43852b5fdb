"""A contact sheet: decoded frames with the official boxes, to be looked at before a training."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.params import Parameters
from pipeline.base.study import Study, all_studies
from pipeline.benchmarks import open_benchmark
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.execution.outputs import check_ending, check_outputs
from pipeline.report.contact_sheet import draw_contact_sheet, first_of_each_frame
from stages.paths import decoded_folder


def sheet(
    corpus: Annotated[str, typer.Argument(help="A decoded corpus that a study tests on.")],
    benchmark: Annotated[
        str | None, typer.Option(help="Whose boxes; by default the first of the study's there.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The picture, PNG.")] = Path("sheet.png"),
    count: Annotated[int, typer.Option(min=1, help="How many frames are drawn.")] = 24,
) -> None:
    """Draw a corpus' decoded frames with the boxes or masks that a benchmark scores.

    Do the boxes fit? A frame of another moment, or a picture that lies on its side, shows here.

    Example: [bold]avloc sheet vggss --out vggss.png[/bold]
    """
    check_ending(out, (".png",), "a picture")
    parameters = Parameters()
    study, name = _tested(parameters, corpus, benchmark)
    folder = decoded_folder(corpus)
    check_outputs([out], [parameters.path, folder])
    typer.echo(draw_sheet(folder, study, corpus, name, out, count))


def draw_sheet(
    folder: Path, study: Study, corpus: str, name: str, out: Path, count: int, base: Path = Path()
) -> str:
    """Draw the first `count` frames of a benchmark on the decoded corpus in `folder` to `out`; what
    was drawn, in words. The study's own paths are relative to `base`."""
    decoded = DecodedCorpus(folder)
    root = base / study.corpora[corpus].root
    opened = open_benchmark(name, base / study.annotations, decoded, root)
    if not opened.wants_maps:
        raise InputError(f"benchmark {name}: scores no maps, so there is nothing to outline")
    places = first_of_each_frame(opened, count)
    head = (
        f"{name}: {len(places)} frames of the {len(opened.samples):,} samples here, of "
        f"{opened.official_count:,} in the official list. White: what is scored as sounding."
    )
    draw_contact_sheet(out, decoded, opened, places, head)
    return f"{out}: {head}"


def _tested(parameters: Parameters, corpus: str, benchmark: str | None) -> tuple[Study, str]:
    """The first study, the active one before the others, that tests on a corpus (by a benchmark,
    where one is named), and the benchmark. Raises `InputError` with what there is."""
    known: list[str] = []
    for study in all_studies(parameters).values():
        for place, names in study.tests.items():
            if place == corpus and names and benchmark in (None, *names):
                return study, benchmark or names[0]
            known += [f"{name} on {place}" for name in names]
    wanted = corpus if benchmark is None else f"{benchmark} on {corpus}"
    raise InputError(
        f"{parameters.path}: no study tests {wanted!r}, expected one of "
        f"{', '.join(dict.fromkeys(known))}"
    )
