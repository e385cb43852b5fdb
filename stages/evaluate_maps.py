"""Stage evaluate-maps: anyone's maps in place of a run's, on the benchmarks of one corpus."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.files import read_json, remove_partials
from pipeline.base.params import Parameters
from pipeline.base.study import Corpus, OwnMaps, TrainOn
from pipeline.clips.decoded import DecodedCorpus
from pipeline.errors import InputError
from pipeline.evaluate.results import open_promised, write_metrics, write_result
from pipeline.execution.summary import show_summary
from pipeline.report.anyones.all_of import evaluate_maps as evaluate_all
from pipeline.report.anyones.files import open_arrays
from stages.paths import decoded_folder, results_folder, tests_file

_SEED = 0  # of the random baseline


@dataclass(frozen=True)
class Settings:
    """What the stage reads of params.yaml."""

    annotations: Path
    maps: list[OwnMaps]
    train_on: TrainOn
    corpus: Corpus
    benchmarks: list[str]


def settings(parameters: Parameters, name: str, on: str) -> Settings:
    """The parameters of the stage."""
    return Settings(
        Path(parameters.read("active.annotations", str)),
        parameters.read("active.maps", list[OwnMaps]),
        parameters.read("active.train_on", TrainOn),
        parameters.read(f"active.corpora.{on}", Corpus),
        parameters.read(f"active.tests.{on}", list[str]),
    )


def evaluate_maps(
    name: Annotated[str, typer.Argument(help="An entry of the active study's maps.")],
    on: Annotated[str, typer.Argument(help="The corpus that its maps are of.")],
) -> None:
    """Score a file of anyone's maps as if a run had made them.

    Every benchmark of the corpus of whose samples the file has all maps is scored; the others are
    named. Example: [bold]avloc evaluate-maps theirs vggss[/bold]
    """
    parameters = Parameters()
    values = settings(parameters, name, on)
    entries = [item for item in values.maps if (item.name, item.corpus) == (name, on)]
    if not entries:
        known = ", ".join(f"{item.name} on {item.corpus}" for item in values.maps)
        raise InputError(
            f"{parameters.path}: active.maps.{name}: not found; active.maps holds: "
            f"{known or 'nothing'}"
        )
    corpus = DecodedCorpus(decoded_folder(on))
    if corpus.aspect == "cropped":
        raise InputError(
            f"{decoded_folder(on)}: its frames are the middles of their pictures, and maps are of "
            f"whole ones; expected a corpus decoded with aspect: squashed"
        )
    arrays = open_arrays(Path(entries[0].file))
    promised = read_json(tests_file(on))
    benchmarks = {
        benchmark: open_promised(
            benchmark, values.annotations, corpus, Path(values.corpus.root), promised.get(benchmark)
        )
        for benchmark in values.benchmarks
    }
    found, left_out = evaluate_all(arrays, benchmarks, _SEED)
    folder = results_folder(f"{values.train_on.search}/{name}", on)
    remove_partials(folder)
    for benchmark, result in found.items():
        write_result(folder, benchmark, result.scores, result.maps)
    write_metrics(folder, {key: result.metrics for key, result in found.items()})
    for benchmark, reason in left_out.items():
        typer.echo(f"{benchmark}: not scored: {reason}", err=True)
    show_summary(f"evaluate-maps {name}", dict.fromkeys(found, "scored"), folder)
