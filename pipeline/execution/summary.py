"""How a stage ends: with the few numbers of it that matter in one line, and on a terminal with a
table of all of them."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_STARTED = time.monotonic()  # the command line imports this before anything that takes long

# Of a stage's facts those for its line, where they are not its first.
_MATTER = {
    "toy": ("clips of train", "clips of test"),
    "decode": ("clips", "rejects"),
    "encoders": ("image accuracy, %", "audio accuracy, %"),
    "neighbours": ("clips", "k"),
    "load": ("parameters", "clips trained on"),
    "index": ("clips", "sure", "hardly sure", "not sure", "silent"),
    "gallery": ("sure", "hardly sure", "not sure", "silent", "rejected"),
    "train": ("loss of the first epoch", "loss of the last epoch"),
}


def show_summary(title: str, facts: Mapping[str, object], *outputs: Path, kind: str = "") -> None:
    """What a stage made: `facts` by name, then each of `outputs` with its size on disk. The facts
    of its line are those of a stage of this `kind`, by default of the title's first word."""
    sizes = {str(path): _size(path) for path in outputs}
    matter = _MATTER.get(kind or title.split()[0].rstrip(":"), tuple(facts)[:2])
    line = ", ".join(f"{name} {_cell(facts.get(name, 0))}" for name in matter)
    show_table(title, ("", ""), list({**facts, **sizes}.items()), line=line)


def happened(counts: Mapping[str, float]) -> dict[str, float]:
    """The counts that are not 0, by their names in words: what did not happen needs no row."""
    return {key.replace("_", " "): value for key, value in counts.items() if value}


def show_table(
    title: str,
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    note: str = "",
    line: str = "",
) -> None:
    """The title, how long the command has run and the `line`; below them, on a terminal alone, a
    table of anything and the note."""
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    from pipeline.execution.progress import console

    told = f"{title}: done in {_duration(time.monotonic() - _STARTED)}"
    # Not the table's own title and caption, which wrap at its width.
    console.print(Text(f"{told}; {line}" if line else told, style="bold"), soft_wrap=True)
    if not console.is_terminal:
        return
    table = Table(show_header=any(header), box=SIMPLE)
    for place, name in enumerate(header):
        table.add_column(name, justify="right" if place else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    console.print(table)
    if note:
        console.print(Text(note))


def _cell(value: object) -> str:
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) or value >= 1e4 else f"{value:.4g}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def _size(path: Path) -> str:
    """A file's size, or that of all files below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    size = float(sum(file.stat().st_size for file in files if file.is_file()))
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:  # what rounds to a thousand is one of the next unit
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
