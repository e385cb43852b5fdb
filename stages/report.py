"""Stage report: one page with the tables, curves and galleries of a study."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.base.params import EvaluationItem, Parameters, Study, Train
from pipeline.errors import InputError
from pipeline.execution.summary import show_summary
from stages.paths import (
    DATA,
    check_outputs,
    decoded_folder,
    results_folder,
    run_folder,
    toy_folder,
)

if TYPE_CHECKING:
    from pipeline.report.clips import Clips
    from pipeline.report.page import Section
    from pipeline.report.runs import Run, Scored

REPORT = DATA / "report" / "index.html"
SCENES = REPORT.with_name("scenes.png")


def settings(
    parameters: Parameters, name: str
) -> tuple[Study, dict[str, Study], dict[str, dict[str, Train]]]:
    """The parameters of the stage: its study, all others by name, whose results the tables take
    where they are there, and the training values of each run by its study ('' is the stage's)."""
    study = parameters.read(name, Study)
    studies = parameters.read("studies", dict[str, Study])
    values = {
        key: {
            run: parameters.read(item.train, Train, item.override)
            for run, item in entry.runs.items()
        }
        for key, entry in {"": study, **studies}.items()
    }
    return study, studies, values


def report(
    study: Annotated[str, typer.Argument(help="The key of a study.")] = "active",
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = REPORT,
) -> None:
    """Write the page of a study: tables beside the paper's, curves, and cases to look at and hear.

    Where the study is scored on the toy's scenes, scenes.png lies beside data/report/index.html.

    Example: [bold]avloc report[/bold], then open data/report/index.html
    """
    from pipeline.base.files import atomic_file, read_json, read_tsv
    from pipeline.execution.progress import track
    from pipeline.report.comparison import comparison
    from pipeline.report.health import corpora_health, leakage
    from pipeline.report.introduction import reading, run_table
    from pipeline.report.page import Section, page, together
    from pipeline.report.scores import training_charts

    parameters = Parameters()
    outputs = [out, SCENES] if out == REPORT else [out]
    inputs = [parameters.path, *(DATA / kind for kind in ("decoded", "results", "runs"))]
    check_outputs(outputs, inputs)
    own, studies, values = settings(parameters, study)
    _check_made(own, study)
    title = next((name for name, entry in studies.items() if entry == own), study)
    scored = _scored(own, values[""], None)
    others = [
        item
        for name, entry in studies.items()
        if entry != own
        for item in _scored(entry, values[name], name)
    ]
    known = {item.name for item in scored}
    others = list({item.name: item for item in reversed(others) if item.name not in known}.values())
    everything = [*scored, *reversed(others)]
    runs = list(_runs(own, values[""]).values())
    clips = {run.name: _lines(run_folder(run.name) / "training_clips.txt") for run in runs}
    histories = {run: read_tsv(run_folder(run) / "history.tsv") for run in own.runs}
    summaries = {
        corpus: read_json(decoded_folder(corpus) / "summary.json") for corpus in own.corpora
    }

    sections = [
        Section("runs", "Runs", run_table(runs, clips)),
        Section("tables", "The paper's tables", together(comparison(everything), "tables")),
        Section("training", "Training", together(training_charts(histories), "curves")),
    ]
    opened: dict[tuple[str, str], Clips] = {}
    for item in track(scored, f"report of {title}", len(scored)):
        sections.append(_benchmark(item, own.evaluations[item.name], opened))
    health = together([corpora_health(summaries), leakage(scored)], "health")
    sections.append(Section("corpora", "The corpora's health", health, "Corpora"))
    text = page(f"avloc: study {title}", reading(everything), sections)
    with atomic_file(out) as file:
        file.write(text.encode())
    if out == REPORT:
        _draw_scenes(own, opened)
    counted = {"runs": len(runs), "evaluations": len(scored), "of other studies": len(others)}
    show_summary(f"report of {title}", counted, out)


def _draw_scenes(study: Study, opened: "dict[tuple[str, str], Clips]") -> None:
    """The picture of the study's first evaluation on the toy's scenes, where it has one."""
    from pipeline.benchmarks import open_benchmark
    from pipeline.benchmarks.sets.scenes import SPLITS, ScenesBenchmark
    from pipeline.report.scenes import draw_scenes_of

    for name, item in study.evaluations.items():
        if item.benchmark in SPLITS:
            ground = item.ground
            corpus = opened[ground.corpus, ground.root].corpus
            root, annotations = Path(ground.root), Path(ground.annotations)
            benchmark = open_benchmark(item.benchmark, annotations, corpus, root)
            if isinstance(benchmark, ScenesBenchmark) and benchmark.swaps:
                draw_scenes_of(results_folder(name), corpus, benchmark, SCENES)
                return


def _check_made(study: Study, key: str) -> None:
    """Raise `InputError` unless every stage before this one has run for the study."""
    needed = [decoded_folder(corpus) / "summary.json" for corpus in study.corpora]
    needed += [run_folder(run) / "history.tsv" for run in study.runs]
    needed += [results_folder(name) / "metrics.json" for name in study.evaluations]
    missing = [path for path in needed if not path.is_file()]
    if missing:
        raise InputError(
            f"study {key}: not found: {len(missing)} of {len(needed)} files that its report is "
            f"made of, {missing[0]} first; `dvc repro` makes them where it is the active one"
        )


def _runs(study: Study, values: dict[str, Train]) -> "dict[str, Run]":
    """The runs of a study, trained and published."""
    from pipeline.report.runs import Run

    runs = {}
    for name, item in study.runs.items():
        fed = values[name]
        listed = study.searches[item.search].list
        # What one seed and another have in common; how the work is spread changes no score.
        alike = asdict(replace(fed, seed=0, threads=1, workers=0))
        runs[name] = Run(
            name,
            Path(listed).name,
            study.corpora[item.corpus].reader,
            json.dumps([item.corpus, listed, alike], sort_keys=True),
            fed.seed,
            fed.epochs,
            fed.batch,
            fed.pooling,
            fed.k,
            (fed.semantic, fed.multi_view, fed.feature_alignment),
        )
    for name, published in study.published.items():
        layout = study.corpora[published.corpus].reader
        runs[name] = Run(name, Path(published.list).name, layout, name)
    return runs


def _scored(study: Study, values: dict[str, Train], name: str | None) -> "list[Scored]":
    """The scores of a study; of another one than the report's (`name`) those that are there."""
    from pipeline.base.files import read_json
    from pipeline.report.runs import Scored

    runs = _runs(study, values)
    found = []
    for key, item in study.evaluations.items():
        path = results_folder(key) / "metrics.json"
        if name is None or path.is_file():
            made = any(Path(item.ground.root).is_relative_to(toy_folder(toy)) for toy in study.toys)
            run, corpus = runs[item.run], item.ground.corpus
            scores = read_json(path)
            found.append(Scored(key, run, item.benchmark, corpus, made, name, scores))
    return found


def _benchmark(
    scored: "Scored", item: EvaluationItem, opened: "dict[tuple[str, str], Clips]"
) -> "Section":
    """The section of one evaluation."""
    from pipeline.base.files import map_npy, read_parquet, read_tsv
    from pipeline.benchmarks import open_benchmark
    from pipeline.clips.decoded import DecodedCorpus
    from pipeline.report.clips import Clips
    from pipeline.report.gallery import gallery, retrieval_gallery
    from pipeline.report.page import Section, benchmark_content
    from pipeline.report.runs import sample_counts
    from pipeline.report.scores import curve_charts, score_table

    ground = item.ground
    folder = results_folder(scored.name)
    key = (ground.corpus, ground.root)
    if key not in opened:
        opened[key] = Clips(DecodedCorpus(decoded_folder(ground.corpus)), Path(ground.root))
    clips = opened[key]
    root, annotations = Path(ground.root), Path(ground.annotations)
    benchmark = open_benchmark(item.benchmark, annotations, clips.corpus, root)
    rows = read_parquet(folder / "details" / "samples.parquet")
    if benchmark.wants_maps:
        cases = gallery(benchmark, rows, map_npy(folder / "details" / "maps.npy"), clips)
    else:
        cases = retrieval_gallery(benchmark, rows, getattr(benchmark, "classes", None), clips)
    curves = {path.stem: read_tsv(path) for path in sorted((folder / "curves").glob("*.tsv"))}
    facts = f"Run {scored.run.name} on corpus {scored.corpus}: {sample_counts(scored.metrics)}."
    content = benchmark_content(facts, curve_charts(curves), score_table(scored), cases)
    return Section(scored.name, scored.name, content, class_="benchmark")


def _lines(path: Path) -> int:
    from pipeline.corpora.lists import read_clip_list

    return len(read_clip_list(path))
