"""The report's page around its sections: head, contents, style; nothing that is fetched, no script.

The content security policy in the head makes the browser hold to that: whatever a clip's name
contains, nothing is loaded and nothing runs. The price of no script is that two players can sound
at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.report.templating import render


@dataclass(frozen=True)
class Section:
    """A part of the page: what the address' fragment and the contents call it, and its content,
    text (which is escaped) or `Markup`."""

    key: str
    title: str
    content: str
    short: str | None = None  # in the contents, where it is not the title
    class_: str | None = None


def page(title: str, introduction: Sequence[str], sections: Sequence[Section]) -> str:
    """The whole HTML document."""
    return render("report", title=title, introduction=introduction, sections=sections)


def together(parts: Sequence[Markup], class_: str) -> Markup:
    """Parts of a section side by side or below each other, as the style sheet says of `class_`."""
    return render("together", parts=parts, class_=class_)


def benchmark_content(
    facts: str,
    curves: Sequence[tuple[str, Sequence[Markup]]],
    scores: Markup,
    cases: Markup,
    whose: str,
) -> Markup:
    """The section of one benchmark: a sentence, the `curves` of each run by its label, all scores,
    folded, and its cases, which are those of the run `whose` ('' for all runs)."""
    drawn = [(label, charts) for label, charts in curves if charts]
    return render("benchmark", facts=facts, curves=drawn, scores=scores, cases=cases, whose=whose)
