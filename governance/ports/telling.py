"""What is told and counted: events, history, live figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from governance.audit.holds import Hold
from governance.breakers import Breaker
from governance.drift.observations import Tally as Observed
from governance.drift.report import DriftReference, LiveCounts
from governance.monitoring.points import Tally, Window


class Events(Protocol):
    def emit(
        self,
        event_id: str,
        kind: str,
        subject: tuple[str, str],
        model_id: str | None,
        data: Mapping[str, Any],
        at: datetime,
    ) -> None:
        """kind: one of `governance.events`; subject: (what it is, its id); model_id: None for the platform itself."""


class History(Protocol):
    def subscribe(
        self, subscription_id: str, user_id: str, filters: Mapping[str, Any], after_seq: int, at: datetime
    ) -> None: ...
    def last_indexed(self) -> int:
        """The number of the newest entry of the log that can be read; -1 before the first."""

    def place(self, hold: Hold, by: str, at: datetime) -> None: ...
    def lock_hold(self, hold_id: str) -> tuple[Hold, datetime | None]:
        """(hold, when it was released). Raises NotFound."""

    def release(self, hold_id: str, by: str, at: datetime) -> None: ...


class Breakers(Protocol):
    def locked(self, endpoint: str, at: datetime) -> Breaker:
        """The circuit breaker of an endpoint, nobody else's until the transaction ends; made where there is none."""

    def store(self, breaker: Breaker, at: datetime) -> None: ...


class Drift(Protocol):
    def reference(self, version_id: str) -> DriftReference | None: ...
    def pin(self, reference: DriftReference) -> bool:
        """False when the version has one, which stays."""

    def add(self, version_id: str, counted: Observed) -> None:
        """To what is counted already, exactly, whoever else adds meanwhile."""

    def between(self, version_id: str, since: datetime, until: datetime) -> LiveCounts:
        """Of the hours that begin at `since` or later and before `until`."""


class Inferences(Protocol):
    def new_reporters(self, pairs: Mapping[tuple[str, str], datetime]) -> list[tuple[str, str]]:
        """Those of the pairs (version, user) that have not reported before; they have from now on."""

    def error_types(self, version_ids: Sequence[str], *, lock: bool = False) -> dict[str, frozenset[str]]:
        """What each version's errors are counted as. `lock`: nobody else adds one until the transaction ends."""

    def add(self, measured: Mapping[str, Mapping[Window, Tally]]) -> None:
        """Tallies by version, added to what there is."""
