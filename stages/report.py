"""Stage report: one page with the tables, curves and galleries of a study."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.files import (
    atomic_file,
    map_npy,
    read_json,
    read_parquet,
    read_tsv,
    write_json,
)
from pipeline.base.params import Parameters
from pipeline.base.study import Study, active_study, all_studies
from pipeline.benchmarks import open_benchmark
from pipeline.benchmarks.seen import as_seen
from pipeline.benchmarks.tasks import ScenesBenchmark
from pipeline.clips.decoded import DecodedCorpus
from pipeline.corpora.lists import read_clip_list
from pipeline.errors import InputError
from pipeline.execution.outputs import check_outputs
from pipeline.execution.progress import track
from pipeline.execution.summary import show_summary
from pipeline.report.clips import Clips
from pipeline.report.collect import runs_of, scores_of
from pipeline.report.comparison import comparison
from pipeline.report.gallery import gallery, retrieval_gallery
from pipeline.report.headline import headline
from pipeline.report.health import corpora_health, leakage
from pipeline.report.introduction import reading, run_table
from pipeline.report.page import Section, benchmark_content, page, together
from pipeline.report.runs import Scored, sample_counts
from pipeline.report.scenes import draw_scenes_of
from pipeline.report.scores import curve_charts, score_table, training_charts
from stages.paths import DATA, decoded_folder, results_folder, run_folder

REPORT = DATA / "report" / "index.html"


def report(
    study: Annotated[
        str | None, typer.Argument(help="A study of params.yaml; by default the active one.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = REPORT,
) -> None:
    """Write the page of a study: tables beside the paper's, curves, and cases to look at and hear.

    Beside data/report/index.html lie scores.json, the few numbers that DVC shows, and, where the
    study is scored on the toy's scenes, scenes.png.

    Example: [bold]avloc report[/bold], then open data/report/index.html
    """
    parameters = Parameters()
    official = out == REPORT
    scenes, scores = REPORT.with_name("scenes.png"), REPORT.with_name("scores.json")
    read = [parameters.path, *(DATA / kind for kind in ("decoded", "results", "runs"))]
    check_outputs([out, *([scenes, scores] if official else [])], read)
    studies = all_studies(parameters)
    if study is not None and study not in studies:
        known = ", ".join(studies)
        raise InputError(f"{parameters.path}: no study {study!r}, expected one of {known}")
    own = active_study(parameters) if study is None else studies[study]
    title = study or next(iter(studies))
    _check_made(own, title)
    scored = scores_of(own, run_folder, results_folder, None)
    others = [
        item
        for name, entry in studies.items()
        if entry != own
        for item in scores_of(entry, run_folder, results_folder, name)
    ]
    shown = {(item.run.folder, item.benchmark) for item in scored}
    apart = {(item.run.folder, item.benchmark): item for item in reversed(others)}
    others = [item for key, item in apart.items() if key not in shown]
    everything = [*scored, *reversed(others)]
    runs = list(runs_of(own, run_folder).values())
    clips = {
        run.folder: len(read_clip_list(run_folder(run.folder) / "training_clips.txt"))
        for run in runs
    }
    histories = {
        trained.name: read_tsv(run_folder(folder) / "history.tsv")
        for folder, trained in own.trained().items()
    }
    summaries = {
        corpus: read_json(decoded_folder(corpus) / "summary.json") for corpus in own.corpora
    }
    sections = [
        Section("runs", "Runs", run_table(runs, clips)),
        Section("tables", "The paper's tables", together(comparison(everything), "tables")),
        Section("training", "Training", together(training_charts(histories), "curves")),
    ]
    opened: dict[str, Clips] = {}
    for item in track(scored, f"report of {title}", len(scored)):
        sections.append(_benchmark(item, own, opened))
    health = together([corpora_health(summaries), leakage(scored)], "health")
    sections.append(Section("corpora", "The corpora's health", health, "Corpora"))
    text = page(f"avloc: study {title}", reading(everything), sections)
    with atomic_file(out) as file:
        file.write(text.encode())
    if official:
        write_json(scores, headline(scored))
        _draw_scenes(scored, own, opened, scenes)
    counted = {"runs": len(runs), "evaluations": len(scored), "of other studies": len(others)}
    show_summary(f"report of {title}", counted, out)


def _check_made(study: Study, name: str) -> None:
    """Raise `InputError` unless every stage before this one has run for the study."""
    needed = [decoded_folder(corpus) / "summary.json" for corpus in study.corpora]
    needed += [run_folder(folder) / "history.tsv" for folder in study.trained()]
    needed += [
        results_folder(folder, corpus) / "metrics.json"
        for folder in study.trained()
        for corpus in study.tests
    ]
    missing = [path for path in needed if not path.is_file()]
    if missing:
        raise InputError(
            f"study {name}: not found: {len(missing)} of {len(needed)} files that its report is "
            f"made of, {missing[0]} first; `dvc repro` makes them where it is the active one"
        )


def _benchmark(scored: Scored, study: Study, opened: dict[str, Clips]) -> Section:
    """The section of one evaluation."""
    folder = results_folder(scored.run.folder, scored.corpus)
    root = Path(study.corpora[scored.corpus].root)
    if scored.corpus not in opened:
        opened[scored.corpus] = Clips(DecodedCorpus(decoded_folder(scored.corpus)), root)
    clips = opened[scored.corpus]
    whole = open_benchmark(scored.benchmark, Path(study.annotations), clips.corpus, root)
    benchmark = as_seen(whole, clips.corpus)
    details = folder / "details" / scored.benchmark
    rows = read_parquet(details / "samples.parquet")
    if benchmark.wants_maps:
        cases = gallery(benchmark, rows, map_npy(details / "maps.npy"), clips)
    else:
        cases = retrieval_gallery(benchmark, rows, benchmark.classes, clips)
    paths = sorted((folder / "curves" / scored.benchmark).glob("*.tsv"))
    curves = {path.stem: read_tsv(path) for path in paths}
    facts = f"Run {scored.run.name} on corpus {scored.corpus}: {sample_counts(scored.metrics)}."
    content = benchmark_content(facts, curve_charts(curves), score_table(scored), cases)
    return Section(scored.name, scored.name, content, class_="benchmark")


def _draw_scenes(scored: list[Scored], study: Study, opened: dict[str, Clips], path: Path) -> None:
    """The picture of the study's first evaluation on the toy's scenes, where it has one."""
    for item in scored:
        if item.benchmark.startswith("scenes"):  # the toy's own, with masks and swaps
            corpus = opened[item.corpus].corpus
            root = Path(study.corpora[item.corpus].root)
            whole = open_benchmark(item.benchmark, Path(study.annotations), corpus, root)
            benchmark = as_seen(whole, corpus)
            assert isinstance(benchmark, ScenesBenchmark)
            folder = results_folder(item.run.folder, item.corpus) / "details" / item.benchmark
            draw_scenes_of(folder, corpus, benchmark, path)
            return
