"""Stage report: one page with the tables, curves and galleries of a study."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.files import atomic_file, read_json, read_tsv, write_json
from pipeline.base.params import Parameters
from pipeline.base.study import Study, active_study, all_studies
from pipeline.benchmarks.tasks import ScenesBenchmark
from pipeline.corpora.lists import read_clip_list
from pipeline.errors import InputError
from pipeline.execution.outputs import check_ending, check_outputs
from pipeline.execution.progress import console, track
from pipeline.execution.summary import show_summary
from pipeline.report.claims import claims_section
from pipeline.report.collect import runs_of, scores_of
from pipeline.report.comparison import comparison
from pipeline.report.conditions import MOVING, moments_table
from pipeline.report.expected import EXPECTED, compared, verdict
from pipeline.report.first_screen import first_screen
from pipeline.report.headline import headline
from pipeline.report.health import corpora_health, leakage
from pipeline.report.introduction import reading, run_table
from pipeline.report.overview import overview
from pipeline.report.page import Section, browser_content, page, paper_tables, together
from pipeline.report.provenance import provenance
from pipeline.report.runs import Run, Scored, groups, groups_of_runs
from pipeline.report.scenes import draw_scenes_of
from pipeline.report.scores import training_charts
from pipeline.report.sections import Sections
from stages.gallery import COUNT, write_gallery
from stages.paths import DATA, decoded_folder, moving_folder, results_folder, run_folder

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
    if own.index and not own.tests:
        _gallery(own, title, out, scores if official else None)
        return
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
    made = Sections(own, scored, decoded_folder, results_folder, _trained_clips(runs))
    tested = list(dict.fromkeys((item.corpus, item.benchmark) for item in scored))
    of_each = [
        [item for item in scored if (item.corpus, item.benchmark) == test] for test in tested
    ]
    benchmarks = list(track(made.sections(of_each), f"report of {title}", len(tested)))
    toy = any(item.made for item in scored)
    tables = paper_tables(comparison(everything), toy)
    browser, stored = browser_content(made.store) if len(made.store) else (None, None)
    health = together([corpora_health(summaries), leakage(scored)], "health")
    files = [run_folder(run.folder) / "weights.safetensors" for run in runs]
    files += [results_folder(run.folder, corpus) for run in runs for corpus in own.tests]
    paper = Section("tables", "The paper's tables", tables, "Paper's tables", folded=toy)
    sections = [
        Section("overview", "All runs on all benchmarks", overview(scored), "All scores"),
        *([] if toy else [paper]),
        *([Section("browser", "Every sample", browser)] if browser else []),
        *benchmarks,
        *_moments(own, runs),
        *_claims(scored),
        Section("training", "Training", together(training_charts(histories), "curves")),
        Section("runs", "Runs", together([run_table(runs, clips), provenance(files)], "health")),
        Section("corpora", "The corpora's health", health, "Corpora"),
        *([paper] if toy else []),
        Section("reading", "How to read this page", reading(everything), "How to read"),
    ]
    failing = made.failing
    text = page(
        f"avloc: study {title}", first_screen(scored, failing, own.left_out), sections, stored
    )
    with atomic_file(out) as file:
        file.write(text.encode())
    if official:
        write_json(scores, headline(scored))
        _draw_scenes(scored, made, scenes)
    counted = {"runs": len(runs), "evaluations": len(scored), "of other studies": len(others)}
    show_summary(f"report of {title}", counted, out)
    console.print(f"{out} is the page: open it in a browser.", markup=False, soft_wrap=True)
    if official and runs and EXPECTED.is_file():
        run = read_json(run_folder(runs[0].folder) / "run.json")
        if judged := compared(EXPECTED, read_json(scores), run):
            console.print(verdict(judged), markup=False, soft_wrap=True)


def _gallery(study: Study, title: str, out: Path, scores: Path | None) -> None:
    """The page of a study without a test: what its first run says of its first index' corpus."""
    (run, *_), (corpus, *_) = study.trained(), study.index
    counts = write_gallery(run, corpus, Path(study.corpora[corpus].root), out, COUNT)
    if scores is not None:
        write_json(scores, {corpus: counts})
    show_summary(f"report of {title}", counts, out, kind="gallery")


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


def _moments(study: Study, runs: Sequence[Run]) -> list[Section]:
    """The section of each toy whose moving clips some run is scored on."""
    sections = []
    for toy in study.moving:
        paths = {run: moving_folder(run.folder, toy) / "metrics.json" for run in runs}
        scored = [
            Scored(run, MOVING, toy, True, None, read_json(path))
            for run, path in paths.items()
            if path.is_file()
        ]
        if scored:
            table = moments_table(groups(scored))
            title = "At the moments of clips that move"
            sections.append(Section(f"{MOVING}-{toy}", title, table, "Moments"))
    return sections


def _claims(scored: Sequence[Scored]) -> list[Section]:
    """What the study's runs say of the paper's claims, where they can be compared."""
    tables = claims_section(scored)
    title = "What the paper claims, asked here"
    return [Section("claims", title, together(tables, "health"), "Claims")] if tables else []


def _trained_clips(runs: Sequence[Run]) -> set[str]:
    """The clips that any of the runs was trained on."""
    lists = {run_folder(run.folder) / "training_clips.txt" for run in runs}
    return {clip for path in sorted(lists) for clip in read_clip_list(path)}


def _draw_scenes(scored: list[Scored], made: Sections, path: Path) -> None:
    """The picture of the study's first evaluation on the toy's scenes, where it has one."""
    for item in scored:
        if item.benchmark.startswith("scenes"):  # the toy's own, with masks and swaps
            benchmark = made.benchmark(item.corpus, item.benchmark)
            assert isinstance(benchmark, ScenesBenchmark)
            folder = results_folder(item.run.folder, item.corpus) / "details" / item.benchmark
            draw_scenes_of(folder, made.clips(item.corpus).corpus, benchmark, path)
            return
