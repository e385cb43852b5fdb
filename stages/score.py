"""The shared evaluator: published numbers for maps and embeddings that any model made."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.execution.outputs import check_outputs


class Kind(StrEnum):
    """What is to be scored."""

    localization = "localization"
    detection = "detection"
    segmentation = "segmentation"
    retrieval = "retrieval"


def score(
    kind: Annotated[Kind, typer.Argument(help="The task.")],
    file: Annotated[Path, typer.Argument(metavar="FILE.npz", help="Maps and ground truth.")],
    benchmark: Annotated[
        str | None, typer.Option(help="Where FILE holds `ids`: vggss, flickr, heard, ...")
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="The folder of the official lists and boxes.")
    ] = None,
    resize: Annotated[
        str | None,
        typer.Option(
            help="half-pixel, corners, bicubic or bicubic-corners, in place of the protocol's."
        ),
    ] = None,
    per_sample: Annotated[
        Path | None, typer.Option(help="Write a row a sample to this Parquet file.")
    ] = None,
) -> None:
    """Score maps or embeddings of any method by the published protocols; prints one JSON object.

    FILE holds `maps` (N, h, w), raw similarities, higher is louder, and its ground truth: `ids`
    with --benchmark and --annotations, or `boxes` (a JSON text: per sample a list of
    [x0, y0, x1, y1] fractions), or `masks` (N, 224, 224); `object_maps` adds the OGL numbers.
    Retrieval takes `image` and `audio` (N, d).

    Example: [bold]avloc score localization maps.npz --benchmark vggss --annotations
    data/annotations[/bold]
    """
    from pipeline.benchmarks.maps_file import score_file

    if per_sample is not None:
        check_outputs([per_sample], [file])
    metrics = score_file(kind.value, file, benchmark, annotations, resize, per_sample)
    typer.echo(json.dumps(metrics, indent=2))
