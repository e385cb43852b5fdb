"""The paper's tables with our scores among its own, each row marked as the paper's or ours."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pipeline.report.markup import Markup, element, number, table
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
from pipeline.report.runs import BASELINES, Group, Run, Scored, groups

_PAPER = element("span", "paper", class_="tag")
_OURS = element("span", "ours", class_="tag mine")
_MADE = element("span", "toy corpus", class_="tag made")
# Ablations and k are scored on VGG-SS; where a study has only the toy's own scenes, on those.
_STUDIED_ON = ("vggss", "scenes")
_PRETRAINED = {None: "", True: "yes", False: "no"}
_NARROW = 4  # columns of scores; tables with more do not stand side by side


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
            _row(
                [_PAPER, " ", row.method],
                [*_scores(map(number, row.values)), *_words([_PRETRAINED[row.pretrained]])],
            )
            for row in paper.rows
            if row.section == section
        ]
        for line in paper.ours:
            if line.section == section:
                rows += _our_rows(paper.columns, ours, line)
        if rows:
            body.append(_body(section, rows, 2 + len(paper.columns)))
    if ours:
        body += _baselines(paper.columns, paper.ours[0], ours[0])
    note = None
    if not ours:
        note = element("p", f"No run of ours yet: study {paper.study} of params.yaml makes them.")
    broad = len(paper.columns) > _NARROW
    return _section(paper.number, paper.caption, note, _header(paper.columns), body, broad)


def _our_rows(columns: Sequence[Column], ours: Sequence[Group], line: Line) -> list[Markup]:
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
            from_scratch = "no" if group.runs[0].switches else ""  # of a published file who knows
            values = [*_scores(cells), *_words([from_scratch])]
            rows.append(_row(_name(group, line.word, conditions), values, mine=True))
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


def _name(group: Group, word: str, conditions: Sequence[str]) -> list[object]:
    made = [" ", _MADE] if group.made else None
    lines = [element("span", line, class_="condition") for line in conditions]
    return [_OURS, " avloc, ", group.label, f", {word}" if word else None, made, lines]


def _baselines(columns: Sequence[Column], line: Line, group: Group) -> list[Markup]:
    rows = []
    for name, label in BASELINES.items():
        # On the samples of the first line; where no list says which the paper's are, on all.
        cells = [
            group.cell(column.benchmark, f"{line.metric(column)}.{name}")
            or group.cell(column.benchmark, f"{line.metric(replace(column, part=''))}.{name}")
            for column in columns
        ]
        if any(cells):
            rows.append(_row([_OURS, " ", label], [*_scores(cells), *_words([""])]))
    title = f"baselines and bound on the samples of {group.label}"
    return [_body(title, rows, 2 + len(columns))] if rows else []


def _header(columns: Sequence[Column]) -> list[Markup]:
    sets = list(dict.fromkeys(column.test_set for column in columns))
    widths = [sum(column.test_set == name for column in columns) for name in sets]
    spans = [
        element("th", name, colspan=width, scope="colgroup")
        for name, width in zip(sets, widths, strict=True)
    ]
    names = ["method", *(column.score for column in columns), "pretrained vision"]
    empty = element("th", scope="col")
    return [
        element("tr", empty, spans, empty),
        element("tr", [element("th", name, scope="col") for name in names]),
    ]


def _ablations(scored: Sequence[Scored]) -> Markup:
    header = ["", "semantic", "multi-view", "feature alignment", "cIoU", "AUC"]
    ours = [group for group in _studied(scored) if group.runs[0].switches]
    rows = []
    for letter, (switches, values) in ABLATIONS.items():
        words = _words("on" if switch else "off" for switch in switches)
        rows.append(_row([_PAPER, f" ({letter})"], [*words, *_scores(map(number, values))]))
        for group in ours:
            if group.runs[0].switches == switches:
                for word, cells in _on_its_benchmark(group):
                    name = _name(group, word, group.conditions())
                    rows.append(_row(name, [*words, *cells], mine=True))
    caption = "Ablations, on VGG-SS"
    return _section(8, caption, None, [_plain_header(header)], [element("tbody", rows)])


def _neighbours(scored: Sequence[Scored]) -> Markup:
    full = [group for group in _studied(scored) if group.runs[0].switches == (True, True, True)]
    rows = []
    for k in sorted({*NEIGHBOURS, *(run.k for group in full for run in group.runs if run.k)}):
        if k in NEIGHBOURS:
            rows.append(_row(_PAPER, [*_words([k]), *_scores(map(number, NEIGHBOURS[k]))]))
        for group in full:
            if group.runs[0].k == k:
                for word, cells in _on_its_benchmark(group):
                    name = _name(group, word, group.conditions())
                    rows.append(_row(name, [*_words([k]), *cells], mine=True))
    caption = "k of the neighbour search, on VGG-SS"
    header = _plain_header(["", "k", "cIoU", "AUC"])
    return _section(9, caption, None, [header], [element("tbody", rows)])


def _studied(scored: Sequence[Scored]) -> list[Group]:
    """The runs on VGG-SS; of those that are not scored there, on the toy's scenes."""
    first, second = (groups(scored, [benchmark]) for benchmark in _STUDIED_ON)
    known: set[Run] = {run for group in first for run in group.runs}
    return [*first, *(group for group in second if not known.intersection(group.runs))]


def _on_its_benchmark(group: Group) -> list[tuple[str, list[Markup]]]:
    """A word and the scores of each line: on the paper's clips and, below, on all; where no list
    says which the paper's are, on all alone."""
    lines: list[tuple[str, list[Markup]]] = []
    for word, part in (("", PAPER_CLIPS), (FULL_LIST, "")):
        cells = [
            group.cell(group.scored[0].benchmark, f"{metric}{part}") for metric in ("cIoU", "AUC")
        ]
        if any(cells):
            lines.append((word if lines else "", _scores(cells)))
    return lines


def _plain_header(names: Sequence[str]) -> Markup:
    return element("tr", [element("th", name, scope="col") for name in names])


def _row(name: object, cells: Sequence[Markup], mine: bool = False) -> Markup:
    head = element("th", name, scope="row")
    return element("tr", head, cells, class_="mine" if mine else None)


def _words(values: Iterable[object]) -> list[Markup]:
    return [element("td", value) for value in values]


def _scores(values: Iterable[str]) -> list[Markup]:
    return [element("td", value, class_="number") for value in values]


def _body(title: str, rows: Sequence[Markup], width: int) -> Markup:
    text = element("span", title, class_="stay")
    head = element("tr", element("th", text, colspan=width, scope="rowgroup"), class_="part")
    return element("tbody", head if title else None, rows)


def _section(
    place: int,
    caption: str,
    note: Markup | None,
    header: Sequence[Markup],
    body: Sequence[Markup],
    broad: bool = False,
) -> Markup:
    title = element("h3", f"Table {place}")
    kind = "broad" if broad else None
    framed = table(caption, header, body, label=f"Table {place}")
    return element("section", title, note, framed, id=f"table-{place}", class_=kind)
