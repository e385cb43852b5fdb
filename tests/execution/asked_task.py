"""A task that counts how often it is asked for its items; processes have to import it."""

from dataclasses import dataclass

from pipeline.execution.pool import Report, Whole

asked: list[None] = []  # in this process


@dataclass(frozen=True)
class AskedTask(Whole):
    count: int

    @property
    def title(self) -> str:
        return "a task"

    @property
    def items(self) -> list[str]:
        asked.append(None)
        return [f"item {number}" for number in range(self.count)]


def nothing_to_do(task: AskedTask, report: Report) -> None:
    for number in range(task.count + 1):
        report(number)
