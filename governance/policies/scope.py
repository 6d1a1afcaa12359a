"""What a policy applies to, and how binding it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from governance.lifecycle import TransitionName

Enforcement = Literal["advisory", "soft", "hard"]
"""advisory: told, never blocks. soft: blocks unless two people override it. hard: blocks, whoever asks."""

Kind = Literal["access", "security", "compliance", "governance"]
"""What a policy is about (catalog, Policy Types)."""

KINDS: tuple[Kind, ...] = ("access", "security", "compliance", "governance")


@dataclass(frozen=True, slots=True)
class Scope:
    """Every condition has to hold; an empty one holds for everything, but the transitions are always named.

    risk_tiers: "Low", "Medium", "High". groups: of the model. tags: the model has at least one of them.
    model_types: what the version's metadata call its type (`metadata.modelType`).
    """

    transitions: frozenset[TransitionName]
    risk_tiers: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    model_types: frozenset[str] = frozenset()

    def covers(self, subject: Mapping[str, Any]) -> bool:
        model = subject["model"]
        return (
            subject["transition"] in self.transitions
            and (not self.risk_tiers or model["riskTier"] in self.risk_tiers)
            and (not self.groups or model["group"] in self.groups)
            and (not self.tags or not self.tags.isdisjoint(model["tags"]))
            and (not self.model_types or subject["version"]["metadata"].get("modelType") in self.model_types)
        )

    @property
    def unconditional(self) -> bool:
        """Does it cover every version, whatever model it is of?"""
        return not (self.risk_tiers or self.groups or self.tags or self.model_types)

    def to_json(self) -> dict[str, list[str]]:
        return {
            "transitions": sorted(name.value for name in self.transitions),
            "riskTiers": sorted(self.risk_tiers),
            "groups": sorted(self.groups),
            "tags": sorted(self.tags),
            "modelTypes": sorted(self.model_types),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Scope:
        """Raises KeyError, ValueError or TypeError for what `to_json` did not make."""
        return cls(
            transitions=frozenset(TransitionName(name) for name in value["transitions"]),
            risk_tiers=frozenset(value.get("riskTiers", ())),
            groups=frozenset(value.get("groups", ())),
            tags=frozenset(value.get("tags", ())),
            model_types=frozenset(value.get("modelTypes", ())),
        )
