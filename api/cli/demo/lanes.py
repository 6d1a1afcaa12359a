"""Parts of the story that run side by side, and the points at which one waits for another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from api.cli.demo.client import PlatformGone, Stopped
from api.cli.demo.story import Broken, Chapter


class Milestone:
    """Something that one lane reaches, or misses, and others wait for."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._known = threading.Event()
        self._reached = False

    def reach(self) -> None:
        self._reached = True
        self._known.set()

    def miss(self) -> None:
        """It will not be reached any more; nothing happens when it has been."""
        self._known.set()

    def wait(self) -> None:
        """Raises Broken when it was missed."""
        self._known.wait()
        if not self._reached:
            raise Broken(self._what)


def lane(
    work: Callable[[], None], chapter: Chapter, milestones: Sequence[Milestone], stop: Callable[[], None]
) -> PlatformGone | None:
    """Do `work`; whatever comes of it, its chapter ends and nobody waits for its milestones in vain.

    The outage that ended it, or None. Other exceptions are defects and are raised.
    """
    try:
        work()
    except Broken as broken:
        chapter.say(f"The rest of this chapter is left out, because it stands on: {broken}")
    except PlatformGone as gone:
        stop()
        return gone
    except Stopped:
        return None
    finally:
        for milestone in milestones:
            milestone.miss()
        chapter.close()
    return None
