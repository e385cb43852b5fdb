"""The one error that a user sees as a line instead of a traceback.

Everything that is the user's to mend (a missing file, a wrong key, a damaged list) raises
`InputError`; the commands print it on one line and exit with code 1. Any other exception is a
defect of avloc and keeps its traceback.
"""


class InputError(Exception):
    """A mistake in what the user gave: the message names the file, clip or key, what was found
    and what was expected."""

    def __init__(self, message: str) -> None:
        # Whatever a hostile file name or list entry holds, the message stays one printable line.
        super().__init__("".join(c if c.isprintable() else repr(c)[1:-1] for c in message))
