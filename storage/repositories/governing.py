"""Traffic."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from governance.deployments import TrafficPlan
from storage.tables import deployments

# Statements of every settlement, built once.
_SERVING = (
    select(deployments.c.environment, deployments.c.endpoint, deployments.c.traffic_percent)
    .where(deployments.c.version_id == bindparam("of_version"))
    .order_by(deployments.c.environment)
)
_SHARES = select(deployments.c.version_id, deployments.c.traffic_percent).where(
    deployments.c.model_id == bindparam("of_model"), deployments.c.environment == bindparam("in_environment")
)


class DeploymentRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def serving(self, version_id: str) -> tuple[dict[str, Any], ...]:
        return tuple(
            {"environment": row.environment, "endpoint": row.endpoint, "trafficPercent": row.traffic_percent}
            for row in self._connection.execute(_SERVING, {"of_version": version_id})
        )

    def shares(self, model_id: str, environment: str) -> dict[str, int]:
        rows = self._connection.execute(_SHARES, {"of_model": model_id, "in_environment": environment})
        return {row.version_id: row.traffic_percent for row in rows}

    def replace(self, plan: TrafficPlan, request_id: str, at: datetime) -> None:
        self._connection.execute(
            delete(deployments).where(
                deployments.c.model_id == plan.model_id, deployments.c.environment == plan.environment
            )
        )
        for version_id, percent in plan.traffic.items():
            self._connection.execute(
                insert(deployments).values(
                    model_id=plan.model_id,
                    environment=plan.environment,
                    version_id=version_id,
                    endpoint=plan.endpoint,
                    traffic_percent=percent,
                    request_id=request_id,
                    since=at,
                )
            )
