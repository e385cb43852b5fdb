"""The paper's tables with our scores among its own, each row marked as the paper's or ours."""

from collections.abc import Iterable, Sequence

from pipeline.report.markup import Markup, element, number, table
from pipeline.report.paper_numbers import ABLATIONS, FLOW, NEIGHBOURS, OGL, TABLES, Column, Table
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
        for where, suffix, word in paper.ours:
            if where == section:
                rows += _our_rows(paper.columns, ours, suffix, word)
        if rows:
            body.append(_body(section, rows, 2 + len(paper.columns)))
    if ours:
        body += _baselines(paper.columns, ours[0])
    note = None
    if not ours:
        note = element("p", f"No run of ours yet: study {paper.study} of params.yaml makes them.")
    broad = len(paper.columns) > _NARROW
    return _section(paper.number, paper.caption, note, _header(paper.columns), body, broad)


def _our_rows(
    columns: Sequence[Column], ours: Sequence[Group], suffix: str, word: str
) -> list[Markup]:
    rows = []
    for group in ours:
        cells = [group.cell(column.benchmark, f"{column.metric}{suffix}") for column in columns]
        if any(cells):
            conditions = group.settings() if suffix else group.conditions()
            values = [*_scores(cells), *_words([_PRETRAINED[group.runs[0].pretrained]])]
            rows.append(_row(_name(group, word, conditions), values, mine=True))
    return rows


def _name(group: Group, word: str, conditions: Sequence[str]) -> list[object]:
    made = [" ", _MADE] if group.made else None
    lines = [element("span", line, class_="condition") for line in conditions]
    return [_OURS, f" {group.runs[0].method}, ", group.label, f", {word}" if word else None, made, lines]


def _baselines(columns: Sequence[Column], group: Group) -> list[Markup]:
    rows = []
    for name, label in BASELINES.items():
        cells = [group.cell(column.benchmark, f"{column.metric}.{name}") for column in columns]
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
                cells = [*words, *_on_its_benchmark(group)]
                rows.append(_row(_name(group, "", group.conditions()), cells, mine=True))
    caption = "Ablations, on VGG-SS"
    return _section(8, caption, None, [_plain_header(header)], [element("tbody", rows)])


def _neighbours(scored: Sequence[Scored]) -> Markup:
    full = [group for group in _studied(scored) if group.runs[0].switches and all(group.runs[0].switches)]
    rows = []
    for k in sorted({*NEIGHBOURS, *(run.k for group in full for run in group.runs if run.k)}):
        if k in NEIGHBOURS:
            rows.append(_row(_PAPER, [*_words([k]), *_scores(map(number, NEIGHBOURS[k]))]))
        for group in full:
            if group.runs[0].k == k:
                name = _name(group, "", group.conditions())
                rows.append(_row(name, [*_words([k]), *_on_its_benchmark(group)], mine=True))
    caption = "k of the neighbour search, on VGG-SS"
    header = _plain_header(["", "k", "cIoU", "AUC"])
    return _section(9, caption, None, [header], [element("tbody", rows)])


def _studied(scored: Sequence[Scored]) -> list[Group]:
    """The runs on VGG-SS; of those that are not scored there, on the toy's scenes."""
    first, second = (groups(scored, [benchmark]) for benchmark in _STUDIED_ON)
    known: set[Run] = {run for group in first for run in group.runs}
    return [*first, *(group for group in second if not known.intersection(group.runs))]


def _on_its_benchmark(group: Group) -> list[Markup]:
    return _scores(group.cell(group.scored[0].benchmark, metric) for metric in ("cIoU", "AUC"))


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
