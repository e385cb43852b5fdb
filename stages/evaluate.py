"""Stage evaluate: one run on the benchmarks of one corpus, beside the baselines."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer

from pipeline.base.files import read_json, remove_partials
from pipeline.base.params import Parameters
from pipeline.base.study import Corpus, TrainOn, all_studies
from pipeline.clips.sound_form import SoundForm
from pipeline.corpora.lists import read_clip_list
from pipeline.errors import InputError
from pipeline.evaluate.run import evaluate_run
from pipeline.evaluate.scorer import Inputs, Scorer
from pipeline.evaluate.settings import Evaluate
from pipeline.execution.checkpoints import given_weights
from pipeline.execution.cores import usable_cores
from pipeline.execution.run import Engine
from pipeline.execution.settings import Execution
from pipeline.execution.summary import show_table
from pipeline.methods.common.files import load_weights, method_in, open_weights
from pipeline.methods.common.sections import method_settings
from pipeline.methods.contract import method_name
from stages.paths import (
    WORK,
    decoded_folder,
    published_weights,
    results_folder,
    run_folder,
    spectrograms_folder,
    tests_file,
)

# Variants of a score, of which there are several times as many.
_DETAIL = re.compile("@[a-z]|:|_ogl|_half|_published|_single|_i2a|R@5|R@10|AUC_adaptive")

# What a benchmark is known by.
_MATTERS = ("cIoU", "AP", "mIoU", "class_R@1_a2i", "R@1_a2i", "F_AUC", "pointing@conflicting")


@dataclass(frozen=True)
class Settings:
    """What an evaluation reads of params.yaml."""

    annotations: Path
    weights: Path
    train_on: TrainOn
    corpus: Corpus
    benchmarks: list[str]
    values: Evaluate


def settings(parameters: Parameters, run: str, on: str) -> Settings:
    """The parameters of the stage."""
    world = parameters.read("active.settings", str)
    return Settings(
        Path(parameters.read("active.annotations", str)),
        Path(parameters.read("active.weights", str)),
        parameters.read("active.train_on", TrainOn),
        parameters.read(f"active.corpora.{on}", Corpus),
        parameters.read(f"active.tests.{on}", list[str]),
        parameters.read(f"{world}.evaluate", Evaluate),
    )


def evaluate(
    run: Annotated[
        str | None, typer.Argument(help="A run of the active study; or --weights instead.")
    ] = None,
    on: Annotated[str | None, typer.Argument(help="The corpus that it is tested on.")] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="A localizer's file, a published one or our own, or a name of avloc weights list.",
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="With a published file: its method, where its entries fit several."),
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="With --weights: vggss, flickr, ...")
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(help="With --weights: the decoded corpus; by default the study's for it."),
    ] = None,
    trained_on: Annotated[
        Path | None, typer.Option(help="With --weights: the training list, to count leaked clips.")
    ] = None,
) -> None:
    """Score a run on a corpus' benchmarks; or a weight file, and print its metrics as JSON.

    Examples: [bold]avloc evaluate alignment-full-0 toy[/bold], [bold]avloc evaluate --weights
    data/weights/ours.pth.tar --benchmark vggss[/bold]
    """
    parameters = Parameters()
    if run is not None and on is not None and weights is None:
        _evaluate_run(parameters, run, on)
    elif run is None and weights is not None and benchmark is not None:
        path, method = given_weights(weights, method, published_weights())
        metrics = _evaluate_file(parameters, path, method, benchmark, corpus, trained_on)
        typer.echo(json.dumps(metrics, indent=2))
    else:
        raise InputError("expected a run and a corpus, or --weights and --benchmark")


def _evaluate_run(parameters: Parameters, run: str, on: str) -> None:
    values = settings(parameters, run, on)
    # Not one of the stage's parameters: the bytes are the same, so another engine reruns nothing.
    execution = parameters.read("execution", Execution)
    place = f"{values.train_on.search}/{run}"
    weights = run_folder(place) / "weights.safetensors"
    inputs = _inputs(values, on, method_name(load_weights(weights)))
    promised = read_json(tests_file(on))
    folder = results_folder(place, on)
    remove_partials(folder)
    made = evaluate_run(
        weights,
        run_folder(place) / "training_clips.txt",
        inputs,
        {name: promised.get(name, {}) for name in values.benchmarks},
        folder,
        work=WORK / "evaluate" / place / on,
        engine=Engine(
            execution.engine,
            execution.address,
            workers=max(1, usable_cores() // values.values.threads),
            cpus=values.values.threads,
            gpus=int(torch.cuda.is_available()),
        ),
    )
    for name, metrics in made:
        show_scores(f"{place} on {name}", metrics, folder)


def show_scores(title: str, metrics: Mapping[str, float], folder: Path) -> None:
    """The score that matters and the best baseline's; on a terminal, all that a paper prints beside
    the baselines'."""
    baselines = list(dict.fromkeys(key.split(".", 1)[1] for key in metrics if "." in key))
    shown = [key for key in metrics if "." not in key and not _DETAIL.search(key)]
    rows = [
        [key, *map(_score, [metrics[key], *(metrics.get(f"{key}.{name}") for name in baselines)])]
        for key in shown
    ]
    note = f"{folder / 'metrics.json'} has all {len(metrics)}"
    show_table(f"evaluate {title}", ["", "run", *baselines], rows, note, _line(metrics))


def _line(metrics: Mapping[str, float]) -> str:
    """'cIoU 42.86, the best baseline's 32.06 (centre)': the first that is there of what matters."""
    name = next((name for name in _MATTERS if name in metrics), "samples")
    others = {key.split(".", 1)[1]: metrics[key] for key in metrics if key.startswith(f"{name}.")}
    others.pop("bound", None)  # no method's, but the most that there is to have
    line = f"{name} {_score(metrics.get(name, 0))}"
    if not others:
        return line
    best = max(others, key=lambda baseline: others[baseline])
    return f"{line}, the best baseline's {_score(others[best])} ({best})"


def _score(value: float | None) -> str:
    """A count as it is, a score with two digits behind the point."""
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.2f}"


def _evaluate_file(
    parameters: Parameters,
    weights: Path,
    name: str | None,
    benchmark: str,
    corpus: str | None,
    trained_on: Path | None,
) -> dict[str, float]:
    world, on, values = _place(parameters, benchmark, corpus)
    name = name or method_in(weights)
    own, _ = method_settings(parameters, world, name, {})
    form = parameters.read(f"{world}.forms.{name}", SoundForm)
    opened = open_weights(weights, name, own, form)
    training_clips = read_clip_list(trained_on) if trained_on else None
    scorer = Scorer(opened, _inputs(values, on, method_name(opened)))
    return scorer.score(benchmark, training_clips).metrics


def _inputs(values: Settings, on: str, method: str) -> Inputs:
    return Inputs(
        decoded_folder(on),
        spectrograms_folder(on, method),
        Path(values.corpus.root),
        values.annotations,
        values.weights,
        values.values,
    )


def _place(parameters: Parameters, benchmark: str, corpus: str | None) -> tuple[str, str, Settings]:
    """Settings' key, corpus and the rest of the first study, the active one before the others, that
    tests on a benchmark (on the corpus, where one is named), or that tests on the corpus."""
    found: list[tuple[str, str]] = []
    for study in all_studies(parameters).values():
        for on, names in study.tests.items():
            found += [(on, name) for name in names]
            if corpus in (None, on) and (benchmark in names or corpus == on):
                world = study.settings
                values = parameters.read(f"{world}.evaluate", Evaluate)
                place = (Path(study.annotations), Path(study.weights), study.train_on)
                return world, on, Settings(*place, study.corpora[on], names, values)
    known = sorted({on if corpus else name for on, name in found})
    raise InputError(
        f"{parameters.path}: no study tests on {corpus or benchmark!r}, expected one of "
        f"{', '.join(known)}"
    )
