"""Two tables of the toy's harder questions, each beside what learns nothing: scores under each
condition, with their bound, and scores at the moments of clips that move."""

from collections.abc import Sequence

from markupsafe import Markup

from pipeline.report.html_tables import Head, PageTable, RowGroup, TableRow, table_markup
from pipeline.report.runs import BASELINES, Group

_CONDITIONS = {
    "congruent": "its own sound",
    "conflicting": "another visible object's sound",
    "laid-over": "its own sound, that of something unseen over it",
    "several": "two visible objects sound",
}
_SCORES = {
    "pointing": "The map's maximum lies in what sounds",
    "cIoU_adaptive": "IoU of at least 0.5, cut at the true area",
}
_ABSENT = {
    "maximum": "the map's maximum",
    "confidence": "the mean of its top quarter",
    "s_A": "s_A",
    "s_L": "s_L",
}
MOVING = "moving"  # what moving clips are called among benchmarks
_MOMENTS = {
    "pointing": "maximum in what sounds, over all moments",
    "pointing@one-sound": "where one object sounds throughout",
    "pointing@changes": "where another one takes over midway",
    "swap": "right both before and after it takes over",
}
_STILL = {
    "still": "the map of the clip's middle, held",
    "centre": BASELINES["centre"],
}


def condition_table(benchmark: str, together: Sequence[Group]) -> Markup | None:
    """Scores under each condition, a column for each run and one for each baseline beside the first
    run; None for a benchmark without conditions."""
    first = together[0].on(benchmark)[0].metrics
    if "pointing@congruent" not in first:
        return None
    baselines = [name for name in BASELINES if any(key.endswith(f".{name}") for key in first)]

    def row(key: str, words: str, part: str | None = None) -> TableRow:
        cells = [group.cell(benchmark, key) for group in together]
        cells += [together[0].cell(benchmark, f"{key}.{name}") for name in baselines]
        count = first.get(f"samples@{part}")
        return TableRow(words, cells, [] if count is None else [f"{count:.0f} samples"])

    parts = []
    for score, title in _SCORES.items():
        rows = [
            row(f"{score}@{name}", words, name)
            for name, words in _CONDITIONS.items()
            if f"{score}@{name}" in first
        ]
        if score == "pointing" and "all_lit@several" in first:
            words = "... and each is hotter than the rest of the frame and every silent object"
            rows.append(row("all_lit@several", words, "several"))
        parts.append(RowGroup(title, rows))
    for measure, words in (("AP", "average precision"), ("ROC", "area under the ROC curve")):
        rows = [
            row(f"{measure}_absent_{name}", score)
            for name, score in _ABSENT.items()
            if f"{measure}_absent_{name}" in first
        ]
        if rows:
            title = f"A sound of nothing in view, told from own sounds by a low score: {words}"
            parts.append(RowGroup(title, rows))
    heads = [Head(group.label) for group in together]
    heads += [Head(BASELINES[name]) for name in baselines]
    caption = "Under which conditions, in per cent; below a share of samples its 95 % interval"
    table = PageTable(caption, "Scores under each condition", "sound", heads, parts)
    return table_markup(table)


def moments_table(together: Sequence[Group]) -> Markup:
    """Scores at the moments of moving clips, a column for each run's moving map and, beside those
    of the first run, one for each map that stays. `together` are scored on `MOVING`."""
    first = together[0].on(MOVING)[0].metrics
    rows = [
        TableRow(
            words,
            [
                *(group.cell(MOVING, key) for group in together),
                *(together[0].cell(MOVING, f"{key}.{name}") for name in _STILL),
            ],
        )
        for key, words in _MOMENTS.items()
        if key in first
    ]
    clips, changes = first["samples"], first["samples@changes"]
    caption = (
        f"{clips:.0f} clips, a map every 0.1 s, in per cent with the 95 % interval over clips; in "
        f"{changes:.0f} another object takes over midway, and the last row is of all pairs of a "
        f"moment before and one after. Near the change a method's window hears both"
    )
    heads = [Head(group.label) for group in together] + [Head(name) for name in _STILL.values()]
    return table_markup(
        PageTable(caption, "Scores at moments", "moments", heads, [RowGroup("", rows)])
    )
