"""How the story looks: live on a terminal, plain lines anywhere else, or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from api.cli.demo.story import Face, Step, Story

INDENT = "      "


class Silent:
    """For JSON: everything is in the document."""

    def heading(self, title: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def step(self, step: Step) -> None:
        pass


class Lines:
    """One line a step, as text that is never cut or wrapped."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def heading(self, title: str) -> None:
        self._print(f"\n{title}\n")

    def note(self, text: str) -> None:
        self._print(f"  {text}")

    def step(self, step: Step) -> None:
        mark = "✓" if step.ok else "✗"
        self._print(f"  {mark} {step.name}: {step.happened}  ({step.seconds:.1f} s)")
        if not step.ok:
            self._print(f"{INDENT}expected: {step.expected}")
        for reason in step.reasons:
            self._print(f"{INDENT}{reason}")
        if len(step.table) > 1:
            for line in columns(step.table):
                self._print(INDENT + line)

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines of text, one under the other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


class Colours:
    """The same for a terminal. Texts of the platform are shown as they are, never read as markup."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def heading(self, title: str) -> None:
        self._console.print()
        self._console.rule(Text(title, "bold"), align="left", style="dim")

    def note(self, text: str) -> None:
        self._console.print(Text(f"  {text}", "dim"))

    def step(self, step: Step) -> None:
        colour = "green" if step.ok else "red"
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=3, justify="right")
        grid.add_column(ratio=1, overflow="fold")
        grid.add_column(justify="right", no_wrap=True)
        line = Text.assemble((f"{step.name}: ", "bold" if not step.ok else ""), (step.happened, colour))
        grid.add_row(Text("✓" if step.ok else "✗", f"bold {colour}"), line, Text(f"{step.seconds:.1f} s", "dim"))
        if not step.ok:
            grid.add_row("", Text(f"expected: {step.expected}", "red"))
        for reason in step.reasons:
            grid.add_row("", Text(f"  {reason}", "dim" if step.ok else "red"))
        if len(step.table) > 1:
            grid.add_row("", difference_table(step.table))
        grid.expand = True
        self._console.print(grid)


def difference_table(rows: Sequence[Sequence[str]]) -> Table:
    """The first row is the heading."""
    table = Table(*rows[0], show_edge=False, header_style="dim")
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    return table


def face_for(console: Console, *, as_json: bool) -> Face:
    if as_json:
        return Silent()
    return Colours(console) if console.is_terminal else Lines(console)


@contextmanager
def live(console: Console, story: Story, *, as_json: bool) -> Iterator[None]:
    """On a terminal, keep what runs right now below the story."""
    if as_json or not console.is_terminal:
        yield
        return
    with Live(get_renderable=_running(story), console=console, refresh_per_second=8, transient=True):
        yield


def _running(story: Story) -> Callable[[], RenderableType]:
    def draw() -> RenderableType:
        now = time.monotonic()
        grid = Table.grid(padding=(0, 1))
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        grid.add_column(justify="right", no_wrap=True)
        spinner = "|/-\\"[int(now * 8) % 4]
        for step in story.running():
            grid.add_row(
                Text(f" {spinner} {step.title}", "cyan"),
                Text(step.progress or "…", "dim"),
                Text(f"{now - step.started:.1f} s", "dim"),
            )
        grid.expand = True
        return Group(Text(""), grid)

    return draw
