"""The report's page around its sections: head, contents, style and script; nothing is fetched.

The content security policy in the head makes the browser hold to that: whatever a clip's name
contains, nothing is loaded, and no script runs but the page's own, which it names by its hash. All
that is read stands there without the script; with it one player sounds at a time, and all samples
can be looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from pipeline.report.failures import KINDS, MEANINGS
from pipeline.report.store import Store
from pipeline.report.templating import render

_SCRIPTS = ("maps.js", "browser.js", "page.js")


@dataclass(frozen=True)
class Section:
    """A part of the page: what the address' fragment and the contents call it, and its content,
    text (which is escaped) or `Markup`. `folded` has it closed behind its title."""

    key: str
    title: str
    content: str
    short: str | None = None  # in the contents, where it is not the title
    class_: str | None = None
    folded: bool = False


@dataclass(frozen=True)
class Stored:
    """What the page's script reads: an index, and by an element's id what lies beside it."""

    index: Mapping[str, object] = field(default_factory=dict)
    beside: Mapping[str, object] = field(default_factory=dict)


def page(title: str, first: str, sections: Sequence[Section], stored: Stored | None = None) -> str:
    """The whole HTML document; `first` is its first screen."""
    scripts = _SCRIPTS if stored else _SCRIPTS[-1:]
    return render(
        "report", title=title, first=first, sections=sections, stored=stored, scripts=scripts
    )


def browser_content(store: Store) -> tuple[Markup, Stored]:
    """The section of the failure browser, and what its script reads."""
    index, beside, notes = store.packed()
    meanings = [(KINDS[kind], words) for kind, words in MEANINGS.items()]
    return render("browser", meanings=meanings, notes=notes), Stored(index, beside)


def together(parts: Sequence[Markup], class_: str) -> Markup:
    """Parts of a section side by side or below each other, as the style sheet says of `class_`."""
    return render("together", parts=parts, class_=class_)


def paper_tables(tables: Sequence[Markup], toy: bool) -> Markup:
    """The paper's tables; where the study is a `toy` under a line that says so."""
    return render("paper_tables", tables=tables, toy=toy)


def benchmark_content(
    facts: str,
    curves: Sequence[tuple[str, Sequence[Markup]]],
    scores: Markup,
    cases: Markup,
    whose: str,
    sizes: Markup | None = None,
    classes: tuple[str, Markup] | None = None,
    conditions: Markup | None = None,
) -> Markup:
    """The section of one benchmark: a sentence, the `curves` of each run by its label, its scores
    under `conditions`, by size and by class, all scores, folded, and its cases, which are those of
    the run `whose` ('' for all runs)."""
    drawn = [(label, charts) for label, charts in curves if charts]
    return render(
        "benchmark",
        facts=facts,
        curves=drawn,
        scores=scores,
        cases=cases,
        whose=whose,
        sizes=sizes,
        classes=classes,
        conditions=conditions,
    )
