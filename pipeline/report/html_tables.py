"""Tables of the page as values: columns, rows and groups of rows, which a template draws."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.report.templating import render


@dataclass(frozen=True)
class Head:
    """A column: its name, and whether it holds numbers, which stand at the right with their name
    above them."""

    name: str
    number: bool = True


@dataclass(frozen=True)
class Cell:
    """A score and, below it in small letters, how far it would move; an empty text is a blank."""

    text: str = ""
    spread: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class TableRow:
    """A row: its name and a text or a `Cell` for each column behind it. `tag` says whose it is
    (paper, ours), `mine` that it is ours, `made` that its clips are of a toy corpus and `further`
    that it is not the first row of a run. Of several `notes` the first is always seen and the
    others can be unfolded."""

    name: str
    cells: Sequence[object]
    notes: Sequence[str] = ()
    tag: str | None = None
    mine: bool = False
    made: bool = False
    further: bool = False


@dataclass(frozen=True)
class RowGroup:
    """Rows below a title of their own; '' for none."""

    title: str
    rows: Sequence[TableRow]


@dataclass(frozen=True)
class PageTable:
    """A table. `label` names its frame for who does not see it; `first` is the name of the column
    of names; `spans` are titles over several columns each, with how many, and cover all `heads`."""

    caption: str
    label: str
    first: str
    heads: Sequence[Head]
    groups: Sequence[RowGroup]
    spans: Sequence[tuple[str, int]] = ()


def draw_table(
    caption: str, label: str, first: str, heads: Sequence[Head], rows: Sequence[TableRow]
) -> Markup:
    """A table with one group of rows, as HTML. Raises as `table_markup` does."""
    return table_markup(PageTable(caption, label, first, heads, [RowGroup("", rows)]))


def table_markup(table: PageTable) -> Markup:
    """The table as HTML. Raises ValueError for a row that has not one cell for each column."""
    for row in (row for group in table.groups for row in group.rows):
        if len(row.cells) != len(table.heads):
            raise ValueError(
                f"{table.label}, {row.name}: {len(row.cells)} cells, expected {len(table.heads)}"
            )
    titles = [title for title, count in table.spans for _ in range(count)] or [""] * len(
        table.heads
    )
    labels = [
        f"{title} {head.name}".strip() for title, head in zip(titles, table.heads, strict=True)
    ]
    return render("table", table=table, labels=labels)


def number(value: float | None) -> str:
    """A score as the paper prints one, two digits behind the point; empty for None."""
    return "" if value is None else f"{value:.2f}"
