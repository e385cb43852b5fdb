"""The paper's tables with our scores among its own, each row marked as the paper's or ours."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from markupsafe import Markup

from pipeline.report.html_tables import (
    Cell,
    Head,
    PageTable,
    RowGroup,
    TableRow,
    number,
    table_markup,
)
from pipeline.report.paper_methods import LAST, PRINTED, UNKNOWN
from pipeline.report.paper_numbers import (
    ABLATIONS,
    AS_PUBLISHED,
    FLOW,
    FULL_LIST,
    NEIGHBOURS,
    OF_THE_CLIPS,
    OGL,
    PAPER_CLIPS,
    TABLES,
    Column,
    Line,
    Row,
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
    served = {line.section for line in paper.ours}
    body: list[RowGroup] = []
    others: list[TableRow] = []
    for section in ("", OGL, FLOW):
        lines = [line for line in paper.ours if line.section == section]
        rows: list[TableRow] = []
        left = list(ours)
        for row in (row for row in paper.rows if row.section == section):
            rows.append(_printed_row(row))
            for group in _of(row, paper.rows, left):
                # Where a section has no lines of ours, as what uses the flow, the plain ones.
                rows += _our_rows(paper.columns, group, lines or _plain(paper))
                left.remove(group)
        if rows:
            body.append(RowGroup(section, rows))
        for group in left:
            if section in served and not (section == "" and _elsewhere(paper, group, served)):
                others += _our_rows(paper.columns, group, lines)
    if others:
        body.append(RowGroup("methods of ours that the paper does not print here", others))
    if ours:
        body += _baselines(paper.columns, paper.ours[0], ours[0])
    note = None
    if not ours:
        note = f"No run of ours yet: study {paper.study} of params.yaml makes them."
    sets = list(dict.fromkeys(column.test_set for column in paper.columns))
    spans = [(name, sum(column.test_set == name for column in paper.columns)) for name in sets]
    heads = [*(Head(column.score) for column in paper.columns)]
    heads += [Head("pretrained vision", number=False), Head("epoch", number=False)]
    spans.append(("", 2))
    told = [(group.title, _told(group, paper.columns)) for group in ours]
    notes = [*paper.notes, *_class_notes(paper, ours)]
    return _section(
        paper.number, paper.caption, "method", heads, body, notes, spans, note, conditions=told
    )


def _printed_row(row: Row) -> TableRow:
    known = [_PRETRAINED[row.pretrained], PRINTED[row.method].kept]
    return TableRow(row.method, [*map(number, row.values), *known], tag=_PAPER)


def _of(row: Row, rows: Sequence[Row], ours: Sequence[Group]) -> list[Group]:
    """The runs of ours that are a printed row's method. Where no row of its section is of such a
    run in particular (a released model, say), the last one of the method takes it."""
    found = []
    for group in ours:
        run = group.runs[0]
        of_it = [each for each in rows if each.section == row.section]
        of_it = [each for each in of_it if PRINTED[each.method].method == run.method]
        exact = [each for each in of_it if PRINTED[each.method].is_of(run)]
        if of_it and row is (exact or of_it)[-1]:
            found.append(group)
    return found


def _plain(paper: Table) -> list[Line]:
    return [line for line in paper.ours if not line.section]


def _elsewhere(paper: Table, group: Group, served: Collection[str]) -> bool:
    """Whether a run's plain lines stand in a section that has no lines of its own."""
    return any(
        row.section not in served and PRINTED[row.method].method == group.runs[0].method
        for row in paper.rows
    )


def _our_rows(columns: Sequence[Column], group: Group, lines: Sequence[Line]) -> list[TableRow]:
    rows: list[TableRow] = []
    for line in lines:
        on_the_part = [replace(line, full=False).metric(column) for column in columns]
        if line.spare and any(
            column.part and metric and group.values(column.benchmark, metric)
            for column, metric in zip(columns, on_the_part, strict=True)
        ):
            continue
        metrics = [line.metric(column) for column in columns]
        cells = [
            group.cell(column.benchmark, metric) if metric else Cell()
            for column, metric in zip(columns, metrics, strict=True)
        ]
        if any(cells):
            rows.append(_our_row(group, cells, line, bool(rows)))
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


def _our_row(group: Group, cells: Sequence[object], line: Line, further: bool) -> TableRow:
    """A row of ours, which says just what is its own; its run's conditions stand below the
    table."""
    name = group.title + (f", {line.word}" if line.word else "")
    run = group.runs[0]
    notes = []
    if AS_PUBLISHED in line.word and run.own_form:
        notes.append("; ".join(run.own_form[: 2 if line.section == OGL else 1]))
    known = [_PRETRAINED[run.pretrained], LAST if run.seed is not None else _kept(run)]
    return TableRow(name, [*cells, *known], notes, _OURS, True, group.made, further)


def _told(group: Group, columns: Sequence[Column]) -> list[str]:
    return [*group.conditions(), *_paper_clips(group, columns)]


def _class_notes(paper: Table, ours: Sequence[Group]) -> list[str]:
    """Of a table of retrieval, how often the class is found, which a clip's own partner, one among
    hundreds, says nothing of."""
    if not any(column.metric.startswith("R@1_") for column in paper.columns):
        return []
    found = {
        group.title: [group.cell("retrieval", f"class_R@1_{way}").text for way in ("a2i", "i2a")]
        for group in ours
    }
    return [
        f"{title}: R@1 asks for the very clip; a clip of its class is first in {sound} % (sound to "
        f"image) and {image} % (image to sound)."
        for title, (sound, image) in found.items()
        if sound and image
    ]


def _kept(run: Run) -> str:
    """Which epoch a published file is of."""
    return next((each.kept for each in PRINTED.values() if each.is_of(run)), UNKNOWN)


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
            rows.append(TableRow(label, [*cells, "", ""], tag=_OURS))
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
                rows += _studied_rows(group, words)
    body = [RowGroup("", rows)]
    told = _studied_told(ours)
    caption = "Ablations, on VGG-SS"
    return _section(8, caption, "", heads, body, (OF_THE_CLIPS,), conditions=told)


def _neighbours(scored: Sequence[Scored]) -> Markup:
    full = [group for group in _studied(scored) if all(group.runs[0].switches or (False,))]
    rows = []
    for k in sorted({*NEIGHBOURS, *(run.k for group in full for run in group.runs if run.k)}):
        if k in NEIGHBOURS:
            rows.append(TableRow("", [k, *map(number, NEIGHBOURS[k])], tag=_PAPER))
        for group in full:
            if group.runs[0].k == k:
                rows += _studied_rows(group, [k])
    heads = [Head(name) for name in ("k", "cIoU", "AUC")]
    caption, body = "k of the neighbour search, on VGG-SS", [RowGroup("", rows)]
    told = _studied_told(full)
    return _section(9, caption, "", heads, body, (OF_THE_CLIPS,), conditions=told)


def _studied(scored: Sequence[Scored]) -> list[Group]:
    """The runs on VGG-SS; of those that are not scored there, on the toy's scenes."""
    first, second = (groups(scored, [benchmark]) for benchmark in _STUDIED_ON)
    known: set[Run] = {run for group in first for run in group.runs}
    return [*first, *(group for group in second if not known.intersection(group.runs))]


def _studied_rows(group: Group, first: Sequence[object]) -> list[TableRow]:
    """A row on the paper's clips and, below, one on all; where no list says which the paper's are,
    one on all alone. `first` are the cells before the scores."""
    name = group.scored[0].benchmark
    rows: list[TableRow] = []
    for word, part in (("", PAPER_CLIPS), (FULL_LIST, "")):
        cells = [group.cell(name, f"{metric}{part}") for metric in ("cIoU", "AUC")]
        if any(cells):
            title = group.title + (f", {word}" if rows else "")
            rows.append(TableRow(title, [*first, *cells], (), _OURS, True, group.made, bool(rows)))
    return rows


def _studied_told(together: Sequence[Group]) -> list[tuple[str, list[str]]]:
    told = []
    for group in together:
        name = group.scored[0].benchmark
        counts = group.values(name, f"samples{PAPER_CLIPS}")
        told.append((group.title, group.conditions()))
        if counts:
            part = f"{name}: over the {min(counts):.0f} samples that the paper scored"
            told[-1][1].append(part)
    return told


def _section(
    place: int,
    caption: str,
    first: str,
    heads: Sequence[Head],
    body: Sequence[RowGroup],
    notes: Sequence[str],
    spans: Sequence[tuple[str, int]] = (),
    missing: str | None = None,
    conditions: Sequence[tuple[str, Sequence[str]]] = (),
) -> Markup:
    table = PageTable(caption, f"Table {place}", first, heads, body, spans)
    rows = [row for group in body for row in group.rows]
    notes = [*([missing] if missing else ()), *notes]
    # What is true of all runs is told once for all of them.
    common = list(conditions[0][1]) if conditions else []
    common = [line for line in common if all(line in lines for _, lines in conditions)]
    own = [(title, [line for line in lines if line not in common]) for title, lines in conditions]
    return render(
        "paper_table",
        number=place,
        notes=notes,
        folds=any(row.further for row in rows),
        table=table_markup(table),
        made=any(row.made for row in rows),
        common=common,
        own=[(title, lines) for title, lines in own if lines],
        runs=[title for title, _ in conditions],
    )
