"""The scores of runs that differ in their seed alone, as a table."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.files import read_json
from pipeline.base.params import Parameters
from pipeline.base.study import all_studies
from pipeline.errors import InputError
from pipeline.execution.seconds import SECONDS, seconds_of
from pipeline.report.tables import seeds_table
from stages.paths import DATA, WORK, results_folder, run_folder

COLUMNS = {
    "cIoU": "cIoU",
    "AUC": "AUC",
    "cIoU adaptive": "cIoU_adaptive",
    "cIoU as its authors": "cIoU_published",
    "with their OGL": "cIoU_published_ogl",
    "cIoU at half range": "cIoU_half",
    "pointing": "pointing",
    "pointing, distractors": "pointing_distractors",
    "swap": "swap",
    "both": "both",
    "class R@1": "class_R@1_a2i",
    "by s_L": "class_R@1_a2i_s_L",
    "mAP": "mAP_a2i",
    "mAP by s_L": "mAP_a2i_s_L",
}


# Of a study's methods; the last one is what its training took, where this machine trained it.
METHODS = {
    "cIoU": "cIoU",
    "cIoU as its authors": "cIoU_published",
    "cIoU adaptive": "cIoU_adaptive",
    "pointing, distractors": "pointing_distractors",
    "swap": "swap",
    "class R@1, sound to frames": "class_R@1_a2i",
    "frame to sounds": "class_R@1_i2a",
    "seconds a training": SECONDS,
}


def table(
    variants: Annotated[
        list[str] | None,
        typer.Argument(help="Runs without their seed: <method>-<run>, or <run> alone."),
    ] = None,
    benchmark: Annotated[str, typer.Option(help="The benchmark.")] = "scenes",
    search: Annotated[str, typer.Option(help="The training list's search.")] = "toy",
    study: Annotated[
        str | None,
        typer.Option(help="All methods and runs of a study of params.yaml in place of runs."),
    ] = None,
) -> None:
    """Mean, 95 % interval and range of runs' scores over their seeds, beside the baselines.

    The last columns are a sound's retrieval of frames of its class, by s_A where a run has it. Of a
    study the table has fewer columns, and the seconds of those trainings that ran here undisturbed.

    Examples, after dvc repro of the study: [bold]avloc table A H mean[/bold],
    [bold]avloc table --study methods[/bold]
    """
    if (study is None) == (not variants):
        raise InputError("expected runs, or --study and no runs")
    scores = _of_study(study, benchmark) if study else _of_runs(variants or [], benchmark, search)
    known = {metric for runs in scores.values() for metrics in runs for metric in metrics}
    columns = METHODS if study else COLUMNS
    shown = {name: metric for name, metric in columns.items() if metric in known}
    typer.echo(seeds_table(scores, shown, ranges=study is None))


def _of_runs(variants: list[str], benchmark: str, search: str) -> dict[str, list[dict[str, float]]]:
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
    return scores


def _of_study(name: str, benchmark: str) -> dict[str, list[dict[str, float]]]:
    """The scores of a study's seeds by method and run, of those that are there."""
    parameters = Parameters()
    studies = all_studies(parameters)
    if name not in studies:
        known = ", ".join(studies)
        raise InputError(f"{parameters.path}: no study {name!r}, expected one of {known}")
    study = studies[name]
    corpora = [corpus for corpus, names in study.tests.items() if benchmark in names]
    if not corpora:
        tested = ", ".join(dict.fromkeys(each for _, each in study.benchmarks()))
        raise InputError(
            f"{parameters.path}: studies.{name} is not tested on {benchmark!r}, expected one of "
            f"{tested}"
        )
    scores: dict[str, list[dict[str, float]]] = {}
    missing: list[Path] = []
    for folder, trained in study.trained().items():
        path = results_folder(folder, corpora[0]) / "metrics.json"
        if path.is_file():
            took = seconds_of(WORK / "train" / folder, run_folder(folder) / "history.tsv")
            metrics = {**read_json(path)[benchmark], **took}
            scores.setdefault(f"{trained.method}-{trained.run}", []).append(metrics)
        else:
            missing.append(path)
    if not scores:
        raise InputError(f"study {name}: no scores, {missing[0]} first; run dvc repro")
    return scores


def _with_s_l(metrics: dict[str, float]) -> dict[str, float]:
    """Scores of retrieval under s_L's names also where s_L is the only similarity and has none."""
    columns = [column for column in COLUMNS.values() if column.endswith("_s_L")]
    plain = {column: metrics.get(column.removesuffix("_s_L")) for column in columns}
    return {**{column: score for column, score in plain.items() if score is not None}, **metrics}
