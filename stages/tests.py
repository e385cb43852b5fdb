"""Stage tests: what the benchmarks on a corpus are made of, in a few bytes.

The hash of a benchmark's samples, ground truth and code stands in for all of them: an evaluation
depends on it, so that a new list or another benchmark's file reruns nobody's score.
"""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.files import write_json
from pipeline.base.params import Parameters
from pipeline.base.study import Corpus
from pipeline.benchmarks import open_benchmark
from pipeline.benchmarks.manifest import describe
from pipeline.clips.decoded import DecodedCorpus
from pipeline.execution.summary import show_summary
from stages.paths import decoded_folder, tests_file


def settings(parameters: Parameters, name: str) -> tuple[Path, Corpus, list[str]]:
    """The parameters of the stage: the annotations, the corpus, its benchmarks."""
    annotations = Path(parameters.read("active.annotations", str))
    corpus = parameters.read(f"active.corpora.{name}", Corpus)
    return annotations, corpus, parameters.read(f"active.tests.{name}", list[str])


def tests(name: Annotated[str, typer.Argument(help="A corpus that is tested on.")]) -> None:
    """Note what a corpus' benchmarks are made of. Example: [bold]avloc tests toy[/bold]"""
    annotations, item, names = settings(Parameters(), name)
    corpus = DecodedCorpus(decoded_folder(name))
    found = {
        benchmark: describe(
            benchmark, open_benchmark(benchmark, annotations, corpus, Path(item.root))
        )
        for benchmark in names
    }
    write_json(tests_file(name), found)
    # Of scenes there are more samples than clips: a pair with each silent object's sound.
    samples = {
        key: f"{own:,}" if own >= official else f"{own:,} of {official:,}"
        for key, entry in found.items()
        for own, official in [(int(entry["samples"]), int(entry["official"]))]
    }
    show_summary(f"tests {name}: samples", samples, tests_file(name))
