"""A run's history: one line an epoch, for DVC's plots and the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.base.files import atomic_file


def history_columns(parts: Sequence[str]) -> tuple[str, ...]:
    """The columns of the history of a method whose loss has these parts."""
    return ("epoch", "loss", *parts, "learning_rate")


def write_history(path: Path, rows: Sequence[Mapping[str, float]], parts: Sequence[str]) -> None:
    """Write a history as a table with tabs, atomically; without rows its head alone."""
    columns = history_columns(parts)
    lines = ["\t".join(columns)]
    for row in rows:
        numbers = [f"{row[name]:.8g}" for name in columns[1:]]
        lines.append("\t".join([str(int(row["epoch"])), *numbers]))
    with atomic_file(path) as file:
        file.write(("\n".join(lines) + "\n").encode())
