"""Stage index: what a run says of every clip of a corpus, stored to be searched and looked at."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from pipeline.base.files import remove_partials
from pipeline.base.params import Parameters
from pipeline.clips.decoded import DecodedCorpus
from pipeline.evaluate.settings import Evaluate
from pipeline.execution.summary import show_summary
from pipeline.methods.common.files import load_weights
from pipeline.methods.contract import method_name
from pipeline.predict.indexed import hash_of_file, index_corpus
from stages.known import known_corpus, known_run
from stages.paths import WORK, decoded_folder, index_folder, run_folder, spectrograms_folder


def settings(parameters: Parameters, run: str, corpus: str) -> Evaluate:
    """The parameters of the stage: batch and threads are the evaluation's."""
    world = parameters.read("active.settings", str)
    return parameters.read(f"{world}.evaluate", Evaluate)


def index(
    run: Annotated[str, typer.Argument(help="A run below data/runs, '<search>/<run>'.")],
    corpus: Annotated[str, typer.Argument(help="A decoded corpus below data/decoded.")],
) -> None:
    """Store a run's embeddings of a corpus, in FAISS's form, and its maps, for `avloc retrieve` and
    `avloc gallery`. Example: [bold]avloc index toy/alignment-full-0 toy[/bold]"""
    values = settings(Parameters(), run, corpus)
    torch.set_num_threads(values.threads)
    folder, counted = make_index(known_run(run), known_corpus(corpus), values.batch)
    show_summary(f"index of {corpus} by {run}", counted, folder)


def make_index(run: str, corpus: str, batch: int) -> tuple[Path, dict[str, int]]:
    """Write the index of a corpus by a run; its folder, and what `index_corpus` counts."""
    weights = run_folder(run) / "weights.safetensors"
    method = load_weights(weights)
    decoded = DecodedCorpus(
        decoded_folder(corpus), spectrograms_folder(corpus, method_name(method))
    )
    folder = index_folder(run, corpus)
    remove_partials(folder)
    work = WORK / "index" / run / corpus
    hashed = hash_of_file(weights)
    return folder, index_corpus(method, hashed, decoded, folder, work=work, batch=batch)
