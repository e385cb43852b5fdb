"""`avloc learn-sounds`: a sound encoder without labels, trained on a study's training list.

It belongs to no pipeline: what it writes lies where a study finds published weights, and is as good
as a file that somebody sent.
"""

import shutil
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from pipeline.base.params import Parameters
from pipeline.base.study import active_study
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.windows import sound_window
from pipeline.corpora.lists import read_clip_list
from pipeline.encoders.common.settings import Embed
from pipeline.encoders.learning.alone import head_of, learn_alone, sound_view
from pipeline.encoders.learning.loop import Recipe
from pipeline.encoders.sounds_alone import SoundEncoder
from pipeline.execution.summary import show_summary
from pipeline.networks.device import best_device
from pipeline.networks.weights import save_safetensors
from stages.paths import WORK, decoded_folder, spectrograms_folder

ENCODER = "sounds_alone"  # whose form the sounds have
BLOCKS, WIDTHS = (2, 2, 2, 2), (64, 128, 256, 512)  # a ResNet-18


def learn_sounds(
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training list.")] = 100,
    batch: Annotated[int, typer.Option(min=2, help="Clips compared with each other.")] = 256,
    seconds: Annotated[float, typer.Option(min=0.1, help="Of a window, at random.")] = 3.0,
    rate: Annotated[float, typer.Option(min=1e-9, help="The largest rate of its cycle.")] = 1e-3,
    seed: Annotated[int, typer.Option(min=0, help="The seed of everything random in it.")] = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
) -> None:
    """Train the active study's sound encoder without labels, into its weights folder.

    It hears the clips of `train_on.list` in the form of `sounds_alone`, whose spectrograms the
    stages decode and encoder-sounds have made. Example: [bold]avloc learn-sounds[/bold]
    """
    parameters = Parameters()
    study = active_study(parameters)
    embed = parameters.read(f"{study.settings}.embed", Embed, study.encoders.models())
    trained_on = study.train_on
    sounds = spectrograms_folder(trained_on.corpus, ENCODER)
    corpus = DecodedCorpus(decoded_folder(trained_on.corpus), sounds)
    listed = set(read_clip_list(Path(trained_on.list)))
    rows = [
        row for row, clip in enumerate(corpus.clip_ids) if clip in listed and corpus.has_sound(row)
    ]
    device, steps = best_device(), corpus.form.steps(seconds)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder, head = SoundEncoder(BLOCKS, WIDTHS).to(device), head_of(WIDTHS[-1]).to(device)
    work = WORK / "learn-sounds" / study.train_on.search

    def look(chosen: torch.Tensor, dice: torch.Generator) -> torch.Tensor:
        places = torch.rand(len(chosen), generator=dice).tolist()
        windows = []
        for row, place in zip(chosen.tolist(), places, strict=True):
            room = corpus.sound_length(row) - steps
            windows.append(sound_window(corpus, row, steps, int(place * (max(0, room) + 1))))
        return sound_view(torch.from_numpy(np.stack(windows)), dice).to(device)

    loss = learn_alone(
        encoder,
        head,
        look,
        torch.tensor(rows, dtype=torch.int64),
        Recipe(seed, epochs, threads, work / "alone.pt", batch, rate, title="sounds alone, epochs"),
        [(sounds / "sounds.parquet").read_bytes(), np.array(rows), np.array([seconds])],
        "stages.learn_sounds",
    )
    path = Path(study.weights) / f"{embed.sound_model}.safetensors"
    save_safetensors(path, encoder.network.state_dict())
    shutil.rmtree(work, ignore_errors=True)
    show_summary("learn-sounds", {"clips": len(rows), "loss of the last epoch": loss}, path)
