"""The field's official lists: where each is published, and whether a copy is what is there.

`<list>.dvc` beside a list says its address, md5 and size, in the form of `dvc import-url`. DVC
itself does not read them (.dvcignore): it would ask for every one of them in each `dvc status`,
`checkout` and `pull`, and before a stage that reads one of them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import yaml

from pipeline.base.files import atomic_file
from pipeline.errors import InputError

_SECONDS = 20  # without an answer


@dataclass(frozen=True)
class Official:
    """A list: its place here, and what is published."""

    path: Path
    address: str
    md5: str
    size: int

    def is_published_one(self) -> bool:
        """Whether the file that is there has the published bytes."""
        return _md5(self.path.read_bytes()) == self.md5


def official_lists(annotations: Path, names: Sequence[str] = ()) -> list[Official]:
    """The lists that have a `.dvc` file in a folder, all or those named, in order.

    Raises `InputError` for a name without one and for a file that is not of that form."""
    found = {path.stem: path for path in sorted(annotations.glob("*.dvc"))}
    for name in names:
        if name not in found:
            raise InputError(
                f"{annotations}: no list {name!r} is published, expected one of {', '.join(found)}"
            )
    return [_read(found[name]) for name in names or found]


def fetch(wanted: Official) -> None:
    """Bring a list from its address. Raises `InputError` where that fails or the bytes are others
    than published; then nothing is written."""
    try:
        with urlopen(wanted.address, timeout=_SECONDS) as page:
            content = page.read(wanted.size + 1)
    except OSError as error:
        raise InputError(
            f"{wanted.path}: could not be fetched ({error}); place {wanted.address} there"
        ) from error
    if _md5(content) != wanted.md5:
        raise InputError(
            f"{wanted.path}: {wanted.address} gave {len(content)} bytes of md5 {_md5(content)}, "
            f"expected {wanted.size} of {wanted.md5}; nothing was written"
        )
    with atomic_file(wanted.path) as file:
        file.write(content)


def _read(entry: Path) -> Official:
    try:
        content = yaml.safe_load(entry.read_text())
        out = content["outs"][0]
        address, md5, size = content["deps"][0]["path"], out["md5"], int(out["size"])
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError) as error:
        raise InputError(f"{entry}: expected an import of DVC's, found: {error!r}") from error
    return Official(entry.with_suffix(""), str(address), str(md5), size)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
