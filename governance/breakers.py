"""A circuit breaker: an endpoint that failed several times in a row is left alone for a while (Nygard, 2007).

closed → open after `failures` failures in a row → half-open when the cool-down is over, which lets one caller through
→ closed by its success, open by its failure. A caller that never tells how it went holds its turn until
`probe_seconds` are over. Times are handed in; whoever stores the state serialises the changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Outcome(StrEnum):
    """answered: it works. unavailable: it does not. unknown: nobody can tell, for example the data were at fault."""

    ANSWERED = "answered"
    UNAVAILABLE = "unavailable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """failures: in a row until it opens. cooldown: how long it stays open. probe: how long one caller may try."""

    failures: int
    cooldown: timedelta
    probe: timedelta


@dataclass(frozen=True, slots=True)
class Breaker:
    """failures: in a row so far. until: end of the cool-down when open, of the one caller's turn when half-open.

    generation: grows with every change of state, so that what a caller tells of an earlier one counts for nothing.
    """

    endpoint: str
    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    until: datetime | None = None
    generation: int = 0

    def admit(self, rules: BreakerRules, at: datetime) -> tuple[Breaker, bool]:
        """(the breaker from now on, whether the caller may ask)."""
        if self.state is BreakerState.CLOSED:
            return self, True
        if self.until is not None and at < self.until:
            return self, False
        return self._changed(BreakerState.HALF_OPEN, at + rules.probe), True

    def after(self, outcome: Outcome, generation: int, rules: BreakerRules, at: datetime) -> Breaker:
        """What a caller admitted in `generation` tells."""
        if generation != self.generation:
            return self
        if outcome is Outcome.ANSWERED:
            fresh = replace(self, failures=0)
            return fresh if self.state is BreakerState.CLOSED else fresh._changed(BreakerState.CLOSED, None)
        if outcome is Outcome.UNKNOWN:  # the next one may try at once
            return self if self.state is BreakerState.CLOSED else self._changed(BreakerState.OPEN, at)
        counted = replace(self, failures=self.failures + 1)
        if self.state is BreakerState.CLOSED and counted.failures < rules.failures:
            return counted
        return counted._changed(BreakerState.OPEN, at + rules.cooldown)

    def _changed(self, state: BreakerState, until: datetime | None) -> Breaker:
        return replace(self, state=state, until=until, generation=self.generation + 1)
