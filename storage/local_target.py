"""The deployment target that needs no infrastructure: it records what serves where, and nothing else."""

from __future__ import annotations

from datetime import datetime

from governance.deployments import TrafficPlan
from governance.ports import UnitOfWork


class LocalTarget:
    """Endpoints are names (`local://production/<group>/<model>`); the split is a row per version that serves."""

    def endpoint(self, model_group: str, model_name: str, environment: str) -> str:
        return f"local://{environment}/{model_group}/{model_name}"

    def route(self, uow: UnitOfWork, plan: TrafficPlan, request_id: str, at: datetime) -> dict[str, int]:
        before = uow.deployments.shares(plan.model_id, plan.environment)
        if before != plan.traffic:
            uow.deployments.replace(plan, request_id, at)
        return before
