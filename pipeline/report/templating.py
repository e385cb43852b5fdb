"""HTML out of the templates in `templates/`, where everything is escaped that is not HTML already.

A clip's name is a stranger's file name, so escaping is what happens by default and `Markup` the
exception. The style sheet and the script are files beside the templates, and a page carries them
inside it, so that one file opens anywhere without a network.
"""

import base64
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_FOLDER = Path(__file__).parent / "templates"


def render(name: str, **values: object) -> Markup:
    """The template `<name>.html.j2` filled with `values`. Raises `jinja2.UndefinedError` where the
    template uses a value that nobody gave."""
    return Markup(_environment().get_template(f"{name}.html.j2").render(values))


def asset(*names: str) -> Markup:
    """A style sheet or scripts of the templates' folder as they stand, one behind the other, for
    the inside of a page."""
    return Markup("".join((_FOLDER / name).read_text() for name in names))


def script_hash(*names: str) -> str:
    """What a content security policy calls scripts by, so that they and no other ones run."""
    return f"sha256-{base64.b64encode(sha256(asset(*names).encode()).digest()).decode()}"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(asset=asset, script_hash=script_hash)
    return environment
