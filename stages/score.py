"""The shared evaluator: published numbers for maps and embeddings that any model made."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import InputError
from pipeline.execution.outputs import check_ending, check_outputs
from pipeline.report.anyones.files import open_arrays
from pipeline.report.anyones.kinds import check_annotations, check_benchmark
from pipeline.report.anyones.rows_file import ENDINGS, write_rows

if TYPE_CHECKING:
    from pipeline.report.anyones.compare import Difference
    from pipeline.report.anyones.parts import Part
    from pipeline.report.anyones.score import Scored


class Kind(StrEnum):
    """What is to be scored."""

    localization = "localization"
    detection = "detection"
    segmentation = "segmentation"
    retrieval = "retrieval"


class By(StrEnum):
    """What the scores are split by."""

    class_ = "class"
    size = "size"


def score(
    kind: Annotated[Kind, typer.Argument(help="The task.")],
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Maps: .npz, .npy, .pt, or a folder with <id>.npy or <id>.png for each clip.",
        ),
    ],
    benchmark: Annotated[
        str | None,
        typer.Option(help="What the ids of FILE are samples of: vggss, flickr, avsbench-s4, ..."),
    ] = None,
    annotations: Annotated[
        Path, typer.Option(help="The folder of the official lists and boxes.")
    ] = Path("data/annotations"),
    media: Annotated[
        Path | None,
        typer.Option(help="AVSBench's folder, with its masks (gt_masks)."),
    ] = None,
    ids: Annotated[
        Path | None, typer.Option(help="The ids of maps that bring none, a line for each map.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="What the rows are called; by default FILE's name.")
    ] = None,
    resize: Annotated[
        str | None,
        typer.Option(
            help="half-pixel, corners, bicubic or bicubic-corners, in place of the protocol's."
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="A second file over the same samples: a paired test of the two."),
    ] = None,
    by: Annotated[
        list[By] | None, typer.Option(help="Also by class or by size; may be given twice.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object, all scores with all digits.")
    ] = False,
    as_latex: Annotated[bool, typer.Option("--latex", help="A row of LaTeX.")] = False,
    per_sample: Annotated[
        Path | None,
        typer.Option(help="Write a row a sample to this file: .parquet, .csv or .tsv."),
    ] = None,
) -> None:
    """Score maps or embeddings of any method by the published protocols, beside the paper's rows.

    FILE holds `maps` (N, h, w), raw similarities, higher is louder, and its ground truth: `ids`
    with --benchmark, or `boxes`, or `masks` (N, 224, 224); `object_maps` adds the OGL numbers.
    `boxes` are a JSON text, per sample a list of [x0, y0, x1, y1] in fractions of the frame, or
    numbers (N, k, 4), rows of NaN for none. Maps without ids (.npy) are in the order of the
    benchmark's list. Retrieval takes `image` and `audio` (N, d).

    Intervals are 95 % of a bootstrap over samples; --against tests by a paired one. data/README.md
    has all formats.

    Examples: [bold]avloc score localization maps.npz --benchmark vggss[/bold],
    [bold]avloc score segmentation maps/ --benchmark avsbench-s4 --media data/avsbench[/bold]
    """
    if as_json and as_latex:
        raise InputError("found --json and --latex, expected one of them")
    if per_sample is not None:
        check_outputs([per_sample], [path for path in (file, against, ids) if path is not None])
        check_ending(per_sample, ENDINGS, "a table")
    if benchmark is not None:
        check_benchmark(kind.value, benchmark)
        check_annotations(benchmark, annotations)
    arrays = open_arrays(file, ids)
    others = None if against is None else open_arrays(against)
    # After what can be told at once: scoring imports torch, which takes seconds.
    from pipeline.report.anyones.compare import compare
    from pipeline.report.anyones.parts import by_class, by_size
    from pipeline.report.anyones.score import score_arrays

    where = (kind.value, benchmark, annotations, media, resize)
    scored = score_arrays(arrays, *where)
    found = None if others is None else compare(scored, score_arrays(others, *where))
    split = {By.class_: by_class, By.size: by_size}
    parts = {which.value: split[which](scored) for which in dict.fromkeys(by or ())}
    if per_sample is not None:
        write_rows(per_sample, scored.rows)
    name = label or file.stem
    if as_json:
        typer.echo(json.dumps(_content(scored, parts, found), indent=2))
    elif as_latex:
        from pipeline.report.anyones.score_table import latex

        typer.echo(latex(scored, name))
    else:
        _show(scored, name, parts, found, "" if against is None else against.stem)


def _content(
    scored: "Scored", parts: "dict[str, list[Part]]", found: "dict[str, Difference] | None"
) -> dict[str, Any]:
    """The scores as `metrics.json` has them; behind them those of parts, by class and by size as
    [value, low, high], and the comparison."""
    content: dict[str, Any] = dict(scored.metrics)
    for name, some in parts.items():
        content[f"by_{name}"] = {
            part.name: {"samples": part.samples, **{k: list(e) for k, e in part.estimates.items()}}
            for part in some
        }
    if found is not None:
        content["against"] = {metric: each._asdict() for metric, each in found.items()}
    return content


def _show(
    scored: "Scored",
    name: str,
    parts: "dict[str, list[Part]]",
    found: "dict[str, Difference] | None",
    other: str,
) -> None:
    from pipeline.report.anyones.score_table import differences_text, parts_text, score_text

    texts = [score_text(scored, name)]
    texts += [parts_text(some, scored.kind, which) for which, some in parts.items()]
    if found is not None:
        texts.append(differences_text(found, name, other))
    typer.echo("\n\n".join(texts))
