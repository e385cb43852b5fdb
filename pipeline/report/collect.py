"""What a study's runs and evaluations left on the disk, as the report takes it."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pipeline.base.files import read_json
from pipeline.base.params import Parameters
from pipeline.base.study import Study, is_of_toy
from pipeline.errors import InputError
from pipeline.methods.common.sections import method_settings
from pipeline.methods.contract import load_method
from pipeline.report.runs import Run, Scored
from pipeline.train.settings import Train

# (run's folder, corpus) to the folder of its results.
Results = Callable[[str, str], Path]


def runs_of(parameters: Parameters, study: Study) -> dict[str, Run]:
    """The runs of a study, trained and published, by their folder below data/runs."""
    runs = {}
    train_on = study.train_on
    layout = study.corpora[train_on.corpus].reader
    for folder, trained in study.trained().items():
        changes = study.runs[trained.run]
        own, loops = method_settings(parameters, study.settings, trained.method, changes)
        recipe = parameters.read(f"{study.settings}.train", Train, *loops)
        # What one seed and another have in common; threads change no more than rounding.
        alike: list[Any] = [trained.method, train_on.corpus, train_on.list, asdict(own)]
        alike.append(asdict(replace(recipe, threads=1)))
        runs[folder] = Run(
            trained.name,
            folder,
            trained.method,
            Path(train_on.list).name,
            layout,
            json.dumps(alike, sort_keys=True),
            load_method(trained.method).label(own),
            asdict(own),
            trained.seed,
            recipe.epochs,
            recipe.batch,
        )
    for name, published in study.published.items():
        folder = f"{train_on.search}/{name}"
        listed = Path(published.list).name
        runs[folder] = Run(name, folder, published.method, listed, layout, folder)
    return runs


def scores_of(
    parameters: Parameters, study: Study, results: Results, name: str | None
) -> list[Scored]:
    """The scores of a study; of another one than the report's (`name`) those that are there.

    Raises `InputError` where one of the report's own is missing."""
    found = []
    for folder, run in runs_of(parameters, study).items():
        for corpus, benchmarks in study.tests.items():
            path = results(folder, corpus) / "metrics.json"
            if name is not None and not path.is_file():
                continue
            metrics = read_json(path)
            for benchmark in benchmarks:
                if benchmark in metrics:
                    toy = is_of_toy(study, corpus)
                    found.append(Scored(run, benchmark, corpus, toy, name, metrics[benchmark]))
                elif name is None:
                    raise InputError(f"{path}: holds no scores of {benchmark}; run dvc repro")
    return found
