"""HTML out of Python values: everything is escaped unless it is markup already.

A clip's name is a stranger's file name, so escaping is what happens by default and `Markup` the
exception. Forty lines instead of a template engine, since the page is lists and tables of values;
the price is that its structure is read in code.
"""

from collections.abc import Iterable
from html import escape as escape_text

_VOID = frozenset({"br", "img", "link", "meta"})

Content = object  # None, a value, or an iterable of them


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def render(content: Content) -> Markup:
    """`content` as markup: None is nothing, an iterable its parts one behind the other, `Markup`
    itself, anything else its escaped text."""
    if content is None:
        return Markup()
    if isinstance(content, Markup):
        return content
    if isinstance(content, Iterable) and not isinstance(content, str | bytes):
        return Markup("".join(map(render, content)))
    return Markup(escape_text(str(content)))


def element(name: str, /, *content: Content, **attributes: object) -> Markup:
    """One element. An attribute's underscores become hyphens but for a last one (`class_`); None
    and False leave it out, True gives it no value."""
    opening = [name]
    for key, value in attributes.items():
        key = key.removesuffix("_").replace("_", "-")
        if value is True:
            opening.append(key)
        elif value is not None and value is not False:
            opening.append(f'{key}="{escape_text(str(value))}"')
    if name in _VOID:
        return Markup(f"<{' '.join(opening)}>")
    return Markup(f"<{' '.join(opening)}>{render(content)}</{name}>")


def table(
    caption: Content, header: Iterable[Content], body: Iterable[Content], *, label: str
) -> Markup:
    """A table in a frame that scrolls sideways where the screen is narrow, reachable by keyboard.

    `header` holds rows (`tr`), `body` rows or whole groups of them (`tbody`); `label` names the
    frame for who does not see it.
    """
    rows = [element("thead", list(header)), *body]
    inner = element("table", element("caption", element("span", caption, class_="stay")), rows)
    return element("div", inner, class_="scroll", role="region", aria_label=label, tabindex=0)


def number(value: float | None) -> str:
    """A score as the paper prints one, two digits behind the point; empty for None."""
    return "" if value is None else f"{value:.2f}"
