"""Stage encoders: the toy's labelled encoders, saved in the formats of the real weights."""

import shutil
from typing import Annotated

import numpy as np
import typer

from pipeline.base.files import remove_partials, write_json
from pipeline.base.params import Parameters
from pipeline.base.study import check_listed
from pipeline.clips.decoded import DecodedCorpus
from pipeline.corpora.lists import read_labelled
from pipeline.execution.summary import show_summary
from pipeline.networks.weights import save_torch
from pipeline.toy.encoders import train_audio_encoder, train_image_encoder
from pipeline.toy.settings import Encoders
from stages.paths import WORK, decoded_folder, encoders_folder, spectrograms_folder, toy_folder

ENCODER = "vggsound"  # whose file the toy makes, and so whose form its sounds have


def settings(parameters: Parameters, name: str) -> Encoders:
    """The parameters of the stage."""
    return parameters.read(f"{parameters.read('active.settings', str)}.encoders", Encoders)


def encoders(name: Annotated[str, typer.Argument(help="A toy of the active study.")]) -> None:
    """Train the toy's labelled encoders. Example: [bold]avloc encoders toy[/bold]"""
    parameters = Parameters()
    check_listed(parameters, "toys", name)
    values = settings(parameters, name)
    corpus = DecodedCorpus(decoded_folder(name), spectrograms_folder(name, ENCODER))
    labelled = read_labelled(toy_folder(name) / "lists" / "labelled.csv")
    classes = sorted(set(labelled.values()))
    rows = corpus.rows(list(labelled))
    labels = np.array([classes.index(label) for label in labelled.values()])
    frames = np.stack([corpus.square(row) for row in rows])
    folder, work = encoders_folder(name), WORK / "encoders" / name
    remove_partials(folder, work)
    image = train_image_encoder(
        frames,
        labels,
        seed=values.seed,
        epochs=values.image_epochs,
        threads=values.threads,
        checkpoint=work / "image.pt",
    )
    sounds = np.stack([corpus.spectrogram(row) for row in rows])
    audio = train_audio_encoder(
        sounds,
        labels,
        seed=values.seed,
        epochs=values.audio_epochs,
        threads=values.threads,
        checkpoint=work / "audio.pt",
    )
    save_torch(folder / "image.pth", image.state)
    save_torch(folder / "H.pth.tar", {"model_state_dict": audio.state})
    accuracies = {"image_accuracy": 100 * image.accuracy, "audio_accuracy": 100 * audio.accuracy}
    write_json(folder / "summary.json", accuracies)
    shutil.rmtree(work, ignore_errors=True)
    summary = {f"{key.replace('_', ' ')}, %": value for key, value in accuracies.items()}
    show_summary(f"encoders {name}", {"labelled clips": len(rows), **summary}, folder)
