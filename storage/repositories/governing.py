"""Policies in force, and traffic."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from governance.deployments import TrafficPlan
from governance.policies import BY_NAME, POLICIES, ActivePolicy, build_policy
from storage.tables import deployments, policies

# Statements of every settlement, built once.
_ACTIVE = select(policies.c.name, policies.c.version, policies.c.parameters).where(policies.c.active)
_SERVING = (
    select(deployments.c.environment, deployments.c.endpoint, deployments.c.traffic_percent)
    .where(deployments.c.version_id == bindparam("of_version"))
    .order_by(deployments.c.environment)
)
_SHARES = select(deployments.c.version_id, deployments.c.traffic_percent).where(
    deployments.c.model_id == bindparam("of_model"), deployments.c.environment == bindparam("in_environment")
)


class PolicyRepository:
    """A shipped policy without a row is in force as version 1 with its defaults."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._active: tuple[ActivePolicy, ...] | None = None

    def active(self) -> tuple[ActivePolicy, ...]:
        if self._active is None:  # within one transaction one set judges
            stored = {row.name: row for row in self._connection.execute(_ACTIVE)}
            self._active = tuple(
                ActivePolicy(build_policy(policy, stored[policy.name].parameters), stored[policy.name].version)
                if policy.name in stored
                else ActivePolicy(policy(), 1)
                for policy in POLICIES
            )
        return self._active

    def publish(self, name: str, parameters: Mapping[str, Any], by: str, at: datetime) -> int:
        self._connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"policy:{name}"))))
        newest = self._connection.execute(
            select(func.max(policies.c.version)).where(policies.c.name == name)
        ).scalar_one()
        if newest is None:
            self._insert(name, 1, BY_NAME[name]().parameters(), None, at, active=False)
        version = int(newest or 1) + 1
        self._connection.execute(
            update(policies).where(policies.c.name == name, policies.c.active).values(active=False)
        )
        self._insert(name, version, parameters, by, at, active=True)
        self._active = None
        return version

    def _insert(
        self, name: str, version: int, parameters: Mapping[str, Any], by: str | None, at: datetime, *, active: bool
    ) -> None:
        self._connection.execute(
            insert(policies).values(
                name=name,
                version=version,
                parameters=dict(parameters),
                active=active,
                created_by=by,
                created_at=at,
            )
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
