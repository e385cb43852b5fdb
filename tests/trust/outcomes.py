"""A table of hostile cases: what each is, what came of it, and whether that is allowed."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stage_project import write_table

from pipeline.errors import InputError

_LONGEST_LINE = 700


class Outcomes:
    """The cases of one family, to be judged together so that a failure shows all of them."""

    def __init__(self, family: str) -> None:
        self.family = family
        self.rows: list[tuple[str, str, bool]] = []

    def add(self, case: str, outcome: str, allowed: bool) -> None:
        self.rows.append((case, outcome, allowed))

    def read(
        self,
        case: str,
        read: Callable[[], Any],
        *,
        names: str | Path = "",
        says: str = "",
        right: Callable[[Any], bool] | None = None,
    ) -> None:
        """Add what `read` does: a right result where `right` is given, or else an `InputError` of
        one line that holds `names` and `says`. Anything else that it raises is a failure."""
        try:
            result = read()
        except InputError as error:
            line = str(error)
            clear = line.isprintable() and len(line) < _LONGEST_LINE
            clear = clear and str(names) in line and says in line
            self.add(case, f"line: {line}", right is None and clear)
        except Exception as error:
            self.add(case, f"TRACEBACK {type(error).__name__}: {error}", False)
        else:
            if right is None:
                self.add(case, "PASSED SILENTLY", False)
            else:
                self.add(case, "right" if right(result) else "WRONG RESULT", right(result))

    def judge(self, at_least: int) -> None:
        """Write the table and assert that every case is allowed, and that there are enough."""
        kinds = Counter(outcome.split(":")[0] for _, outcome, _ in self.rows)
        totals = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        lines = [f"{case:52} {outcome[:160]}" for case, outcome, _ in self.rows]
        write_table(f"hostile-{self.family}", [f"{len(self.rows)} cases: {totals}", "", *lines])
        wrong = [f"{case}: {outcome}" for case, outcome, allowed in self.rows if not allowed]
        assert not wrong, "\n".join(wrong)
        assert len(self.rows) >= at_least
        assert len({case for case, _, _ in self.rows}) == len(self.rows)
