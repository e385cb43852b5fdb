"""Stage evaluate: one run on one benchmark, beside the baselines."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.base.params import Embed, Evaluate, EvaluationItem, Ground, Parameters, Train
from pipeline.errors import InputError
from pipeline.execution.summary import show_table
from stages.load import open_published
from stages.paths import decoded_folder, results_folder, run_folder

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipeline.benchmarks import Benchmark
    from pipeline.clips.decoded import DecodedCorpus
    from pipeline.evaluate.evaluation import Evaluation
    from pipeline.methods.localizer import Localizer

# Variants of a score, of which there are several times as many.
_DETAIL = re.compile("_ogl|_single|_i2a|R@5|R@10|AUC_adaptive")


def settings(parameters: Parameters, name: str) -> tuple[EvaluationItem, Embed, Evaluate]:
    """The parameters of the stage."""
    item = parameters.read(f"active.evaluations.{name}", EvaluationItem)
    embed = parameters.read(item.ground.embed, Embed)
    return item, embed, parameters.read(item.ground.evaluate, Evaluate)


def evaluate(
    name: Annotated[
        str | None, typer.Argument(help="An evaluation of the active study; or --weights instead.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="A localizer's file: a published .pth.tar or safetensors.")
    ] = None,
    benchmark: Annotated[
        str | None, typer.Option(help="With --weights: vggss, flickr, ...")
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option(help="With --weights: the decoded corpus; by default the study's for it."),
    ] = None,
    train: Annotated[
        str, typer.Option(help="With --weights: the parameters that say what the file is fed.")
    ] = "paper.train",
    projections: Annotated[
        tuple[str, str] | None,
        typer.Option(help="With --weights: the names of p_v and p_a in a published file."),
    ] = None,
    trained_on: Annotated[
        Path | None, typer.Option(help="With --weights: the training list, to count leaked clips.")
    ] = None,
) -> None:
    """Score a run on a benchmark; or a weight file, and print its metrics as JSON.

    Examples: [bold]avloc evaluate toy-scenes[/bold], [bold]avloc evaluate --weights
    data/weights/ours.pth.tar --benchmark vggss[/bold]
    """
    parameters = Parameters()
    if name is not None and weights is None:
        _evaluate_run(parameters, name)
    elif name is None and weights is not None and benchmark is not None:
        ground = _ground(parameters, benchmark, corpus)
        values = parameters.read(train, Train)
        metrics = _evaluate_file(
            parameters, weights, benchmark, ground, values, projections, trained_on
        )
        typer.echo(json.dumps(metrics, indent=2))
    else:
        raise InputError("expected the name of an evaluation, or --weights and --benchmark")


def _evaluate_run(parameters: Parameters, name: str) -> None:
    from pipeline.base.files import (
        read_json,
        remove_partials,
        write_json,
        write_npy,
        write_parquet,
        write_tsv,
    )
    from pipeline.benchmarks.tasks import ScenesBenchmark
    from pipeline.corpora.lists import read_clip_list
    from pipeline.methods.localizer import load_localizer
    from pipeline.predict.published import check_form
    from pipeline.report.scenes import draw_benchmark_scenes

    item, embed, values = settings(parameters, name)
    run = run_folder(item.run)
    localizer = load_localizer(run / "weights.safetensors")
    form = read_json(decoded_folder(item.ground.corpus) / "settings.json")
    check_form(str(run / "weights.safetensors"), localizer.usage, form)
    training_clips = read_clip_list(run / "training_clips.txt")
    result, benchmark, corpus = _scored(
        localizer, item.benchmark, item.ground, embed, values, training_clips
    )
    folder = results_folder(name)
    remove_partials(folder)
    write_parquet(folder / "details" / "samples.parquet", result.scores.rows)
    if result.maps is not None:
        write_npy(folder / "details" / "maps.npy", result.maps)
        if isinstance(benchmark, ScenesBenchmark):
            path = folder / "details" / "scenes.png"
            draw_benchmark_scenes(path, benchmark, corpus, result.maps)
    (folder / "curves").mkdir(parents=True, exist_ok=True)
    for curve, table in result.scores.curves.items():
        write_tsv(folder / "curves" / f"{curve}.tsv", table)
    write_json(folder / "metrics.json", result.metrics)
    show_scores(name, result.metrics)


def show_scores(name: str, metrics: dict[str, float]) -> None:
    """On a terminal, the scores that a paper prints beside the baselines'."""
    baselines = list(dict.fromkeys(key.split(".", 1)[1] for key in metrics if "." in key))
    told = [key for key in metrics if "." not in key and not _DETAIL.search(key)]
    rows = [
        [key, *map(_score, [metrics[key], *(metrics.get(f"{key}.{name}") for name in baselines)])]
        for key in told
    ]
    note = f"{results_folder(name) / 'metrics.json'} has all {len(metrics)}"
    show_table(f"evaluate {name}", ["", "run", *baselines], rows, note)


def _score(value: float | None) -> str:
    """A count as it is, a score with two digits behind the point."""
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.2f}"


def _evaluate_file(
    parameters: Parameters,
    weights: Path,
    benchmark: str,
    ground: Ground,
    fed: Train,
    projections: tuple[str, str] | None,
    trained_on: Path | None,
) -> dict[str, float]:
    from pipeline.corpora.lists import read_clip_list

    localizer = open_published(weights, ground.corpus, fed, projections)
    embed = parameters.read(ground.embed, Embed)
    values = parameters.read(ground.evaluate, Evaluate)
    training_clips = read_clip_list(trained_on) if trained_on else []
    metrics = _scored(localizer, benchmark, ground, embed, values, training_clips)[0].metrics
    if not trained_on:
        del metrics["leaked_clips"]  # nobody said what the file was trained on
    return metrics


def _scored(
    localizer: "Localizer",
    name: str,
    ground: Ground,
    embed: Embed,
    values: Evaluate,
    training_clips: "Collection[str]",
) -> "tuple[Evaluation, Benchmark, DecodedCorpus]":
    """A localizer on a benchmark."""
    import torch

    from pipeline.benchmarks import NOISE, SILENCE, open_benchmark
    from pipeline.clips.decoded import DecodedCorpus
    from pipeline.encoders.load import load_image_encoder
    from pipeline.evaluate.evaluation import evaluate as evaluate_benchmark
    from pipeline.methods.localizer import Localizer
    from pipeline.predict.predictor import Predictor, made_sounds

    torch.set_num_threads(values.threads)
    corpus = DecodedCorpus(decoded_folder(ground.corpus))
    benchmark = open_benchmark(name, Path(ground.annotations), corpus, Path(ground.root))
    untrained = Localizer(localizer.architecture, seed=values.seed, usage=localizer.usage)
    reserved = dict(zip((SILENCE, NOISE), made_sounds(localizer.usage, values.seed), strict=True))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    result = evaluate_benchmark(
        benchmark,
        Predictor(localizer, corpus, reserved=reserved, batch=values.batch, device=device),
        Predictor(untrained, corpus, reserved=reserved, batch=values.batch, device=device),
        load_image_encoder(Path(ground.weights), embed.image_model, embed.side).to(device),
        training_clips,
        seed=values.seed,
        batch=values.batch,
    )
    return result, benchmark, corpus


def _ground(parameters: Parameters, benchmark: str, corpus: str | None) -> Ground:
    """What a benchmark stands on in the first study, the active one before the others, that
    evaluates it (on the corpus, where one is named), or that evaluates anything on the corpus."""
    items = [item for study in parameters.studies() for item in study.evaluations.values()]
    on_corpus = [item for item in items if corpus in (None, item.ground.corpus)]
    fitting = [item for item in on_corpus if item.benchmark == benchmark]
    if corpus and not fitting:
        fitting = on_corpus
    if not fitting:
        found = sorted({item.ground.corpus if corpus else item.benchmark for item in items})
        raise InputError(
            f"{parameters.path}: no study evaluates on {corpus or benchmark!r}, expected one of "
            f"{', '.join(found)}"
        )
    return fitting[0].ground
