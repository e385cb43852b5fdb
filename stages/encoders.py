"""Stage encoders: the toy's labelled encoders, saved in the formats of the real weights, and beside
them the stand-ins that the study asks for."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from pipeline.base.files import remove_partials, write_json
from pipeline.base.params import Parameters
from pipeline.base.study import Encoders as UsedEncoders
from pipeline.base.study import check_listed
from pipeline.clips.decoded import DecodedCorpus
from pipeline.corpora.lists import read_labelled
from pipeline.execution.summary import show_summary
from pipeline.networks.device import has_bfloat16
from pipeline.networks.weights import save_torch
from pipeline.toy.encoders import train_audio_encoder, train_image_encoder
from pipeline.toy.settings import Encoders
from pipeline.toy.stand_ins import Material, check_stand_ins, train_stand_in
from stages.paths import WORK, decoded_folder, spectrograms_folder, toy_folder


@dataclass(frozen=True)
class Settings:
    """What the stage reads of params.yaml: how encoders are trained, the folder of their weights,
    and those that the study uses."""

    values: Encoders
    weights: Path
    used: UsedEncoders


def settings(parameters: Parameters, name: str) -> Settings:
    """The parameters of the stage."""
    world = parameters.read("active.settings", str)
    return Settings(
        parameters.read(f"{world}.encoders", Encoders),
        Path(parameters.read("active.weights", str)),
        parameters.read("active.encoders", UsedEncoders),
    )


def encoders(name: Annotated[str, typer.Argument(help="A toy of the active study.")]) -> None:
    """Train the toy's encoders. Example: [bold]avloc encoders toy[/bold]"""
    parameters = Parameters()
    check_listed(parameters, "toys", name)
    read = settings(parameters, name)
    values = read.values
    check_stand_ins(read.used.stand_ins)
    corpus = DecodedCorpus(decoded_folder(name), spectrograms_folder(name, read.used.audio))
    labelled = read_labelled(toy_folder(name) / "lists" / "labelled.csv")
    classes = sorted(set(labelled.values()))
    rows = corpus.rows(list(labelled))
    labels = np.array([classes.index(label) for label in labelled.values()])
    frames = np.stack([corpus.square(row) for row in rows])
    folder, work = read.weights, WORK / "encoders" / name
    remove_partials(folder, work)
    half = values.precision == "native" and has_bfloat16(torch.device("cpu"))
    image = train_image_encoder(
        frames,
        labels,
        seed=values.seed,
        epochs=values.image_epochs,
        threads=values.threads,
        half=half,
        checkpoint=work / "image.pt",
    )
    sounds = np.stack([corpus.spectrogram(row) for row in rows])
    audio = train_audio_encoder(
        sounds,
        labels,
        seed=values.seed,
        epochs=values.audio_epochs,
        threads=values.threads,
        half=half,
        checkpoint=work / "audio.pt",
    )
    save_torch(folder / "image.pth", image.state)
    save_torch(folder / "H.pth.tar", {"model_state_dict": audio.state})
    told = {"image_accuracy": 100 * image.accuracy, "audio_accuracy": 100 * audio.accuracy}
    material = Material(frames, sounds, corpus.form.divisor, labels, half, work)
    for stand_in in read.used.stand_ins:
        state, said = train_stand_in(stand_in, material, values)
        save_torch(folder / f"{stand_in}.pth", state)
        told.update(said)
    write_json(folder / "summary.json", told)
    shutil.rmtree(work, ignore_errors=True)
    summary = {
        key.replace("_", " ") + (", %" if key.endswith("accuracy") else ""): value
        for key, value in told.items()
    }
    show_summary(f"encoders {name}", {"labelled clips": len(rows), **summary}, folder)
