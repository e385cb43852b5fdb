"""Stage load: a published localizer as a run, in place of its training."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.base.files import atomic_file, write_json
from pipeline.base.params import Parameters
from pipeline.base.study import Published, TrainOn
from pipeline.clips.sound_form import SoundForm
from pipeline.corpora.lists import read_clip_list
from pipeline.execution.summary import show_summary
from pipeline.methods.common.files import open_weights, save_weights
from pipeline.methods.common.sections import method_settings
from pipeline.methods.contract import own_form_entry
from stages.paths import run_folder


def settings(parameters: Parameters, name: str) -> tuple[TrainOn, Published, Any, SoundForm]:
    """The parameters of the stage: its entry, what the method's file is fed, and its form."""
    world = parameters.read("active.settings", str)
    train_on = parameters.read("active.train_on", TrainOn)
    item = parameters.read(f"active.published.{name}", Published)
    own, _ = method_settings(parameters, world, item.method, item.settings)
    return train_on, item, own, parameters.read(f"{world}.forms.{item.method}", SoundForm)


def load(
    name: Annotated[str, typer.Argument(help="A published localizer of the active study.")],
) -> None:
    """Take a published weight file for a run's. Example: [bold]avloc load ours[/bold]"""
    train_on, item, own, form = settings(Parameters(), name)
    localizer = open_weights(Path(item.weights), item.method, own, form)
    folder = run_folder(f"{train_on.search}/{name}")
    clips = read_clip_list(Path(item.list))
    with atomic_file(folder / "training_clips.txt") as file:
        file.write("".join(f"{clip}\n" for clip in clips).encode())
    save_weights(folder / "weights.safetensors", localizer)
    facts = {"method": item.method, "label": "", "corpus": train_on.corpus, "list": item.list}
    write_json(folder / "run.json", facts | own_form_entry(localizer.test_form))
    learned = sum(weights.numel() for weights in localizer.parameters())
    summary = {"from": item.weights, "parameters": learned, "clips trained on": len(clips)}
    show_summary(f"load {name}", summary, folder)
