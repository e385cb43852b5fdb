"""Scores of anyone's maps as text: a table beside the paper's rows, and rows of LaTeX."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from tabulate import tabulate

from pipeline.benchmarks.metrics.bootstrap import HIGH, LEVEL, LOW
from pipeline.benchmarks.tasks.parts import Parts
from pipeline.report.anyones.beside_paper import paper_tables
from pipeline.report.anyones.compare import Difference
from pipeline.report.anyones.parts import Part
from pipeline.report.anyones.score import Scored
from pipeline.report.anyones.statistics import Estimate, estimates

_PLAIN = {"": ("", "")}
_OGL = {"with OGL": ("", "_ogl")}
# What of a kind is shown: scores, and rows by their words with what each puts before a score's name
# and behind it.
_SHOWN: dict[str, tuple[tuple[str, ...], dict[str, tuple[str, str]]]] = {
    "localization": (
        ("cIoU", "AUC"),
        {
            **_PLAIN,
            "adaptive threshold": ("", "_adaptive"),
            "half of the map's range": ("", "_half"),
            **_OGL,
            "with OGL, adaptive": ("", "_adaptive_ogl"),
        },
    ),
    "detection": (
        ("AP", "max_F1", "LocAcc"),
        {**_PLAIN, **_OGL, "with OGL, 0.9 of the map": ("", "_ogl_slavc")},
    ),
    "segmentation": (("mIoU", "F_median", "F_max"), {**_PLAIN, **_OGL}),
    "retrieval": (
        tuple(f"R@{k}_{direction}" for direction in ("a2i", "i2a") for k in (1, 5, 10)),
        {"any of the class": ("class_", ""), "the own partner": ("", "")},
    ),
}
_NOT_PRINTED = ("adaptive", "half of")  # rows that papers' tables do not have
_HEADS = {"a2i": "sound to image", "i2a": "image to sound"}
_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


class Row(NamedTuple):
    """A row of ours: its word, and the scores in it by column; an interval that is not known has
    NaN for ends."""

    word: str
    scores: dict[str, Estimate]


def score_rows(scored: Scored) -> list[Row]:
    """The rows of scored maps: all samples, and the paper's clips first where they are fewer."""
    columns, lines = _SHOWN[scored.kind]
    count = len(scored.rows)
    parts_of_task: Parts = getattr(scored.task, "parts", {})
    available = parts_of_task.get("available", np.zeros(count, np.bool_))
    parts = {"": estimates(scored.kind, scored.columns)}
    if 0 < available.sum() < count:
        # Recall on fewer pairs is among fewer answers, not a part of the same ranks.
        again = (
            {} if scored.kind == "retrieval" else estimates(scored.kind, scored.columns, available)
        )
        parts = {"@available": again, **parts}
    whose = "the shorter list's" if scored.made else "the paper's"
    rows = []
    for word, (prefix, suffix) in lines.items():
        for part, found in parts.items():
            cells = {}
            for column in columns:
                name = f"{prefix}{column}{suffix}"
                if name in found:
                    cells[column] = found[name]
                elif f"{name}{part}" in scored.metrics:
                    cells[column] = _estimate(scored.metrics, f"{name}{part}")
            which = f"{whose} {available.sum()} clips" if part else ""
            if cells:
                rows.append(Row(", ".join(filter(None, (word, which))), cells))
    return rows


def _estimate(metrics: Mapping[str, float], name: str) -> Estimate:
    low, high = (metrics.get(f"{name}{end}", math.nan) for end in (LOW, HIGH))
    return Estimate(metrics[name], low, high)


def score_text(scored: Scored, label: str) -> str:
    """The scores as a table for a terminal, below them the paper's rows on the same benchmark."""
    columns = _SHOWN[scored.kind][0]
    ours: list[Sequence[str]] = [
        [", ".join(filter(None, (label, row.word))), *(_cell(row.scores.get(c)) for c in columns)]
        for row in score_rows(scored)
    ]
    prefix = "class_" if scored.kind == "retrieval" else ""
    for table in [] if scored.made else paper_tables(scored.benchmark):
        ours.append(["", *("" for _ in columns)])
        ours.append([f"Table {table.number} of the paper", *("" for _ in columns)])
        for row in table.rows:
            name = f"{row.method}, {row.section}" if row.section else row.method
            printed = (row.values.get(f"{prefix}{column}") for column in columns)
            ours.append([f"  {name}", *("" if v is None else f"{v:.2f}" for v in printed)])
    of = scored.benchmark or "boxes or masks of one's own"
    official = int(scored.metrics["official_samples"])
    head = (
        f"{scored.kind} on {of}, {len(scored.rows)} of {official} samples; per cent, with the "
        f"{100 * LEVEL:.0f} % interval over samples"
    )
    if scored.made:
        head += "\nthe toy's samples, beside which the paper's rows say nothing"
    return f"{head}\n\n{_table(['', *map(_head, columns)], ours)}"


def parts_text(parts: Sequence[Part], kind: str, title: str) -> str:
    """The scores of each part, a row each."""
    columns = [name for name in _SHOWN[kind][0] if any(name in p.estimates for p in parts)]
    rows = [
        [part.name, f"{part.samples}", *(_cell(part.estimates.get(c)) for c in columns)]
        for part in parts
    ]
    return _table([title, "samples", *map(_head, columns)], rows)


def differences_text(differences: Mapping[str, Difference], first: str, second: str) -> str:
    """The scores of two files, their difference with its interval, and its p-value."""
    rows = [
        [
            _head(name),
            f"{d.first:.2f}",
            f"{d.second:.2f}",
            f"{d.difference:+.2f} [{d.low:+.2f}, {d.high:+.2f}]",
            f"{d.p:.4f}",
        ]
        for name, d in differences.items()
    ]
    return _table(["paired bootstrap", first, second, "difference", "p"], rows)


def latex(scored: Scored, label: str) -> str:
    """A row of LaTeX for each of the first row's scores and those with OGL: values with their
    intervals, below a comment that names the columns."""
    columns = _SHOWN[scored.kind][0]
    name = "".join(_LATEX.get(character, character) for character in label)
    lines = ["% " + " & ".join(["method", *map(_head, columns)])]
    for row in score_rows(scored):
        if any(word in row.word for word in _NOT_PRINTED):
            continue
        cells = (_latex_cell(row.scores.get(column)) for column in columns)
        lines.append(" & ".join([", ".join(filter(None, (name, row.word))), *cells]) + r" \\")
    return "\n".join(lines)


def _cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    value, low, high = estimate
    return f"{value:.2f}" if math.isnan(low) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _latex_cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return "--"
    value, low, high = estimate
    return (
        f"{value:.2f}"
        if math.isnan(low)
        else rf"{value:.2f} {{\scriptsize [{low:.2f}, {high:.2f}]}}"
    )


def _head(metric: str) -> str:
    name, _, direction = metric.rpartition("_")
    return f"{_HEADS[direction]} {name}" if direction in _HEADS else metric


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    # Leading blanks and trailing zeros are meant.
    aligned = ["left", *["left"] * (len(header) - 1)]
    return str(
        tabulate(
            rows,
            header,
            "simple",
            disable_numparse=True,
            colalign=aligned,
            preserve_whitespace=True,
        )
    )
