"""Reading annotation files that strangers wrote: text, JSON and XML, each failure one clear line.

A file is read whole and never above a fixed size, so that a wrong file cannot fill the memory. The
price is a hard limit, 25 times the largest file of the field.
"""

import json
from pathlib import Path
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, ParseError

import yaml
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from pipeline.errors import InputError

LARGEST_BYTES = 64 * 2**20


def _missing(path: Path) -> InputError:
    """The line for an absent file: with the command and the address that bring it, where a `.dvc`
    file beside it knows them."""
    entry = path.with_name(f"{path.name}.dvc")
    try:
        address = yaml.safe_load(entry.read_text())["deps"][0]["path"]
    except (OSError, ValueError, yaml.YAMLError, KeyError, IndexError, TypeError):
        return InputError(f"{path}: no such file")
    return InputError(
        f"{path}: no such file; `avloc corpus lists {path.name}` brings it from {address}, or put "
        f"it there"
    )


def read_bytes(path: Path) -> bytes:
    """The content of `path`; `InputError` where it is missing, unreadable or too large."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > LARGEST_BYTES:
        limit = LARGEST_BYTES // 2**20
        raise InputError(f"{path}: larger than {limit} MiB, expected an annotation file")
    return content


def read_text(path: Path) -> str:
    """The UTF-8 text of `path`, without a byte-order mark; `InputError` for any other encoding."""
    content = read_bytes(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8; expected the "
            "file to be saved as UTF-8"
        ) from error


def read_json(path: Path) -> Any:
    """The JSON content of `path`; `InputError` where it is not JSON, NaN and infinity included."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"the number {constant}")

    text = read_text(path)
    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON, found: {error}") from error


def read_xml(path: Path) -> Element:
    """The root element of the XML in `path`; `InputError` where it is not XML or declares a
    document type, which no annotation needs and which can make a small file grow without bound."""
    content = read_bytes(path)
    try:
        return fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise InputError(f"{path}: expected plain XML, found: {error}") from error
