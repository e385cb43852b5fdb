"""By what a page can be traced: the hashes under which DVC keeps what its numbers come from.

A commit is not among them, since equal results have to give an equal page in every clone; the
hashes stand in `dvc.lock`, whose history names the commits.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from pipeline.base.code import hash_of_code
from pipeline.report.html_tables import Head, TableRow, draw_table
from pipeline.report.templating import render


def provenance(outputs: Sequence[Path]) -> Markup:
    """The hashes of a page's own code and of `outputs` of earlier stages, files and folders. One
    that is not there is left out, as the weights of somebody's published file are."""
    rows = [TableRow("code of this page", [hash_of_code("stages.report")])]
    rows += [TableRow(path.as_posix(), [dvc_hash(path)]) for path in outputs if path.exists()]
    caption = "Hashes as dvc.lock has them (md5); of the code, of its text"
    heads = [Head("hash", number=False)]
    table = draw_table(caption, "Provenance", "what", heads, rows)
    return render("provenance", table=table)


def dvc_hash(path: Path) -> str:
    """The hash by which DVC knows a file or a folder: hexadecimal digits, of a folder with `.dir`
    behind them."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, _md5).hexdigest()
    files = [each for each in path.rglob("*") if each.is_file()]
    named = sorted((file.relative_to(path).as_posix(), file) for file in files)
    listed = [{"md5": dvc_hash(file), "relpath": name} for name, file in named]
    digest = _md5()
    digest.update(json.dumps(listed, sort_keys=True).encode())
    return f"{digest.hexdigest()}.dir"


def _md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)
