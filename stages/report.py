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
from pipeline.execution.outputs import check_ending, check_outputs
from pipeline.execution.progress import console, track
from pipeline.execution.summary import show_summary
from pipeline.report.clips import Clips
from pipeline.report.collect import runs_of, scores_of
from pipeline.report.comparison import comparison
from pipeline.report.disagreement import CARDS, Judged, share_of, side_by_side
from pipeline.report.expected import EXPECTED, compared, verdict
from pipeline.report.gallery import gallery, retrieval_gallery
from pipeline.report.headline import headline
from pipeline.report.health import corpora_health, leakage
from pipeline.report.introduction import facts, reading, run_table
from pipeline.report.overview import overview
from pipeline.report.page import Section, benchmark_content, page, together
from pipeline.report.runs import Group, Scored, groups, groups_of_runs
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
    check_ending(out, (".html", ".htm"), "a page")
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
        group.label: [read_tsv(run_folder(run.folder) / "history.tsv") for run in group.runs]
        for group in groups_of_runs([run for run in runs if run.seed is not None])
    }
    summaries = {
        corpus: read_json(path)
        for corpus in own.corpora
        if (path := decoded_folder(corpus) / "summary.json").is_file()
    }
    sections = [
        Section("runs", "Runs", run_table(runs, clips)),
        Section("overview", "All runs on all benchmarks", overview(scored), "Overview"),
        Section("tables", "The paper's tables", together(comparison(everything), "tables")),
        Section("training", "Training", together(training_charts(histories), "curves")),
    ]
    opened: dict[str, Clips] = {}
    tested = list(dict.fromkeys((item.corpus, item.benchmark) for item in scored))
    for corpus, name in track(tested, f"report of {title}", len(tested)):
        items = [item for item in scored if (item.corpus, item.benchmark) == (corpus, name)]
        sections.append(_benchmark(items, own, opened, share_of(CARDS, len(tested))))
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
    console.print(f"{out} is the page: open it in a browser.", markup=False, soft_wrap=True)
    if official and runs and EXPECTED.is_file():
        run = read_json(run_folder(runs[0].folder) / "run.json")
        if judged := compared(EXPECTED, read_json(scores), run):
            console.print(verdict(judged), markup=False, soft_wrap=True)


def _check_made(study: Study, name: str) -> None:
    """Tell what of the study is not made yet; raise `InputError` where no evaluation is."""
    needed = [decoded_folder(corpus) / "summary.json" for corpus in study.corpora]
    needed += [run_folder(folder) / "history.tsv" for folder in study.trained()]
    needed += [
        results_folder(folder, corpus) / "metrics.json"
        for folder in study.trained()
        for corpus in study.tests
    ]
    missing = [path for path in needed if not path.is_file()]
    if not missing:
        return
    told = (
        f"study {name}: not found: {len(missing)} of {len(needed)} files that its report is made "
        f"of, {missing[0]} first; `dvc repro` makes them where it is the active one"
    )
    if all(path.name != "metrics.json" or path in missing for path in needed):
        raise InputError(told)
    console.print(f"{told}. The page is of what is there.", markup=False, soft_wrap=True)


def _benchmark(items: list[Scored], study: Study, opened: dict[str, Clips], count: int) -> Section:
    """The section of one benchmark with all its runs; of `count` samples their maps."""
    corpus, name = items[0].corpus, items[0].benchmark
    root = Path(study.corpora[corpus].root)
    if corpus not in opened:
        opened[corpus] = Clips(DecodedCorpus(decoded_folder(corpus)), root)
    clips = opened[corpus]
    whole = open_benchmark(name, Path(study.annotations), clips.corpus, root)
    benchmark = as_seen(whole, clips.corpus)
    runs = groups(items)
    curves = [(group.label, curve_charts(_curves(group))) for group in runs]
    if len(runs) > 1 and benchmark.wants_maps:
        cases = side_by_side(benchmark, [_judged(group) for group in runs], clips, count)
    else:
        details = _details(items[0])
        rows = read_parquet(details / "samples.parquet")
        if benchmark.wants_maps:
            cases = gallery(benchmark, rows, map_npy(details / "maps.npy"), clips)
        else:
            cases = retrieval_gallery(benchmark, rows, benchmark.classes, clips)
    alone = sum(other == name for names in study.tests.values() for other in names) == 1
    key = name if alone else f"{name}-{corpus}"
    whose = "" if len(runs) > 1 and benchmark.wants_maps else items[0].run.name
    content = benchmark_content(facts(runs, corpus), curves, score_table(name, runs), cases, whose)
    return Section(key, key, content, class_="benchmark")


def _details(scored: Scored) -> Path:
    return results_folder(scored.run.folder, scored.corpus) / "details" / scored.benchmark


def _curves(group: Group) -> dict[str, dict[str, list[float]]]:
    """The curves of a run's first seed on its only benchmark."""
    first = group.scored[0]
    folder = results_folder(first.run.folder, first.corpus) / "curves" / first.benchmark
    return {path.stem: read_tsv(path) for path in sorted(folder.glob("*.tsv"))}


def _judged(group: Group) -> Judged:
    """A run's samples of each seed on its only benchmark, and the maps of the first one."""
    tables = [read_parquet(_details(item) / "samples.parquet") for item in group.scored]
    return Judged(group.label, tables, map_npy(_details(group.scored[0]) / "maps.npy"))


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
