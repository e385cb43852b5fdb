"""`avloc corpus statistics`: what a toy's test clips look like beside VGG-SS's."""

from typing import Annotated

import typer

from pipeline.report.toy_statistics import statistics_table, toy_clips, vggss_clips
from stages.paths import DATA, toy_folder

app = typer.Typer()


@app.command("statistics")
def statistics(
    toy: Annotated[str, typer.Argument(help="A toy below data/toys.")] = "toy",
) -> None:
    """Sizes, boxes, pull of the centre and kinds of sound of a toy's test clips, as a table; beside
    VGG-SS's where its lists are there (avloc corpus lists).

    Example: [bold]avloc corpus statistics[/bold]
    """
    annotations = DATA / "annotations"
    real = vggss_clips(annotations) if (annotations / "vggss.json").is_file() else {}
    typer.echo(statistics_table({**real, **toy_clips(toy_folder(toy) / "annotations")}))
