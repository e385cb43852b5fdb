"""Stage evaluate: one run on the benchmarks of one corpus, beside the baselines."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
import typer

from pipeline.base.files import (
    read_json,
    remove_partials,
    write_json,
    write_npy,
    write_parquet,
    write_tsv,
)
from pipeline.base.params import Parameters
from pipeline.base.study import Corpus, TrainOn, all_studies
from pipeline.benchmarks import open_benchmark
from pipeline.benchmarks.manifest import describe
from pipeline.benchmarks.seen import as_seen
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SoundForm
from pipeline.corpora.lists import read_clip_list
from pipeline.encoders.imagenet import load_image_encoder
from pipeline.errors import InputError
from pipeline.evaluate.evaluation import Evaluation, ObjectMaps, evaluate_method
from pipeline.evaluate.settings import Evaluate
from pipeline.execution.checkpoints import given_weights
from pipeline.execution.summary import show_table
from pipeline.methods.common.files import load_weights, method_in, open_weights
from pipeline.methods.common.sections import method_settings
from pipeline.methods.contract import Method, method_name
from pipeline.networks.device import best_device
from stages.paths import (
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
    place = f"{values.train_on.search}/{run}"
    method = load_weights(run_folder(place) / "weights.safetensors")
    training_clips = read_clip_list(run_folder(place) / "training_clips.txt")
    folder = results_folder(place, on)
    remove_partials(folder)
    promised = read_json(tests_file(on))
    scorer = _Scorer(method, on, values)
    metrics: dict[str, Mapping[str, float]] = {}
    (folder / "curves").mkdir(parents=True, exist_ok=True)
    for name in values.benchmarks:
        result = scorer.score(name, training_clips, promised.get(name))
        details = folder / "details" / name
        write_parquet(details / "samples.parquet", result.scores.rows)
        if result.maps is not None:
            write_npy(details / "maps.npy", result.maps)
        for curve, table in result.scores.curves.items():
            write_tsv(folder / "curves" / name / f"{curve}.tsv", table)
        metrics[name] = result.metrics
        show_scores(f"{place} on {name}", result.metrics, folder)
    write_json(folder / "metrics.json", metrics)


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
    method = open_weights(weights, name, own, form)
    training_clips = read_clip_list(trained_on) if trained_on else None
    return _Scorer(method, on, values).score(benchmark, training_clips).metrics


class _Scorer:
    """A method on the benchmarks of one corpus."""

    def __init__(self, method: Method, on: str, settings: Settings) -> None:
        torch.set_num_threads(settings.values.threads)
        self.method, self.settings, self.device = method, settings, best_device()
        spectrograms = spectrograms_folder(on, method_name(method))
        self.corpus = DecodedCorpus(decoded_folder(on), spectrograms)
        values = settings.values
        encoder = load_image_encoder(settings.weights, values.object_model, values.object_side)
        self.objects = ObjectMaps(self.corpus, encoder.to(self.device), values.batch)

    def score(
        self,
        name: str,
        training_clips: Collection[str] | None,
        promised: Mapping[str, object] | None = None,
    ) -> Evaluation:
        """The method on a benchmark, which has to be what `promised` (see `describe`) says."""
        settings = self.settings
        root = Path(settings.corpus.root)
        benchmark = open_benchmark(name, settings.annotations, self.corpus, root)
        if promised is not None and describe(name, benchmark) != promised:
            raise InputError(
                f"{settings.annotations}: benchmark {name} has changed since stage tests looked at "
                f"it, expected the same; run dvc repro, or avloc tests first"
            )
        if settings.values.cropped_truth == "seen":
            benchmark = as_seen(benchmark, self.corpus)
        return evaluate_method(
            benchmark,
            self.method,
            self.corpus,
            self.objects,
            training_clips,
            seed=settings.values.seed,
            batch=settings.values.batch,
            device=self.device,
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
