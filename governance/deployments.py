"""Where versions serve. The target stands behind a port; what it was asked to do is recorded and audited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TrafficPlan:
    """`traffic`: percent of requests by version id; the shares of an endpoint add up to 100, or there are none."""

    model_id: str
    environment: str
    endpoint: str
    traffic: dict[str, int]

    def __post_init__(self) -> None:
        if self.traffic and sum(self.traffic.values()) != 100:
            raise ValueError("traffic shares must add up to 100")

    def to_json(self) -> dict[str, Any]:
        return {"environment": self.environment, "endpoint": self.endpoint, "traffic": dict(self.traffic)}
