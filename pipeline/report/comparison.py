"""The paper's tables with our scores among its own, each row marked as the paper's or ours."""

from collections.abc import Sequence
from dataclasses import replace

from markupsafe import Markup

from pipeline.report.html_tables import (
    Head,
    PageTable,
    RowGroup,
    TableRow,
    number,
    table_markup,
)
from pipeline.report.paper_numbers import (
    ABLATIONS,
    FLOW,
    FULL_LIST,
    NEIGHBOURS,
    OGL,
    PAPER_CLIPS,
    TABLES,
    Column,
    Line,
    Table,
)
from pipeline.report.runs import BASELINES, SWITCHES, Group, Run, Scored, groups
from pipeline.report.templating import render

_PAPER, _OURS = "paper", "ours"  # whose row it is
# Ablations and k are scored on VGG-SS; where a study has only the toy's own scenes, on those.
_STUDIED_ON = ("vggss", "scenes")
_PRETRAINED = {None: "", True: "yes", False: "no"}


def comparison(scored: Sequence[Scored]) -> list[Markup]:
    """Tables 1 to 9."""
    return [*(_methods(paper, scored) for paper in TABLES), _ablations(scored), _neighbours(scored)]


def _methods(paper: Table, scored: Sequence[Scored]) -> Markup:
    benchmarks = list(dict.fromkeys(column.benchmark for column in paper.columns))
    # Table 2 is what is trained on Flickr and Table 1 what is not; the others say it by their sets.
    trained = {1: lambda layout: layout != "flickr", 2: lambda layout: layout == "flickr"}
    fits = trained.get(paper.number, lambda layout: True)
    ours = groups([item for item in scored if fits(item.run.layout)], benchmarks)
    body = []
    for section in ("", OGL, FLOW):
        rows = [
            TableRow(
                row.method,
                [*map(number, row.values), _PRETRAINED[row.pretrained]],
                tag=_PAPER,
            )
            for row in paper.rows
            if row.section == section
        ]
        for line in paper.ours:
            if line.section == section:
                rows += _our_rows(paper.columns, ours, line)
        if rows:
            body.append(RowGroup(section, rows))
    if ours:
        body += _baselines(paper.columns, paper.ours[0], ours[0])
    note = None
    if not ours:
        note = f"No run of ours yet: study {paper.study} of params.yaml makes them."
    sets = list(dict.fromkeys(column.test_set for column in paper.columns))
    spans = [(name, sum(column.test_set == name for column in paper.columns)) for name in sets]
    heads = [*(Head(column.score) for column in paper.columns)]
    heads.append(Head("pretrained vision", number=False))
    return _section(paper.number, paper.caption, "method", heads, body, [*spans, ("", 1)], note)


def _our_rows(columns: Sequence[Column], ours: Sequence[Group], line: Line) -> list[TableRow]:
    rows = []
    for group in ours:
        metrics = [line.metric(column) for column in columns]
        cells = [
            group.cell(column.benchmark, metric) if metric else ""
            for column, metric in zip(columns, metrics, strict=True)
        ]
        if any(cells):
            conditions = group.settings() if line.suffix else group.conditions()
            if not line.full:
                conditions = [*conditions, *_paper_clips(group, columns)]
            known = _PRETRAINED[group.runs[0].pretrained]
            rows.append(_our_row(group, [*cells, known], line.word, conditions))
    return rows


def _paper_clips(group: Group, columns: Sequence[Column]) -> list[str]:
    """How many of the clips that the paper scored ours are over, a line a benchmark."""
    parts = {column.benchmark: column.part for column in columns if column.part}
    found = {name: group.values(name, f"samples{part}") for name, part in parts.items()}
    return [
        f"{name}: over the {min(counts):.0f} samples that the paper scored"
        for name, counts in found.items()
        if counts
    ]


def _our_row(
    group: Group, cells: Sequence[object], word: str, conditions: Sequence[str]
) -> TableRow:
    name = f"{group.runs[0].method}, {group.label}" + (f", {word}" if word else "")
    return TableRow(name, cells, conditions, _OURS, True, group.made)


def _baselines(columns: Sequence[Column], line: Line, group: Group) -> list[RowGroup]:
    rows = []
    for name, label in BASELINES.items():
        # On the samples of the first line; where no list says which the paper's are, on all.
        cells = [
            group.cell(column.benchmark, f"{line.metric(column)}.{name}")
            or group.cell(column.benchmark, f"{line.metric(replace(column, part=''))}.{name}")
            for column in columns
        ]
        if any(cells):
            rows.append(TableRow(label, [*cells, ""], tag=_OURS))
    title = f"baselines and bound on the samples of {group.label}"
    return [RowGroup(title, rows)] if rows else []


def _ablations(scored: Sequence[Scored]) -> Markup:
    heads = [Head(name, number=False) for name in SWITCHES.values()] + [Head("cIoU"), Head("AUC")]
    ours = [group for group in _studied(scored) if group.runs[0].switches]
    rows = []
    for letter, (switches, values) in ABLATIONS.items():
        words = ["on" if switch else "off" for switch in switches]
        rows.append(TableRow(f"({letter})", [*words, *map(number, values)], tag=_PAPER))
        for group in ours:
            if group.runs[0].switches == switches:
                for word, cells in _on_its_benchmark(group):
                    rows.append(_our_row(group, [*words, *cells], word, group.conditions()))
    return _section(8, "Ablations, on VGG-SS", "", heads, [RowGroup("", rows)])


def _neighbours(scored: Sequence[Scored]) -> Markup:
    full = [group for group in _studied(scored) if all(group.runs[0].switches or (False,))]
    rows = []
    for k in sorted({*NEIGHBOURS, *(run.k for group in full for run in group.runs if run.k)}):
        if k in NEIGHBOURS:
            rows.append(TableRow("", [k, *map(number, NEIGHBOURS[k])], tag=_PAPER))
        for group in full:
            if group.runs[0].k == k:
                for word, cells in _on_its_benchmark(group):
                    rows.append(_our_row(group, [k, *cells], word, group.conditions()))
    heads = [Head(name) for name in ("k", "cIoU", "AUC")]
    return _section(9, "k of the neighbour search, on VGG-SS", "", heads, [RowGroup("", rows)])


def _studied(scored: Sequence[Scored]) -> list[Group]:
    """The runs on VGG-SS; of those that are not scored there, on the toy's scenes."""
    first, second = (groups(scored, [benchmark]) for benchmark in _STUDIED_ON)
    known: set[Run] = {run for group in first for run in group.runs}
    return [*first, *(group for group in second if not known.intersection(group.runs))]


def _on_its_benchmark(group: Group) -> list[tuple[str, list[str]]]:
    """A word and the scores of each line: on the paper's clips and, below, on all; where no list
    says which the paper's are, on all alone."""
    lines: list[tuple[str, list[str]]] = []
    for word, part in (("", PAPER_CLIPS), (FULL_LIST, "")):
        cells = [
            group.cell(group.scored[0].benchmark, f"{metric}{part}") for metric in ("cIoU", "AUC")
        ]
        if any(cells):
            lines.append((word if lines else "", cells))
    return lines


def _section(
    place: int,
    caption: str,
    first: str,
    heads: Sequence[Head],
    body: Sequence[RowGroup],
    spans: Sequence[tuple[str, int]] = (),
    note: str | None = None,
) -> Markup:
    table = PageTable(caption, f"Table {place}", first, heads, body, spans)
    return render("paper_table", number=place, note=note, table=table_markup(table))
