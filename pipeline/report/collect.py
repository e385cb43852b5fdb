"""What a study's runs and evaluations left on the disk, as the report takes it."""

import json
from collections.abc import Callable
from pathlib import Path

from pipeline.base.files import read_json
from pipeline.base.study import Study, is_of_toy
from pipeline.errors import InputError
from pipeline.report.own_form import form_words
from pipeline.report.runs import MAPS, Run, Scored

# A run's folder below data/runs to where it lies; that and a corpus to the folder of its results.
Runs = Callable[[str], Path]
Results = Callable[[str, str], Path]


def runs_of(study: Study, folders: Runs) -> dict[str, Run]:
    """The runs of a study that are there, trained and published, by their folder below
    data/runs. Raises `InputError` for a damaged file."""
    layout = study.corpora[study.train_on.corpus].reader
    names = {folder: trained.name for folder, trained in study.trained().items()}
    names |= {f"{study.train_on.search}/{name}": name for name in study.published}
    runs = {}
    for folder, name in names.items():
        path = folders(folder) / "run.json"
        if path.is_file():
            facts = read_json(path)
            recipe = facts.get("recipe", {})
            # What one seed and another have in common; threads change no more than rounding.
            alike = {**facts, "seed": None, "recipe": {**recipe, "threads": None}}
            runs[folder] = Run(
                name,
                folder,
                facts["method"],
                Path(facts["list"]).name,
                layout,
                json.dumps(alike, sort_keys=True) if recipe else folder,
                facts["label"],
                facts.get("settings", {}),
                facts.get("seed"),
                recipe.get("epochs"),
                recipe.get("batch"),
                recipe.get("precision"),
                recipe.get("aspect"),
                form_words(facts.get("test_form")),
            )
    return runs


def scores_of(study: Study, folders: Runs, results: Results, name: str | None) -> list[Scored]:
    """The scores of a study that are there; `name` is that of another study than the report's.

    Raises `InputError` where one of the report's own holds no scores of a benchmark."""
    found = []
    for folder, run in runs_of(study, folders).items():
        for corpus, benchmarks in study.tests.items():
            path = results(folder, corpus) / "metrics.json"
            if not path.is_file():
                continue
            metrics = read_json(path)
            for benchmark in benchmarks:
                if benchmark in metrics:
                    toy = is_of_toy(study, corpus)
                    found.append(Scored(run, benchmark, corpus, toy, name, metrics[benchmark]))
                elif name is None:
                    raise InputError(f"{path}: holds no scores of {benchmark}; run dvc repro")
    return [*found, *_scores_of_maps(study, results, name)]


def _scores_of_maps(study: Study, results: Results, name: str | None) -> list[Scored]:
    """The scores of anyone's maps, on those benchmarks that their file was enough for."""
    found = []
    for item in study.maps:
        folder = study.maps_folder(item)
        path = results(folder, item.corpus) / "metrics.json"
        if name is not None and not path.is_file():
            continue
        run = Run(item.label or item.name, folder, MAPS, "", "", folder)
        toy = is_of_toy(study, item.corpus)
        for benchmark, metrics in read_json(path).items():
            found.append(Scored(run, benchmark, item.corpus, toy, name, metrics))
    return found
