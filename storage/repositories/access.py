"""Whom assets are open to, and who took part in making them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from governance.access.rules import AccessLevel, AccessRule
from governance.errors import NotFound
from storage.tables import access_rules, contributors, datasets, models

# Built once: what SQLAlchemy does to build a statement costs more than to run it.
_OF_MODEL = (
    select(access_rules).join(models, models.c.access_id == access_rules.c.id).where(models.c.id == bindparam("asset"))
)
_OF_DATASET = (
    select(access_rules)
    .join(datasets, datasets.c.access_id == access_rules.c.id)
    .where(datasets.c.id == bindparam("asset"))
)
_BY_DIGEST = select(access_rules.c.id).where(access_rules.c.digest == bindparam("of_digest"))
_CONTRIBUTED = upsert(contributors).on_conflict_do_nothing()


class AccessRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def intern(self, rule: AccessRule) -> int:
        known = self._connection.execute(_BY_DIGEST, {"of_digest": rule.digest}).scalar_one_or_none()
        if known is None:
            statement = upsert(access_rules).values(
                digest=rule.digest,
                access_level=int(rule.level),
                owner_groups=list(rule.owners),
                allowed_groups=list(rule.allowed),
                restricted_groups=list(rule.restricted),
                readers=sorted(rule.readers),
                sensitive=rule.sensitive,
                clearance_level=rule.clearance,
                workspace=rule.workspace,
                department=rule.department,
                project=rule.project,
            )
            self._connection.execute(statement.on_conflict_do_nothing())  # waits for whoever adds the same
            known = self._connection.execute(_BY_DIGEST, {"of_digest": rule.digest}).scalar_one()
        return int(known)

    def of_model(self, model_id: str) -> AccessRule:
        return self._of(_OF_MODEL, "model", model_id)

    def of_dataset(self, dataset_id: str) -> AccessRule:
        return self._of(_OF_DATASET, "dataset", dataset_id)

    def set_of_model(self, model_id: str, rule: AccessRule, at: datetime) -> None:
        self._connection.execute(
            update(models).where(models.c.id == model_id).values(access_id=self.intern(rule), updated_at=at)
        )

    def set_of_dataset(self, dataset_id: str, rule: AccessRule) -> None:
        self._connection.execute(
            update(datasets).where(datasets.c.id == dataset_id).values(access_id=self.intern(rule))
        )

    def contributed(self, version_id: str, user_id: str, relation: str, at: datetime) -> None:
        values = {"version_id": version_id, "user_id": user_id, "relation": relation, "created_at": at}
        self._connection.execute(_CONTRIBUTED, values)

    def _of(self, statement: Any, kind: str, asset_id: str) -> AccessRule:
        row = self._connection.execute(statement, {"asset": asset_id}).one_or_none()
        if row is None:
            raise NotFound(kind, asset_id)
        return rule_of(row)


def rule_of(row: Row[Any]) -> AccessRule:
    return AccessRule(
        owners=tuple(row.owner_groups),
        level=AccessLevel(row.access_level),
        allowed=tuple(row.allowed_groups),
        restricted=tuple(row.restricted_groups),
        sensitive=row.sensitive,
        clearance=row.clearance_level,
        workspace=row.workspace,
        department=row.department,
        project=row.project,
    )
