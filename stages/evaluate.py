"""Stage evaluate: one run on one benchmark, beside the baselines."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.params import Embed, Evaluate, EvaluationItem, Parameters
from stages.paths import decoded_folder, results_folder, run_folder


def settings(parameters: Parameters, name: str) -> tuple[EvaluationItem, Embed, Evaluate]:
    """The parameters of the stage."""
    item = parameters.read(f"active.evaluations.{name}", EvaluationItem)
    embed = parameters.read(item.ground.embed, Embed)
    return item, embed, parameters.read(item.ground.evaluate, Evaluate)


def evaluate(
    name: Annotated[str, typer.Argument(help="An evaluation of the active study.")],
) -> None:
    """Score a run on a benchmark. Example: [bold]avloc evaluate toy-scenes[/bold]"""
    import torch

    from pipeline.benchmarks import NOISE, SILENCE, open_benchmark
    from pipeline.benchmarks.scenes import ScenesBenchmark
    from pipeline.corpora.lists import read_clip_list
    from pipeline.decoded import DecodedCorpus
    from pipeline.encoders import load_image_encoder
    from pipeline.evaluation import evaluate as evaluate_benchmark
    from pipeline.localizer import Localizer, load_localizer
    from pipeline.prediction import Predictor, made_sounds
    from pipeline.report.scenes import draw_benchmark_scenes
    from pipeline.shards import write_json, write_npy, write_parquet, write_tsv

    item, embed, values = settings(Parameters(), name)
    torch.set_num_threads(values.threads)
    corpus = DecodedCorpus(decoded_folder(item.ground.corpus))
    benchmark = open_benchmark(
        item.benchmark, Path(item.ground.annotations), corpus, Path(item.ground.root)
    )
    run = run_folder(item.run)
    localizer = load_localizer(run / "weights.safetensors")
    untrained = Localizer(localizer.architecture, seed=values.seed, usage=localizer.usage)
    reserved = dict(zip((SILENCE, NOISE), made_sounds(localizer.usage, values.seed), strict=True))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    result = evaluate_benchmark(
        benchmark,
        Predictor(localizer, corpus, reserved=reserved, batch=values.batch, device=device),
        Predictor(untrained, corpus, reserved=reserved, batch=values.batch, device=device),
        load_image_encoder(Path(item.ground.weights), embed.image_model, embed.side).to(device),
        read_clip_list(run / "training_clips.txt"),
        seed=values.seed,
        batch=values.batch,
    )
    folder = results_folder(name)
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
