"""Steps as a person sees them: spinners on a terminal, a line for each step anywhere else."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from storage.platform_processes.steps import Steps


@contextmanager
def shown() -> Iterator[Steps]:
    """Progress goes to standard error; standard output is for results."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (
        SpinnerColumn(spinner_name="line", finished_text="[green]ok[/green]"),
        TextColumn("{task.description}"),
        TextColumn("[dim]{task.fields[outcome]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield Spinners(progress)


class Lines:
    """A line when a step has ended, with the seconds that it took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun: dict[str, float] = {}
        self._speaking = threading.Lock()

    def begin(self, what: str) -> None:
        self._begun[what] = time.monotonic()

    def finish(self, what: str, outcome: str) -> None:
        self._say(f"{what}: {outcome} ({time.monotonic() - self._begun[what]:.1f} s)")

    def fail(self, what: str, outcome: str) -> None:
        self._say(f"{what}: {outcome}")

    def _say(self, line: str) -> None:
        with self._speaking:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class Spinners:
    """A spinner for each step that goes on, ended by what came of it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def begin(self, what: str) -> None:
        self._tasks[what] = self._progress.add_task(what, total=1, outcome="")

    def finish(self, what: str, outcome: str) -> None:
        self._progress.update(self._tasks[what], completed=1, outcome=outcome)

    def fail(self, what: str, outcome: str) -> None:
        task = self._tasks[what]
        self._progress.update(task, outcome=f"[red]{outcome}")
        self._progress.stop_task(task)
