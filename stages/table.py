"""The scores of runs that differ in their seed alone, as a table."""

import json
from typing import Annotated

import typer

from pipeline.errors import InputError
from stages.paths import results_folder

COLUMNS = {
    "cIoU": "cIoU",
    "AUC": "AUC",
    "cIoU adaptive": "cIoU_adaptive",
    "pointing": "pointing",
    "pointing, distractors": "pointing_distractors",
    "swap": "swap",
    "both": "both",
    "class R@1 sound to frame": "class_R@1_a2i",
    "mAP sound to frame": "mAP_a2i",
}


def table(
    variants: Annotated[list[str], typer.Argument(help="Names of runs without their -<seed>.")],
) -> None:
    """Mean, smallest and largest score of runs over their seeds, beside the baselines.

    Example, with `active: *toy-seeds` in params.yaml and after dvc repro:
    [bold]avloc table A H mean[/bold]
    """
    from pipeline.report.tables import seeds_table

    scores: dict[str, list[dict[str, float]]] = {}
    for variant in variants:
        pattern = f"{variant}-[0-9]*-scenes/metrics.json"
        paths = sorted(results_folder("").glob(pattern))
        scores[variant] = [json.loads(path.read_text()) for path in paths]
        if not scores[variant]:
            raise InputError(f"{results_folder('')}/{pattern}: nothing there; run dvc repro first")
    typer.echo(seeds_table(scores, COLUMNS))
