"""The scores of runs that differ in their seed alone, as a table."""

from typing import Annotated

import typer

from pipeline.base.files import read_json
from pipeline.errors import InputError
from pipeline.report.tables import seeds_table
from stages.paths import DATA

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
    variants: Annotated[
        list[str], typer.Argument(help="Runs without their seed: <method>-<run>, or <run> alone.")
    ],
    benchmark: Annotated[str, typer.Option(help="The benchmark.")] = "scenes",
    search: Annotated[str, typer.Option(help="The training list's search.")] = "toy",
) -> None:
    """Mean, 95 % interval and range of runs' scores over their seeds, beside the baselines.

    The last columns are a sound's retrieval of frames of its class, by s_A where a run has it.

    Example, with the study toy-seeds as the active one and after dvc repro:
    [bold]avloc table A H mean[/bold]
    """
    scores: dict[str, list[dict[str, float]]] = {}
    for variant in variants:
        folder = DATA / "results" / search
        paths = sorted(
            path
            for pattern in (f"{variant}-[0-9]*/*", f"*-{variant}-[0-9]*/*")
            for path in folder.glob(f"{pattern}/metrics.json")
        )
        found = [read_json(path) for path in paths]
        scores[variant] = [_with_s_l(each[benchmark]) for each in found if benchmark in each]
        if not scores[variant]:
            raise InputError(
                f"{folder}: no scores of {variant} on {benchmark}, expected "
                f"<method>-<run>-<seed>/<corpus>/metrics.json; run dvc repro first"
            )
    known = {metric for runs in scores.values() for metrics in runs for metric in metrics}
    typer.echo(seeds_table(scores, {k: v for k, v in COLUMNS.items() if v in known}))


def _with_s_l(metrics: dict[str, float]) -> dict[str, float]:
    """Scores of retrieval under s_L's names also where s_L is the only similarity and has none."""
    columns = [column for column in COLUMNS.values() if column.endswith("_s_L")]
    plain = {column: metrics.get(column.removesuffix("_s_L")) for column in columns}
    return {**{column: score for column, score in plain.items() if score is not None}, **metrics}
