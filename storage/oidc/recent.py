"""Users of the last half second, so that a service that calls often does not sign in anew with every call."""

from __future__ import annotations

import time
from collections.abc import Callable

from governance.external_identity import ExternalIdentity
from governance.people import User

LIFE_SECONDS = 0.5  # a user who is made inactive is out within a second
MOST = 1024


class RecentUsers:
    """Keyed by all that the token said: other groups or another time of issue is another entry."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._users: dict[ExternalIdentity, tuple[float, User]] = {}

    def get(self, identity: ExternalIdentity) -> User | None:
        found = self._users.get(identity)
        return found[1] if found and self._clock() < found[0] else None

    def put(self, identity: ExternalIdentity, user: User, since: float) -> None:
        """`since`: a moment of the clock before the user was read."""
        if len(self._users) >= MOST:
            self._users.clear()
        self._users[identity] = (since + LIFE_SECONDS, user)

    def now(self) -> float:
        return self._clock()
