"""Stage embed: ImageNet and VGGSound features of a decoded corpus."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.params import Embed, EmbeddingItem, Execution, Parameters
from pipeline.execution.summary import show_summary
from stages.paths import WORK, decoded_folder, embeddings_folder


def settings(parameters: Parameters, name: str) -> tuple[EmbeddingItem, Embed]:
    """The parameters of the stage."""
    item = parameters.read(f"active.embeddings.{name}", EmbeddingItem)
    return item, parameters.read(item.embed, Embed)


def embed(name: Annotated[str, typer.Argument(help="An embedding of the active study.")]) -> None:
    """Extract off-the-shelf features, image and sound. Example: [bold]avloc embed toy[/bold]"""
    import torch

    from pipeline.base.files import read_json, remove_partials
    from pipeline.clips.decoded import DecodedCorpus
    from pipeline.clips.spectrogram import window_steps
    from pipeline.encoders.embedding import embed_corpus
    from pipeline.encoders.load import load_encoders
    from pipeline.execution.run import Engine

    parameters = Parameters()
    item, values = settings(parameters, name)
    # Not one of the stage's parameters: the bytes are the same, so another engine reruns nothing.
    execution = parameters.read("execution", Execution)
    torch.set_num_threads(values.threads)
    image_encoder, audio_encoder = load_encoders(
        Path(item.weights), values.image_model, values.side
    )
    folder = decoded_folder(item.corpus)
    form = read_json(folder / "settings.json")
    sound = {key: form[key] for key in ("sample_rate", "window", "hop")}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    remove_partials(embeddings_folder(name))
    counts = embed_corpus(
        DecodedCorpus(folder),
        image_encoder,
        audio_encoder,
        embeddings_folder(name),
        work=WORK / "embed" / name,
        batch=values.batch,
        sound_frames=window_steps(values.sound_seconds, **sound),
        device=device,
        engine=Engine(
            execution.engine,
            execution.address,
            workers=max(1, len(os.sched_getaffinity(0)) // values.threads),
            cpus=values.threads,
            gpus=int(device == "cuda"),
        ),
    )
    told = {"clips": counts["clips"]}
    told |= {f"with {modality} features": counts[modality] for modality in ("image", "audio")}
    show_summary(f"embed {name}", told, embeddings_folder(name))
