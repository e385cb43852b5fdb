"""The scores of runs that differ in their seed alone, as a table."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.files import read_json
from pipeline.base.params import Parameters
from pipeline.base.study import Study, all_studies
from pipeline.errors import InputError
from pipeline.execution.seconds import SECONDS, seconds_of
from pipeline.report.claims import differences, with_s_l
from pipeline.report.tables import Metrics, markdown, paired, seeds_table
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

# Of the scenes under conditions, which have none of those above.
CONDITIONS = {
    "own sound": "pointing@congruent",
    "another object's": "pointing@conflicting",
    "laid over": "pointing@laid-over",
    "several": "pointing@several",
    "all lit": "all_lit@several",
    "absent, AP by maximum": "AP_absent_maximum",
    "absent, by confidence": "AP_absent_confidence",
    "absent, by s_L": "AP_absent_s_L",
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


# Variants of a score, of which there are several times as many.
_DETAIL = re.compile(
    "@[a-z]|:|_ogl|_half|_published|_single|_i2a|R@5|R@10|AUC_adaptive|samples|leaked_clips"
)
_WIDEST = 8  # columns of a benchmark that has none of the above


def table(
    variants: Annotated[
        list[str] | None,
        typer.Argument(
            help="Runs without their seed, <method>-<run> or <run> alone; one seed, or anyone's "
            "maps by their name."
        ),
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="The benchmark; by default the study's first.")
    ] = None,
    search: Annotated[
        str | None, typer.Option(help="The training list's search; by default the study's.")
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="The study whose runs are shown where none are named.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="A run: shown is by how much the named runs are above it, seed by seed."),
    ] = None,
) -> None:
    """Mean, 95 % interval and range of runs' scores over their seeds, beside the baselines.

    Without a run's name all methods and runs of a study, by default of the active one, with fewer
    columns of the scenes and the seconds of those trainings that ran here undisturbed. The last
    columns of named runs are a sound's retrieval of frames of its class, by s_A where a run has it.
    Of differences the mean over the seeds that both have, with its interval; a star says that it
    does not hold 0.

    Examples, after dvc repro of the study: [bold]avloc table[/bold], [bold]avloc table A H
    A-text[/bold], [bold]avloc table --study methods --benchmark flickr[/bold], [bold]avloc table
    avloc-full --against alignment-A[/bold]
    """
    parameters = Parameters()
    if study is not None and variants:
        raise InputError("expected runs, or --study and no runs")
    if against is not None and not variants:
        raise InputError("--against: expected runs to compare with it")
    title, shown = shown_study(parameters, study)
    on = benchmark or next((name for _, name in shown.benchmarks()), "scenes")
    if against is not None:
        _compare(variants or [], against, on, search or shown.train_on.search)
        return
    if variants:
        scores = scores_of_runs(variants, on, search or shown.train_on.search)
    else:
        scores = _of_study(parameters, title, shown, on)
    seedless = {name for item in shown.maps for name in (item.name, item.label)}
    columns = _columns(scores, {**(COLUMNS if variants else METHODS), **CONDITIONS})
    typer.echo(f"{on}\n" if benchmark is None else "", nl=False)
    typer.echo(seeds_table(scores, columns, ranges=bool(variants), seedless=seedless))


def _compare(variants: Sequence[str], against: str, benchmark: str, search: str) -> None:
    """Print the differences of runs from one, seed by seed."""
    found = {name: _by_seed(name, benchmark, search) for name in (*variants, against)}
    columns = _columns({n: list(s.values()) for n, s in found.items()}, {**COLUMNS, **CONDITIONS})
    rows = []
    for name in variants:
        shared = found[name].keys() & found[against].keys()
        if not shared:
            raise InputError(f"{name} and {against}: no seed that both have on {benchmark}")
        cells = [
            paired(differences(found[name], found[against], metric)) for metric in columns.values()
        ]
        rows.append([f"{name} ({len(shared)} seed{'s' if len(shared) > 1 else ''})", *cells])
    typer.echo(f"{benchmark}, over {against}")
    typer.echo(markdown(["", *columns], rows))


def _by_seed(variant: str, benchmark: str, search: str) -> dict[int, dict[str, float]]:
    """The scores of a run by its seeds. Raises `InputError` as `scores_of_runs` does."""
    seeds = {
        int(seed): scores_of_runs([folder.name], benchmark, search)[folder.name][0]
        for folder in folders_of_runs(variant, search)
        if (seed := folder.name.rpartition("-")[2]).isdigit()
    }
    return seeds or {0: scores_of_runs([variant], benchmark, search)[variant][0]}


def _columns(scores: Mapping[str, Sequence[Metrics]], columns: Mapping[str, str]) -> dict[str, str]:
    """Those of the columns that some run has, by their heads; of a benchmark that has hardly any,
    its own first ones."""
    known = dict.fromkeys(m for runs in scores.values() for metrics in runs for m in metrics)
    found = {head: metric for head, metric in columns.items() if metric in known}
    if len(set(found.values()) - {SECONDS}) > 1:
        return found
    own = [metric for metric in known if "." not in metric and not _DETAIL.search(metric)]
    return {metric: metric for metric in own[:_WIDEST]}


def folders_of_runs(variant: str, search: str) -> list[Path]:
    """The folders of results of a run's seeds, named without its seed, as `table` takes it; or the
    one of that very name: a single seed's, or that of anyone's maps."""
    folder = DATA / "results" / search
    patterns = (f"{variant}-[0-9]*", f"*-{variant}-[0-9]*", variant)
    return sorted({path for pattern in patterns for path in folder.glob(pattern)})


def scores_of_runs(
    variants: Sequence[str], benchmark: str, search: str
) -> dict[str, list[dict[str, float]]]:
    """The scores of each run's seeds on a benchmark. Raises `InputError` for a run without any."""
    scores: dict[str, list[dict[str, float]]] = {}
    for variant in variants:
        folders = folders_of_runs(variant, search)
        paths = [path for folder in folders for path in sorted(folder.glob("*/metrics.json"))]
        found = [read_json(path) for path in paths]
        scores[variant] = [with_s_l(each[benchmark]) for each in found if benchmark in each]
        if not scores[variant]:
            there = sorted(path.name for path in (DATA / "results" / search).glob("*"))
            on = sorted({name for each in found for name in each})
            if on:
                raise InputError(
                    f"{variant}: has no scores on {benchmark!r}, expected one of {', '.join(on)}"
                )
            raise InputError(
                f"{DATA / 'results' / search}: no scores of {variant!r}, expected a run without "
                f"its seed, of {', '.join(there) or 'none, dvc repro makes them'}"
            )
    return scores


def shown_study(parameters: Parameters, name: str | None) -> tuple[str, Study]:
    """A study and its name, the active one by default."""
    studies = all_studies(parameters)
    if name is not None and name not in studies:
        known = ", ".join(studies)
        raise InputError(f"{parameters.path}: no study {name!r}, expected one of {known}")
    title = name or next(iter(studies))
    return title, studies[title]


def _of_study(
    parameters: Parameters, name: str, study: Study, benchmark: str
) -> dict[str, list[dict[str, float]]]:
    """The scores of a study's seeds by method and run, of those that are there, and of its maps."""
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
    for item in study.maps:
        path = results_folder(study.maps_folder(item), item.corpus) / "metrics.json"
        if item.corpus == corpora[0] and path.is_file() and benchmark in (found := read_json(path)):
            scores[item.label or item.name] = [found[benchmark]]
    if not scores:
        raise InputError(
            f"study {name}: no scores, {missing[0]} first; `dvc repro` makes them where it is the "
            f"active one"
        )
    return scores
