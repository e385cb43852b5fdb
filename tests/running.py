"""How tests run commands: the type of the fixture `avloc` of conftest.py."""

from collections.abc import Callable

Avloc = Callable[..., int]  # the command's words, to its exit code
