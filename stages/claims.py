"""What the paper claims of its method, asked of a study's runs, seed by seed."""

from typing import Annotated

import typer

from pipeline.base.files import read_json
from pipeline.base.params import Parameters
from pipeline.errors import InputError
from pipeline.report.claims import answers, of_form, with_s_l
from pipeline.report.tables import markdown
from stages.paths import results_folder
from stages.table import shown_study


def claims(
    study: Annotated[
        str | None, typer.Option(help="The study whose runs are asked; the active one by default.")
    ] = None,
    form: Annotated[
        str, typer.Option(help="Of runs A-text, B-text and so on, the word text; else none.")
    ] = "",
    benchmark: Annotated[str, typer.Option(help="The benchmark that they are asked on.")] = (
        "scenes"
    ),
) -> None:
    """The paper's claims of Tables 8 and 9, and what of them holds here.

    Asked are runs of one method that are named A to H, or k-1, k-10 and so on, as those of the
    studies toy-ablations and toy-neighbours-k are; other runs count where all are compared.

    Example: [bold]avloc claims --study toy-ablations --form text[/bold]
    """
    parameters = Parameters()
    title, shown = shown_study(parameters, study)
    corpora = [corpus for corpus, names in shown.tests.items() if benchmark in names]
    found: dict[str, dict[int, dict[str, float]]] = {}
    for folder, trained in shown.trained().items():
        for corpus in corpora:
            path = results_folder(folder, corpus) / "metrics.json"
            if path.is_file():
                scores = with_s_l(read_json(path)[benchmark])
                name = trained.run if len(shown.methods) == 1 else f"{trained.method}-{trained.run}"
                found.setdefault(name, {})[trained.seed] = scores
    if not found:
        raise InputError(
            f"study {title}: no scores on {benchmark}; `dvc repro` makes them where it is the "
            f"active one"
        )
    runs = of_form(found, form)
    if not runs:
        raise InputError(f"study {title}: no run is of the form {form!r}, of {', '.join(found)}")
    counts = ", ".join(f"{name} {len(seeds)}" for name, seeds in runs.items())
    typer.echo(f"{title}, {benchmark}; seeds: {counts}")
    for answer in answers(runs):
        typer.echo(f"\n{answer.title}\n\n{markdown(answer.heads, answer.rows)}")
