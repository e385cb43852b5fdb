"""Event files of a run, as TensorBoard reads them.

TensorBoard's and not DVCLive's: TensorBoard, editors and what a group runs already (W&B and MLflow
import them) read these files, and they hold pictures with a slider over the steps. DVCLive writes
into what DVC tracks, where a training that is looked at must change nothing.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pipeline.execution.progress import console

_PREFIX = "events.out.tfevents"


class EventFiles:
    """One run's event files in a folder, each kind of number under its own name."""

    def __init__(self, folder: Path, steps_done: int) -> None:
        """Of a run that goes on after `steps_done` steps, what the files say of later ones is void;
        of a new run the files that an earlier one left are removed. `folder` is made."""
        from torch.utils.tensorboard import SummaryWriter

        if not steps_done:
            for path in folder.glob(f"{_PREFIX}*"):
                path.unlink()
        self._writer = SummaryWriter(folder, purge_step=steps_done + 1 if steps_done else None)

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by name, as they are after so many steps; on the disk when this returns."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """A picture (H, W, 3) uint8, as it is after so many steps."""
        self._writer.add_image(name, picture, step, dataformats="HWC")
        self._writer.flush()


def event_files(folder: Path, steps_done: int) -> EventFiles | None:
    """The event files of a run; None, and a line that says so, where TensorBoard is not installed.
    See `EventFiles`."""
    if find_spec("tensorboard") is None:
        needed = "pip install -e '.[watch]'"
        console.print(f"train: no event files without TensorBoard ({needed})", markup=False)
        return None
    return EventFiles(folder, steps_done)
