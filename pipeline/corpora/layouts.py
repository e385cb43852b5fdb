"""Source layouts: how a corpus lies on disk, one file a layout.

A layout is one file `pipeline/corpora/<reader>.py` that declares

    EXPECTS: str                            what lies under the root, in a few words
    ORIGIN: str                             where people get it
    def find(root: Path) -> list[Source]    its clips, sorted by their unique ids

and is imported by its name when a corpus asks for it, so a new layout is a new file and no change
anywhere else. A reader knows names and folders and opens no media file: finding 200,000 clips takes
the time of listing them, and what is inside is for `decode` to find out, one clip at a time.
"""

import ast
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline import corpora
from pipeline.corpora.source import Source, archives_under, describe_copies, report
from pipeline.errors import InputError

_DECLARED = {"EXPECTS", "ORIGIN", "find"}


@dataclass(frozen=True)
class Layout:
    """A source layout: its reader, what that expects under the root, and where the data are got."""

    find: Callable[[Path], list[Source]]
    expects: str
    origin: str


def reader_names() -> list[str]:
    """The names of all readers, sorted: the modules of this package that declare a layout.

    Their source is parsed and not imported, so that a fault in one reader is no fault of another.
    """
    files = [path for folder in corpora.__path__ for path in Path(folder).glob("*.py")]
    return sorted({path.stem for path in files if _declares_layout(path)})


def layout(reader: str) -> Layout:
    """The layout that the module `pipeline.corpora.<reader>` declares.

    Raises `InputError` for a name that is no reader's, with those that are.
    """
    files = [Path(folder) / f"{reader}.py" for folder in corpora.__path__]
    if not reader.isidentifier() or not any(map(_declares_layout, files)):
        raise InputError(
            f"corpus reader {reader!r}: expected one of {', '.join(reader_names())}, the files in "
            f"pipeline/corpora that declare {', '.join(sorted(_DECLARED))}"
        )
    module = importlib.import_module(f"{corpora.__name__}.{reader}")
    return Layout(module.find, module.EXPECTS, module.ORIGIN)


def find_sources(reader: str, root: Path) -> list[Source]:
    """The clips of a corpus, sorted by their unique ids.

    reader: the name of a layout (`reader_names`). root: the corpus' folder; it may itself be a
    link. A clip that lies there more than once is taken once, by `source.take_one`; this and
    archives that nobody unpacked are named on the terminal. Raises `InputError` for an unknown
    reader, a missing or empty root (with what is expected there and where it comes from), and a
    link that leaves the root.
    """
    found = layout(reader)
    wanted = f"the {reader} reader expects {found.expects}; {found.origin}"
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; {wanted}")
    sources = found.find(root)
    archives = archives_under(root)
    packed = archives and (
        f"{len(archives):,} archives there must be unpacked first, "
        f"such as {str(archives[0].relative_to(root))!r}"
    )
    if not sources:
        raise InputError(f"{root}: holds no clip; {f'{packed}; ' if packed else ''}{wanted}")
    for line in (*describe_copies(sources), *([packed] if packed else [])):
        report(root, line)
    return sources


def _declares_layout(path: Path) -> bool:
    """Whether a file assigns or defines all of `_DECLARED` at its top level."""
    if not path.is_file():
        return False
    names: set[str] = set()
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names >= _DECLARED
