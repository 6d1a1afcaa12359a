"""Progress on standard error: which benchmark runs, what it does, how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Telling:
    """What benchmarks say while they work."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self._task = progress.add_task(name, total=None)

    def phase(self, words: str, of: int | None = None) -> None:
        """Something else begins; `of` counts its steps."""
        self._progress.reset(self._task, description=f"{self._name}: {words}", total=of)
        if not self._progress.console.is_terminal:
            self._progress.console.print(f"{self._name}: {words}", markup=False, highlight=False)

    def step(self) -> None:
        self._progress.advance(self._task)

    def end(self) -> None:
        self._progress.remove_task(self._task)


@contextmanager
def told(name: str) -> Iterator[Telling]:
    console = Console(stderr=True)
    columns = (
        SpinnerColumn("line"),
        TextColumn("{task.description}"),
        BarColumn(24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        telling = Telling(progress, name)
        yield telling
        telling.end()
