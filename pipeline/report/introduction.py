"""What stands before the tables: which runs these are, and how to read their numbers."""

from collections.abc import Mapping, Sequence

from pipeline.report.markup import Markup, element, table
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
    names = ["run", "method", "trained on", "clips", "seed", "epochs", "batch", "variant"]
    rows = []
    for run in runs:
        values = (run.seed, run.epochs, run.batch, run.label)
        cells = [run.method, run.trained_on, clips[run.name], *values]
        rows.append(
            element(
                "tr",
                element("th", run.name, scope="row"),
                [element("td", cell) for cell in cells],
            )
        )
    header = element("tr", [element("th", name, scope="col") for name in names])
    caption = "The runs of this report; a published file says neither seed nor settings"
    return table(caption, [header], [element("tbody", rows)], label="The runs")
