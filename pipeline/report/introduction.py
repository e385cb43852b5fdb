"""What stands before the tables: which runs these are, and how to read their numbers."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from pipeline.report.html_tables import Head, TableRow, draw_table
from pipeline.report.runs import ASPECTS, Group, Run, Scored, groups_of_runs, sample_counts
from pipeline.report.templating import render


def reading(scored: Sequence[Scored]) -> Markup:
    """How a page's numbers are to be read."""
    lines = [
        "Where in a picture does a sound come from? The paper's tables with our scores among its "
        "own, curves, and of each benchmark the best, typical and worst samples to look at and "
        "listen to.",
        "Rows marked paper are printed in Senocak et al., Sound Source Localization is All about "
        "Cross-Modal Alignment (ICCV 2023), those marked ours were made here and stand below the "
        "printed row of their method. Scores are in per cent. Below each table stands under what "
        "our rows were made: training list, seeds and precision, how many clips of the benchmark "
        "they were trained on, what tells runs apart, and how many samples of the official list "
        "were scored.",
        "A score of several seeds is their mean ± Student's 95 % interval of that mean, and below "
        "it the lowest to the highest seed. In brackets is the 95 % bootstrap interval over "
        "samples; of several seeds, the mean of each end.",
        "Epoch says which one a number is of: many printed ones are of the epoch that was best on "
        "a test set, as each method's own code has it, ours are always of the last.",
    ]
    if any(item.made for item in scored):
        lines.append(
            "Scores marked toy corpus follow the paper's protocols on made clips. They show that "
            "everything works and cannot be compared with the paper's."
        )
    return render("reading", lines=lines)


def run_table(runs: Sequence[Run], clips: Mapping[str, int]) -> Markup:
    """The runs with the values that tell them apart, those that differ in their seed alone in one
    row; `clips` says by a run's folder how many each was trained on."""
    heads = [Head("method", number=False), Head("trained on", number=False), Head("clips")]
    heads += [Head("seeds"), Head("epochs"), Head("batch"), Head("precision", number=False)]
    heads += [Head("frames", number=False), Head("variant", number=False)]
    rows = []
    for group in groups_of_runs(runs):
        run = group.runs[0]
        seeds = ", ".join(str(member.seed) for member in group.runs if member.seed is not None)
        counts = " or ".join(f"{n}" for n in sorted({clips[each.folder] for each in group.runs}))
        values = (run.method, run.trained_on, counts, seeds, run.epochs, run.batch, run.precision)
        more = (ASPECTS.get(run.aspect or ""), run.label)
        known = ["" if value is None else value for value in (*values, *more)]
        rows.append(TableRow(group.label, known))
    caption = "The runs of this report; a published file says neither seed nor settings"
    return draw_table(caption, "The runs", "run", heads, rows)


def facts(runs: Sequence[Group], corpus: str) -> str:
    """What stands first in a benchmark's section: whose scores, on what, over how many samples."""
    counts = {sample_counts(item.metrics) for group in runs for item in group.scored}
    labels = [group.label for group in runs]
    whose = f"Run {labels[0]}" if len(runs) == 1 else f"{len(runs)} runs"
    return f"{whose} on corpus {corpus}: {'; '.join(sorted(counts))}, {runs[0].leaks()}."
