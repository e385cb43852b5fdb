"""Stage embed: features of a decoded corpus by one off-the-shelf encoder, image or sound."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from pipeline.base.files import remove_partials
from pipeline.base.params import Parameters
from pipeline.base.study import Encoders, check_listed
from pipeline.clips.decoded import DecodedCorpus
from pipeline.encoders.common.contract import load_encoder
from pipeline.encoders.common.settings import Embed
from pipeline.encoders.embedding import Modality, embed_corpus
from pipeline.execution.cores import usable_cores
from pipeline.execution.run import Engine
from pipeline.execution.settings import Execution
from pipeline.execution.summary import show_summary
from pipeline.networks.device import best_device, has_bfloat16
from stages.paths import WORK, decoded_folder, embeddings_folder, spectrograms_folder


def settings(parameters: Parameters, corpus: str, modality: str) -> tuple[Encoders, Path, Embed]:
    """The parameters of the stage: the encoders, the folder of their weights, how they are used."""
    world = parameters.read("active.settings", str)
    encoders = parameters.read("active.encoders", Encoders)
    weights = Path(parameters.read("active.weights", str))
    return encoders, weights, parameters.read(f"{world}.embed", Embed, encoders.models())


def embed(
    corpus: Annotated[str, typer.Argument(help="A corpus of the active study.")],
    modality: Annotated[Modality, typer.Argument(help="image or audio.")],
) -> None:
    """Extract off-the-shelf features. Example: [bold]avloc embed toy image[/bold]"""
    parameters = Parameters()
    check_listed(parameters, "corpora", corpus)
    encoders, weights, values = settings(parameters, corpus, modality.value)
    # Not one of the stage's parameters: the bytes are the same, so another engine reruns nothing.
    execution = parameters.read("execution", Execution)
    torch.set_num_threads(values.threads)
    decoded = DecodedCorpus(decoded_folder(corpus), spectrograms_folder(corpus, encoders.audio))
    device = best_device()
    folder = embeddings_folder(corpus)
    path = folder / f"{modality.value}.npy"
    remove_partials(folder)
    counts = embed_corpus(
        decoded,
        load_encoder(getattr(encoders, modality.value), weights, values),
        path,
        work=WORK / "embed" / corpus / modality.value,
        batch=values.batch,
        sound_steps=decoded.form.steps(values.sound_seconds),
        device=str(device),
        half=values.precision == "native" and has_bfloat16(device),
        engine=Engine(
            execution.engine,
            execution.address,
            workers=max(1, usable_cores() // values.threads),
            cpus=values.threads,
            gpus=int(device.type == "cuda"),
        ),
    )
    show_summary(f"embed {corpus} {modality.value}", counts, path)
