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
    "class R@1": "class_R@1_a2i",
    "by s_L": "class_R@1_a2i_s_L",
    "mAP": "mAP_a2i",
    "mAP by s_L": "mAP_a2i_s_L",
}


def table(
    variants: Annotated[list[str], typer.Argument(help="Names of runs without their -<seed>.")],
) -> None:
    """Mean, smallest and largest score of runs over their seeds, beside the baselines.

    The last columns are a sound's retrieval of frames of its class, by s_A where a run has it.

    Example, with `active: *toy-seeds` in params.yaml and after dvc repro:
    [bold]avloc table A H mean[/bold]
    """
    from pipeline.report.tables import seeds_table

    scores: dict[str, list[dict[str, float]]] = {}
    for variant in variants:
        pattern = f"{variant}-[0-9]*-scenes/metrics.json"
        paths = sorted(results_folder("").glob(pattern))
        scores[variant] = [_with_s_l(json.loads(path.read_text())) for path in paths]
        if not scores[variant]:
            raise InputError(f"{results_folder('')}/{pattern}: nothing there; run dvc repro first")
    typer.echo(seeds_table(scores, COLUMNS))


def _with_s_l(metrics: dict[str, float]) -> dict[str, float]:
    """Scores of retrieval under s_L's names also where s_L is the only similarity and has none."""
    columns = [column for column in COLUMNS.values() if column.endswith("_s_L")]
    plain = {column: metrics.get(column.removesuffix("_s_L")) for column in columns}
    return {**{column: score for column, score in plain.items() if score is not None}, **metrics}
