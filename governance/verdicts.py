"""What a gate can say. A refusal is a value with reasons, not an exception."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["passed", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Passed:
    note: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    outcome: Outcome = "passed"

    @property
    def reasons(self) -> tuple[str, ...]:
        return (self.note,)


@dataclass(frozen=True, slots=True)
class Failed:
    """Judged and refused. `reasons` are sentences; an empty tuple would be a refusal nobody can act on."""

    reasons: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    outcome: Outcome = "failed"

    def __post_init__(self) -> None:
        if not self.reasons:
            raise ValueError("a refusal needs a reason")


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody could judge: a missing fact, too little evidence, an error in the rule. It blocks."""

    reason: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    outcome: Outcome = "unknown"

    @property
    def reasons(self) -> tuple[str, ...]:
        return (self.reason,)


Verdict = Passed | Failed | Unknown
