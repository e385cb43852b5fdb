"""Long results made block by block, so that a killed stage goes on where it stopped.

Finished blocks lie in a work folder under a fingerprint of everything that they depend on: another
parameter or input is another folder, and stale work is never taken up. The price is that a result
is written to the disk twice.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pipeline.base.files import atomic_file, map_npy, remove_partials, write_npy
from pipeline.execution.progress import console


class Blocks:
    """The finished blocks of one stage's results in `folder / fingerprint`."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.folder = folder / fingerprint
        remove_partials(self.folder)
        if finished := len(list(self.folder.glob("*.npy"))):
            console.print(f"{folder}: resuming after {finished} finished blocks", markup=False)

    def make(self, name: str, start: int, compute: Callable[[], np.ndarray]) -> None:
        """The block of result `name` that begins at row `start`, computed unless it is there."""
        path = self._path(name, start)
        if not path.exists():
            write_npy(path, compute())

    def join(self, name: str, starts: Sequence[int], path: Path, field: str | None = None) -> None:
        """Write the blocks of `name`, one behind the other, as one npy file, atomically; of
        structured blocks, their `field`."""
        blocks = [map_npy(self._path(name, start)) for start in starts]
        if field is not None:
            blocks = [block[field] for block in blocks]
        shape = (sum(len(block) for block in blocks), *blocks[0].shape[1:])
        descr = np.lib.format.dtype_to_descr(blocks[0].dtype)
        with atomic_file(path) as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": descr, "fortran_order": False, "shape": shape}
            )
            for block in blocks:
                file.write(np.ascontiguousarray(block).data)

    def discard(self) -> None:
        """Remove the blocks, once their results are written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str, start: int) -> Path:
        return self.folder / f"{name}_{start:09d}.npy"
