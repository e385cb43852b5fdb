"""The table of clips that could not be had: `missing.parquet` beside the clips.

Columns clip_id, cause (`pipeline.fetch.errors.CAUSES`), detail, tries: over all runs. A clip that
arrives later leaves the table.
"""

import time
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from pipeline.base.files import read_parquet, write_parquet
from pipeline.errors import InputError
from pipeline.fetch.errors import PASSING, FetchError

NAME = "missing.parquet"
_TEXT = ("clip_id", "cause", "detail")
_COLUMNS = {**dict.fromkeys(_TEXT, pa.string()), "tries": pa.int32()}
_SECONDS_BETWEEN_WRITES = 10.0


class _Row(NamedTuple):
    cause: str
    detail: str
    tries: int


class Missing:
    """The table as it grows; written every ten seconds at most, and by `save`.

    What a kill loses are the causes of the last seconds, which the next run finds again."""

    def __init__(self, folder: Path) -> None:
        """Reads the table of `folder`, where there is one. Raises `InputError` for another table
        under its name."""
        self.path = folder / NAME
        self._rows: dict[str, _Row] = {}
        self._written = time.monotonic()
        if self.path.exists():
            table = read_parquet(self.path)
            if table.column_names != list(_COLUMNS):
                raise InputError(
                    f"{self.path}: found the columns {', '.join(table.column_names)}, expected "
                    f"{', '.join(_COLUMNS)}"
                )
            for clip_id, *rest in zip(*table.to_pydict().values(), strict=True):
                self._rows[clip_id] = _Row(*rest)

    def settled(self, clip_id: str) -> bool:
        """Whether asking for the clip again would be in vain."""
        row = self._rows.get(clip_id)
        return row is not None and row.cause not in PASSING

    def add(self, clip_id: str, error: FetchError, tries: int) -> None:
        """Note why a clip could not be had."""
        before = self._rows.get(clip_id, _Row("", "", 0)).tries
        self._rows[clip_id] = _Row(error.cause, error.detail, before + tries)
        if time.monotonic() - self._written > _SECONDS_BETWEEN_WRITES:
            self.save()

    def remove(self, clip_id: str) -> None:
        """The clip is there now."""
        self._rows.pop(clip_id, None)

    def save(self) -> None:
        """Write the table, sorted by clip."""
        rows = sorted(self._rows.items())
        columns = [[clip for clip, _ in rows], *([row[i] for _, row in rows] for i in range(3))]
        arrays = [pa.array(c, kind) for c, kind in zip(columns, _COLUMNS.values(), strict=True)]
        write_parquet(self.path, pa.table(dict(zip(_COLUMNS, arrays, strict=True))))
        self._written = time.monotonic()
