"""What the words of `avloc localize` are worth: how often each is said, and right."""

from pathlib import Path
from typing import Annotated

import typer
from tabulate import tabulate

from pipeline.base.params import Parameters
from pipeline.base.study import find_evaluated
from pipeline.benchmarks import open_benchmark
from pipeline.benchmarks.seen import as_seen
from pipeline.clips.decoded import DecodedCorpus
from pipeline.evaluate.sureness import Row, sureness_rows
from pipeline.methods.common.files import load_weights
from pipeline.methods.contract import method_name
from stages.paths import decoded_folder, run_folder, spectrograms_folder

_HEAD = ["sound", "word", "pairs", "said of", "maximum in what sounds"]


def sureness(
    evaluation: Annotated[str, typer.Argument(help="A run on a benchmark, <run>/<benchmark>.")],
) -> None:
    """Measure how often each word of sureness is said of a benchmark's samples, and right.

    Frames are also asked about under sounds of classes that nothing in them has: a model that knows
    what it hears is not sure there.

    Example: [bold]avloc sureness alignment-full-0/scenes[/bold]
    """
    item = find_evaluated(Parameters(), evaluation)
    method = load_weights(run_folder(item.folder) / "weights.safetensors")
    spectrograms = spectrograms_folder(item.corpus, method_name(method))
    corpus = DecodedCorpus(decoded_folder(item.corpus), spectrograms)
    root = Path(item.study.corpora[item.corpus].root)
    whole = open_benchmark(item.benchmark, Path(item.study.annotations), corpus, root)
    rows = sureness_rows(as_seen(whole, corpus), method, corpus)
    typer.echo(tabulate([_cells(row) for row in rows], _HEAD, "pipe", disable_numparse=True))


def _cells(row: Row) -> list[str]:
    """A row in words, shares in per cent."""
    share = ""
    if row.right is not None:
        right, low, high = (100 * value for value in row.right)
        share = f"{right:.1f} % ({low:.1f} to {high:.1f})"
    said = f"{row.said} ({100 * row.said / row.pairs:.0f} %)"
    return [row.kind, row.word, str(row.pairs), said, share]
