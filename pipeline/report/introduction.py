"""What stands before the tables: which runs these are, and how to read their numbers."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from pipeline.report.html_tables import Head, TableRow, draw_table
from pipeline.report.runs import Run, Scored


def reading(scored: Sequence[Scored]) -> list[str]:
    """The sentences below the page's title."""
    lines = [
        "Where in a picture does a sound come from? The paper's tables with our scores among its "
        "own, curves, and of each benchmark the best, typical and worst samples to look at and "
        "listen to.",
        "Rows marked paper are printed in Senocak et al., Sound Source Localization is All about "
        "Cross-Modal Alignment (ICCV 2023), those marked ours were made here. Scores are in per "
        "cent. Below each run of ours: its training list and seeds, its k, its pooling and what of "
        "the method is off, how many samples of the official list were scored, and how many clips "
        "of the benchmark it was trained on.",
    ]
    if any(item.made for item in scored):
        lines.append(
            "Scores marked toy corpus follow the paper's protocols on made clips. They show that "
            "everything works and cannot be compared with the paper's."
        )
    return lines


def run_table(runs: Sequence[Run], clips: Mapping[str, int]) -> Markup:
    """The runs with the values that tell them apart; `clips` says how many each was trained on."""
    heads = [Head("method", number=False), Head("trained on", number=False)]
    heads += [Head(name) for name in ("clips", "seed", "epochs", "batch")]
    heads.append(Head("variant", number=False))
    rows = []
    for run in runs:
        values = (run.method, run.trained_on, clips[run.folder], run.seed, run.epochs, run.batch)
        known = ["" if value is None else value for value in (*values, run.label)]
        rows.append(TableRow(run.name, known))
    caption = "The runs of this report; a published file says neither seed nor settings"
    return draw_table(caption, "The runs", "run", heads, rows)
