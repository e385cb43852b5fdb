"""`avloc doctor`: whether the installation is whole and the toy's scores are as expected."""

from typing import Annotated

import typer

from pipeline.errors import InputError
from pipeline.execution.installation import Look, look_at_machine

_WIDTH = 10


def doctor(
    expected_from: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Make data/toy-expected.json of a run's seeds, and look at nothing."
        ),
    ] = None,
) -> None:
    """Look at the installation, and compare the toy's scores with those of five other seeds; fail
    where something is off, each with what to do.

    Examples: [bold]avloc doctor[/bold]; after dvc repro of the study toy-ablations
    [bold]avloc doctor --expected-from A[/bold]
    """
    if expected_from is not None:
        from stages.expected import write

        write(expected_from)
        return
    wrong = sum(map(_tell, look_at_machine()))
    if not wrong:
        from stages.expected import look_at_scores  # with packages that may have been missing

        wrong = sum(map(_tell, look_at_scores()))
    if wrong:
        raise InputError(f"{wrong} of the above {'is' if wrong == 1 else 'are'} off, marked with !")


def _tell(look: Look) -> bool:
    line = f"{'!' if look.advice else ' '} {look.name:{_WIDTH}} {look.found}"
    typer.echo(f"{line}: {look.advice}" if look.advice else line)
    return bool(look.advice)
