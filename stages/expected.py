"""The toy's scores beside those of five other seeds, for `avloc doctor`."""

from typing import Any

import typer

from pipeline.base.files import read_json
from pipeline.base.params import Parameters
from pipeline.base.study import active_study
from pipeline.errors import InputError
from pipeline.execution.installation import Look
from pipeline.report.expected import EXPECTED, compared, differing, write_expected
from pipeline.report.headline import SCENES
from stages.paths import DATA, run_folder
from stages.table import folders_of_runs, scores_of_runs

SCORES = DATA / "report" / "scores.json"
BENCHMARK = "scenes"


def look_at_scores() -> list[Look]:
    """One for each score that is compared; one that says why where there is none."""
    run = _first_run()
    if not SCORES.is_file() or run is None:
        return [Look("scores", "none yet; dvc repro makes them")]
    if not EXPECTED.is_file():
        return [Look("scores", f"{EXPECTED}: not found", "git checkout brings it back")]
    scores = compared(EXPECTED, read_json(SCORES), run)
    if not scores:
        told = differing(read_json(EXPECTED), run)
        why = f"other settings: {', '.join(told)}" if told else f"not scored on {BENCHMARK}"
        return [Look("scores", f"nothing to compare with, {why}")]
    advice = "git status shows what was changed; one score in twenty lies outside by chance"
    return [Look("score", str(score), "" if score.right else advice) for score in scores]


def _first_run() -> dict[str, Any] | None:
    """run.json of the active study's first run, which scores.json is of."""
    for folder in active_study(Parameters()).trained():
        path = run_folder(folder) / "run.json"
        return read_json(path) if path.is_file() else None
    return None


def write(variant: str) -> None:
    """Make the file of expected scores of a run's seeds on the toy's scenes."""
    seeds = scores_of_runs([variant], BENCHMARK, "toy")[variant]
    if len(seeds) < 2:
        raise InputError(f"{variant}: found {len(seeds)} seed, expected two at least")
    wanted = [name for name in (*SCENES, "both") if all(name in metrics for metrics in seeds)]
    chosen = [{name: metrics[name] for name in wanted} for metrics in seeds]
    first = folders_of_runs(variant, "toy")[0]
    write_expected(EXPECTED, BENCHMARK, chosen, read_json(run_folder(f"toy/{first.name}/run.json")))
    typer.echo(f"{EXPECTED}: {len(seeds)} seeds, {', '.join(wanted)}")
