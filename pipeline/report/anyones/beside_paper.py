"""The rows of the paper's tables that stand beside a score on one benchmark."""

from dataclasses import dataclass

from pipeline.report.paper_numbers import TABLES

# The paper's clips of VGG-SS as a benchmark of their own.
_SAME = {"vggss-4655": "vggss"}
# Class recall is what the paper very probably prints, see benchmarks/metrics/retrieval.py.
_PREFIX = {"retrieval": "class_"}


@dataclass(frozen=True)
class PaperRow:
    """A printed row: its method, the section of the table that it stands in, '' for its first,
    and what it prints by the name of our metric, in per cent."""

    method: str
    section: str
    values: dict[str, float]


@dataclass(frozen=True)
class PaperTable:
    """The rows of a table that print something on the benchmark."""

    number: int
    caption: str
    rows: tuple[PaperRow, ...]


def paper_tables(benchmark: str | None) -> list[PaperTable]:
    """What the paper prints on a benchmark, table by table; nothing on one that it has not."""
    name = _SAME.get(benchmark or "", benchmark)
    prefix = _PREFIX.get(name or "", "")
    found = []
    for table in TABLES:
        places = [n for n, column in enumerate(table.columns) if column.benchmark == name]
        rows = []
        for row in table.rows:
            printed = {f"{prefix}{table.columns[n].metric}": row.values[n] for n in places}
            values = {metric: value for metric, value in printed.items() if value is not None}
            if values:
                rows.append(PaperRow(row.method, row.section, values))
        if rows:
            found.append(PaperTable(table.number, table.caption, tuple(rows)))
    return found
