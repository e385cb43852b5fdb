"""The optical flow of a decoded corpus' frames, as `pipeline.decode.flow` stores it.

It lies in a folder below the spectrograms of the method that asks for it: `flow.parquet` (clip_id,
start, paired), row by row as the corpus' own table, tells where a clip's flow begins, -1 without a
picture, and whether there was a frame beside its own; `shards/<form>_*.npy` hold it, entry by entry
as the frames lie, or number by number behind one another where their aspect is kept.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from pipeline.base.arrays import ShardedArray
from pipeline.base.files import read_parquet
from pipeline.errors import InputError

# Rounded, with motion to the left and up lost, as HearTheFlow's authors store it; or as it is.
FlowForm: TypeAlias = Literal["bytes", "signed"]

FOLDER = "flow"  # below the method's spectrograms
DTYPES: dict[FlowForm, np.dtype] = {"bytes": np.dtype(np.uint8), "signed": np.dtype(np.float16)}


class StoredFlow:
    """Memory-mapped access to the flow of a decoded corpus."""

    def __init__(self, folder: Path, clip_ids: Sequence[str]) -> None:
        """Open `folder`, made of the corpus of these clips. Raises `InputError` where there is none
        or where it is of other clips."""
        self.folder = folder
        if not folder.is_dir():
            raise InputError(
                f"{folder}: not found, expected the optical flow that the method asks for; stage "
                f"flow makes it for the methods that active.flow of params.yaml lists"
            )
        table = read_parquet(folder / "flow.parquet")
        if table["clip_id"].to_pylist() != list(clip_ids):
            raise InputError(
                f"{folder}: holds the flow of {len(table)} clips, expected that of the corpus' "
                f"{len(clip_ids)}, in their order"
            )
        self._starts = table["start"].to_numpy()
        self._arrays: dict[FlowForm, ShardedArray] = {}

    def read(self, row: int, form: FlowForm, size: tuple[int, int]) -> np.ndarray:
        """The flow of a clip whose stored frame has the given height and width, (height, width, 2)
        uint8 or float16, a read-only view. Raises `InputError` where it is not stored in this
        form."""
        height, width = size
        start, array = int(self._starts[row]), self._array(form)
        if len(array.shards[0].shape) > 1:
            return array.read(start, start + 1)[0]
        return array.read(start, start + 2 * height * width).reshape(height, width, 2)

    def _array(self, form: FlowForm) -> ShardedArray:
        if form not in self._arrays:
            paths = sorted((self.folder / "shards").glob(f"{form}_*.npy"))
            if not paths:
                raise InputError(
                    f"{self.folder}: holds no flow in the form {form!r}, expected it among those "
                    f"that active.flow of params.yaml lists for the method"
                )
            self._arrays[form] = ShardedArray(paths)
        return self._arrays[form]
