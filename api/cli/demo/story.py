"""The story while it happens: chapters with steps, told in their order although they run side by side.

A chapter whose turn has not come keeps its lines until the chapters before it have ended. What runs right
now is known for all chapters, so that a face can show it live.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from api.cli.demo.client import PlatformGone, Refused, Stopped


class Broken(Exception):
    """A step on which the next ones stand did not go as expected; the rest of its chapter makes no sense."""


@dataclass
class Step:
    """What was expected and what happened. `about`: whose step it is; `table`: rows of text under a heading."""

    chapter: str
    about: str
    name: str
    expected: str
    happened: str = ""
    ok: bool = False
    seconds: float = 0.0
    request_id: str | None = None
    dashboard: str | None = None
    reasons: tuple[str, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()
    progress: str = ""
    started: float = field(default_factory=time.monotonic)

    def went(self, happened: str, *, ok: bool = True, reasons: tuple[str, ...] = ()) -> None:
        self.happened, self.ok, self.reasons = happened, ok, reasons

    @property
    def title(self) -> str:
        """Tells the step from those of the other chapters."""
        return f"{self.about}: {self.name}" if self.about else self.name

    def to_json(self) -> dict[str, Any]:
        return {
            "chapter": self.chapter,
            "name": self.title,
            "expected": self.expected,
            "happened": self.happened,
            "ok": self.ok,
            "seconds": round(self.seconds, 3),
            "requestId": self.request_id,
            "dashboard": self.dashboard,
            "reasons": list(self.reasons),
            "table": [list(row) for row in self.table],
        }


class Face(Protocol):
    """Shows the story. Called by one thread at a time."""

    def heading(self, title: str) -> None: ...

    def note(self, text: str) -> None: ...

    def step(self, step: Step) -> None: ...


class Story:
    """All chapters, in the order in which they are told."""

    def __init__(self, face: Face) -> None:
        self.steps: list[Step] = []
        self._face = face
        self._lock = threading.RLock()
        self._chapters: list[Chapter] = []
        self._running: list[Step] = []

    def chapter(self, title: str) -> Chapter:
        with self._lock:
            chapter = Chapter(self, title)
            self._chapters.append(chapter)
            self.tell()
            return chapter

    def running(self) -> list[Step]:
        with self._lock:
            return list(self._running)

    @property
    def failed(self) -> list[Step]:
        with self._lock:
            return [step for step in self.steps if not step.ok]

    def begun(self, step: Step) -> None:
        with self._lock:
            self._running.append(step)

    def ended(self, step: Step) -> None:
        with self._lock:
            self._running.remove(step)
            self.steps.append(step)

    def keep(self, kept: list[Step | str], item: Step | str) -> None:
        with self._lock:
            kept.append(item)
            self.tell()

    def tell(self) -> None:
        """Show what may be shown by now."""
        with self._lock:
            while self._chapters:
                chapter = self._chapters[0]
                chapter.show(self._face)
                if not chapter.closed:
                    return
                self._chapters.pop(0)

    def finish(self) -> None:
        """Close every chapter and show what is left of them."""
        with self._lock:
            for chapter in self._chapters:
                chapter.closed = True
            self.tell()


class Chapter:
    """One part of the story; several threads may add to it."""

    def __init__(self, story: Story, title: str) -> None:
        self.title = title
        self.closed = False
        self._story = story
        self._headed = False
        self._kept: list[Step | str] = []

    def say(self, text: str) -> None:
        self._keep(text)

    @contextmanager
    def step(self, name: str, expected: str, *, about: str = "") -> Iterator[Step]:
        """A step under way. Whatever goes wrong inside becomes what happened, and then Broken.

        Raises Broken, PlatformGone, Stopped.
        """
        step = Step(self.title, about, name, expected)
        self._story.begun(step)
        try:
            yield step
        except Broken:
            raise
        except (PlatformGone, Stopped) as error:
            gone = isinstance(error, PlatformGone)
            step.went("the platform did not answer" if gone else "ended early", ok=False)
            raise
        except Refused as error:
            step.went(error.answer.summary, ok=False, reasons=_problems(error))
            raise Broken(step.title) from error
        except Exception as error:  # an answer of another shape is what happened, not the end of the demo
            step.went(f"{type(error).__name__}: {error}", ok=False)
            raise Broken(step.title) from error
        finally:
            step.seconds = time.monotonic() - step.started
            self._story.ended(step)
            self._keep(step)

    def close(self) -> None:
        self.closed = True
        self._story.tell()

    def show(self, face: Face) -> None:
        """What was kept. Called by the story alone."""
        if not self._headed:
            self._headed = True
            face.heading(self.title)
        for item in self._kept:
            if isinstance(item, Step):
                face.step(item)
            else:
                face.note(item)
        self._kept.clear()

    def _keep(self, item: Step | str) -> None:
        self._story.keep(self._kept, item)


def _problems(error: Refused) -> tuple[str, ...]:
    problems = error.answer.details.get("problems") or ()
    return tuple(f"{item.get('field')}: {item.get('problem')}" for item in problems if isinstance(item, dict))
