"""The page around its sections: head, contents, style; nothing that is fetched and no script.

The content security policy in the head makes the browser hold to that: whatever a clip's name
contains, nothing is loaded and nothing runs. The price of no script is that two players can sound
at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.markup import Markup, element

_POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"

# Lines of charts: a colour in either theme and a dash each, `curves.STYLES` of them.
_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1b1f24; --faint: #59636e;
  --rule: #d1d9e0; --panel: #f6f8fa; --mine: #e8f1fd; --accent: #0550ae; --right: #1a7f37;
  --c0: #0550ae; --c1: #bc4c00; --c2: #1a7f37; --c3: #8250df; --c4: #953800; --c5: #57606a; }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --ink: #e6edf3; --faint: #9da7b3;
  --rule: #30363d; --panel: #161b22; --mine: #12233a; --accent: #79b8ff; --right: #56d364;
  --c0: #79b8ff; --c1: #ffa657; --c2: #56d364; --c3: #d2a8ff; --c4: #ff9b8e; --c5: #b1bac4; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 3.2rem; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: .5rem; top: .5rem; z-index: 2; background: var(--ground); padding: .5rem; }
header, main { max-width: 76rem; margin: 0 auto; padding: 0 1rem; }
header p { max-width: 50rem; }
nav { position: sticky; top: 0; z-index: 1; background: var(--ground);
  border-bottom: 1px solid var(--rule); }
nav ul { display: flex; gap: 1.1rem; max-width: 76rem; margin: 0 auto; padding: .6rem 1rem;
  list-style: none; overflow-x: auto; white-space: nowrap; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 1.5rem 0 .5rem; }
h2 { margin: 2.5rem 0 .5rem; padding-bottom: .2rem; border-bottom: 1px solid var(--rule); }
h3 { margin: 2rem 0 .3rem; }
h4 { margin: 1rem 0 .3rem; font-size: .95rem; font-weight: 600; }
.benchmark h3 { margin: 1.2rem 0 .4rem; font-size: 1rem; }
.scroll { overflow-x: auto; max-width: 100%; margin: .5rem 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
caption { text-align: left; color: var(--faint); padding-bottom: .4rem; }
.stay { display: block; position: sticky; left: 0; max-width: min(100vw - 2rem, 36rem); }
th, td { padding: .25rem .7rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--rule); }
tbody th { font-weight: 400; min-width: 12rem; max-width: 26rem; }
thead th { vertical-align: bottom; }
thead th[colspan] { text-align: center; }
td.number { text-align: right; white-space: nowrap; }
tr.part th { padding-top: .8rem; font-weight: 600; }
tr.mine { background: var(--mine); }
tr.mine th, tr.mine td { font-weight: 600; }
.condition { display: block; color: var(--faint); font-size: .82rem; font-weight: 400; }
.tag { border: 1px solid var(--rule); border-radius: .3rem; padding: 0 .3rem; font-size: .75rem;
  color: var(--faint); font-weight: 400; white-space: nowrap; }
.tag.mine { border-color: var(--accent); color: var(--accent); }
.tables { display: grid; gap: 0 2rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 36rem), 1fr)); }
.tables > section { min-width: 0; }
.tables th, .tables td { padding: .25rem .45rem; }
.tables > .broad { grid-column: 1 / -1; }
.curves { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr));
  max-width: 62rem; }
figure { margin: 0; }
.chart { width: 100%; height: auto; display: block; }
.chart text { fill: var(--faint); font-size: 11px; }
.chart .grid { stroke: var(--rule); }
.line { fill: none; stroke-width: 2; }
.s0 { stroke: var(--c0); } .s1 { stroke: var(--c1); stroke-dasharray: 7 3; }
.s2 { stroke: var(--c2); stroke-dasharray: 2 3; }
.s3 { stroke: var(--c3); stroke-dasharray: 9 3 2 3; }
.s4 { stroke: var(--c4); stroke-dasharray: 4 4; } .s5 { stroke: var(--c5); }
figcaption { font-size: .9rem; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: .2rem 0; padding: 0;
  list-style: none; color: var(--faint); }
.legend svg { vertical-align: middle; }
.benchmark { content-visibility: auto; contain-intrinsic-size: auto 1500px; }
.cases { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); }
.cases > * { max-width: 26rem; }
.case { background: var(--panel); border: 1px solid var(--rule); border-radius: .5rem;
  padding: .6rem; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .4rem; }
img { display: block; width: 100%; height: auto; border-radius: .25rem; background: var(--rule); }
audio { display: block; width: 100%; height: 2.4rem; margin: .4rem 0; }
.silent { margin: .4rem 0; min-height: 2.4rem; color: var(--faint); font-size: .9rem; }
.case figcaption span { display: block; }
.clip { color: var(--faint); font-size: .8rem; overflow-wrap: anywhere; }
.answers { display: grid; grid-template-columns: 13rem 1fr; gap: .2rem 1rem; align-items: start; }
.answers h4 { grid-column: 1 / -1; }
.i2a .query img { width: 6rem; }
.query span { display: block; }
.answers ol { display: flex; gap: .6rem; margin: 0; padding: .2rem; list-style: none;
  overflow-x: auto; }
.answers li { flex: 0 0 6.6rem; padding: .3rem; border: 2px solid transparent;
  border-radius: .4rem; font-size: .82rem; }
.i2a li { flex-basis: 11rem; }
.i2a li img { width: 6rem; }
.answers li span { display: block; }
.answers li.right { border-color: var(--right); }
.answers li.alike { border-color: var(--rule); border-style: dashed; }
.mark { font-weight: 600; }
.right .mark { color: var(--right); }
details { margin: .6rem 0; }
summary { cursor: pointer; padding: .3rem 0; }
@media (max-width: 40rem) {
  .cases { display: flex; overflow-x: auto; padding-bottom: .4rem; scroll-snap-type: x proximity; }
  .case { flex: 0 0 82%; scroll-snap-align: start; }
  .answers { grid-template-columns: 1fr; }
  th, td { padding: .25rem .45rem; }
  tbody th { min-width: 8.5rem; max-width: 8.5rem; overflow-wrap: anywhere; }
  tbody th[scope=row] { position: sticky; left: 0; background: var(--ground); }
  tr.mine th[scope=row] { background: var(--mine); }
}
"""


@dataclass(frozen=True)
class Section:
    """A part of the page: what the address' fragment and the contents call it, and its content."""

    key: str
    title: str
    content: object
    short: str | None = None  # in the contents, where it is not the title
    class_: str | None = None


def page(title: str, introduction: Sequence[object], sections: Sequence[Section]) -> str:
    """The whole HTML document."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(_STYLE)),
    )
    links = [
        element("li", element("a", section.short or section.title, href=f"#{section.key}"))
        for section in sections
    ]
    body = element(
        "body",
        element("a", "Skip to the content", href="#content", class_="skip"),
        element("header", element("h1", title), [element("p", text) for text in introduction]),
        element("nav", element("ul", links), aria_label="Contents"),
        element("main", [_section(section) for section in sections], id="content"),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _section(section: Section) -> Markup:
    heading = element("h2", section.title, id=f"{section.key}-title")
    return element(
        "section",
        heading,
        section.content,
        "\n",
        id=section.key,
        class_=section.class_,
        aria_labelledby=f"{section.key}-title",
    )
