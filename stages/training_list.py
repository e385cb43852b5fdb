"""Stage training-list: which clips of a training list are trained on.

It is apart from the search, so that a new benchmark, whose clips it has to leave out, costs this
look and no search where nothing changes.
"""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.files import read_parquet, write_json
from pipeline.base.params import Parameters
from pipeline.base.study import EVERY_CLIP, TrainOn, check_listed
from pipeline.corpora.check import read_test_clips
from pipeline.corpora.lists import read_listed
from pipeline.execution.summary import happened, show_summary
from pipeline.neighbours.settings import Listed
from pipeline.neighbours.training_list import choose_clips
from stages.paths import decoded_folder, list_file


def settings(parameters: Parameters, name: str) -> tuple[TrainOn, Path, Listed]:
    """The parameters of the stage."""
    world = parameters.read("active.settings", str)
    annotations = Path(parameters.read("active.annotations", str))
    train_on = parameters.read("active.train_on", TrainOn)
    return train_on, annotations, parameters.read(f"{world}.training_list", Listed)


def training_list(
    name: Annotated[str, typer.Argument(help="The active study's search.")],
) -> None:
    """Choose the clips to train on. Example: [bold]avloc training-list toy[/bold]"""
    parameters = Parameters()
    check_listed(parameters, "train_on.search", name)
    train_on, annotations, values = settings(parameters, name)
    every = train_on.list == EVERY_CLIP
    listed = [] if every else read_listed(Path(train_on.list))
    clips = read_parquet(decoded_folder(train_on.corpus) / "clips.parquet")
    if every:
        listed = clips["clip_id"].to_pylist()
    # Who trains on a folder of one's own may have nothing that is tested.
    tested = read_test_clips(annotations, required=not every) if values.exclude_test_clips else ()
    chosen, left_out = choose_clips(
        listed,
        clips,
        tested,
        silent=values.leave_out_silent,
        still=values.leave_out_still,
        duplicates=values.leave_out_duplicates,
        shortest_seconds=values.shortest_seconds,
    )
    write_json(list_file(name), {"listed": len(listed), **left_out, "clips": chosen})
    shown = happened(left_out)
    summary = {"listed": len(listed), **shown, "to train on": len(chosen)}
    show_summary(f"training-list {name}", summary, list_file(name))
