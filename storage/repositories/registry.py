"""Models, versions and artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, Connection, Row, any_, bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from governance.errors import Duplicate, NotFound
from governance.lifecycle import TransitionName, VersionState
from governance.models import Artifact, ArtifactType, Model, ModelVersion, RiskTier
from storage.repositories.conflicts import refusing_duplicates
from storage.tables import artifacts, content_inspections, models, requests, versions

_VERSION = (
    versions.c.id,
    versions.c.model_id,
    versions.c.version,
    versions.c.state,
    versions.c.commit_sha,
    versions.c.training_job_id,
    versions.c.metadata,
    versions.c.revision,
    versions.c.created_by,
)

# Statements of every transition are built once: what SQLAlchemy does to build one costs more than to run it.
# Locks are "no key": rows that refer to these may be added meanwhile, or two that added some would block each other.
_MODEL = select(models).where(models.c.id == bindparam("model_id"))
_LOCKED_MODEL = _MODEL.with_for_update(key_share=True)
_NAMED_VERSION = select(*_VERSION).where(
    versions.c.model_id == bindparam("of_model"), versions.c.version == bindparam("named")
)
_VERSION_BY_ID = select(*_VERSION).where(versions.c.id == bindparam("version_id"))
_LOCKED_VERSIONS = (
    select(*_VERSION)
    .where(versions.c.id == any_(bindparam("version_ids", type_=ARRAY(versions.c.id.type))))
    .order_by(versions.c.id)
    .with_for_update(key_share=True)
)
_IN_PRODUCTION = select(*_VERSION).where(
    versions.c.model_id == bindparam("of_model"), versions.c.state == VersionState.PRODUCTION.value
)
_CHANGE = (  # sets the columns that it is given
    update(versions)
    .where(versions.c.id == bindparam("version_id"), versions.c.revision == bindparam("from_revision"))
    .returning(*_VERSION)
)


class ModelRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, model: Model, access_id: int) -> None:
        duplicate = Duplicate(
            f"Group {model.group!r} has a model named {model.name!r} already.",
            details={"group": model.group, "name": model.name},
        )
        with refusing_duplicates(duplicate):
            self._connection.execute(
                insert(models).values(
                    id=model.id,
                    name=model.name,
                    group=model.group,
                    description=model.description,
                    owners=list(model.owners),
                    risk_tier=model.risk_tier.value,
                    tags=list(model.tags),
                    created_by=model.created_by,
                    created_at=model.created_at,
                    updated_at=model.created_at,
                    access_id=access_id,
                )
            )

    def get(self, model_id: str) -> Model:
        return self._one(model_id, lock=False)

    def lock(self, model_id: str) -> Model:
        return self._one(model_id, lock=True)

    def _one(self, model_id: str, *, lock: bool) -> Model:
        row = self._connection.execute(_LOCKED_MODEL if lock else _MODEL, {"model_id": model_id}).one_or_none()
        if row is None:
            raise NotFound("model", model_id)
        return Model(
            id=row.id,
            name=row.name,
            group=row.group,
            description=row.description,
            owners=tuple(row.owners),
            risk_tier=RiskTier(row.risk_tier),
            tags=tuple(row.tags),
            created_by=row.created_by,
            created_at=row.created_at,
        )


class VersionRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, version: ModelVersion, precedence: str, at: datetime) -> None:
        duplicate = Duplicate(
            f"The model has a version {version.version} already (build metadata does not tell versions apart).",
            details={"version": version.version},
        )
        with refusing_duplicates(duplicate):
            self._connection.execute(
                insert(versions).values(
                    id=version.id,
                    model_id=version.model_id,
                    version=version.version,
                    precedence=precedence,
                    state=version.state.value,
                    commit_sha=version.commit_sha,
                    training_job_id=version.training_job_id,
                    metadata=dict(version.metadata),
                    revision=version.revision,
                    created_by=version.created_by,
                    created_at=at,
                    updated_at=at,
                )
            )

    def get(self, model_id: str, version: str) -> ModelVersion:
        row = self._connection.execute(_NAMED_VERSION, {"of_model": model_id, "named": version}).one_or_none()
        if row is None:
            raise NotFound("version", version)
        return _version(row)

    def by_id(self, version_id: str) -> ModelVersion:
        row = self._connection.execute(_VERSION_BY_ID, {"version_id": version_id}).one_or_none()
        if row is None:
            raise NotFound("version", version_id)
        return _version(row)

    def lock(self, *version_ids: str) -> dict[str, ModelVersion]:
        locked = self._connection.execute(_LOCKED_VERSIONS, {"version_ids": list(version_ids)})
        found = {row.id: _version(row) for row in locked}
        for missing in set(version_ids) - set(found):
            raise NotFound("version", missing)
        return found

    def in_production(self, model_id: str) -> ModelVersion | None:
        row = self._connection.execute(_IN_PRODUCTION, {"of_model": model_id}).one_or_none()
        return _version(row) if row else None

    def to_restore(self, model_id: str) -> ModelVersion | None:
        row = self._connection.execute(to_restore_query(model_id)).one_or_none()
        return _version(row) if row else None

    def move(self, version: ModelVersion, state: VersionState, request_id: str, at: datetime) -> ModelVersion:
        return self._change(version, at, state=state.value, last_request_id=request_id)

    def set_metadata(self, version: ModelVersion, metadata: Mapping[str, Any], at: datetime) -> ModelVersion:
        return self._change(version, at, metadata=dict(metadata))

    def touch(self, version: ModelVersion, at: datetime) -> ModelVersion:
        return self._change(version, at)

    def _change(self, version: ModelVersion, at: datetime, **values: Any) -> ModelVersion:
        which = {"version_id": version.id, "from_revision": version.revision}
        changed = {"revision": version.revision + 1, "updated_at": at, **values}
        return _version(self._connection.execute(_CHANGE, {**which, **changed}).one())


def to_restore_query(model_id: str) -> Any:
    """The version that a promotion displaced most recently and that is still deprecated."""
    return (
        select(*_VERSION)
        .join(requests, requests.c.id == versions.c.last_request_id)
        .where(
            versions.c.model_id == model_id,
            versions.c.state == VersionState.DEPRECATED.value,
            requests.c.transition == TransitionName.PROMOTE_PRODUCTION.value,
        )
        .order_by(versions.c.last_request_id.desc())
        .limit(1)
    )


class ArtifactRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, artifact: Artifact) -> None:
        duplicate = Duplicate(
            f"The version has a {artifact.type.value} artifact named {artifact.name!r} already; "
            "ask for a replacement explicitly.",
            details={"type": artifact.type.value, "name": artifact.name},
        )
        with refusing_duplicates(duplicate):
            self._connection.execute(
                insert(artifacts).values(
                    id=artifact.id,
                    version_id=artifact.version_id,
                    type=artifact.type.value,
                    name=artifact.name,
                    media_type=artifact.media_type,
                    uri=artifact.uri,
                    sha256=artifact.sha256,
                    size=artifact.size,
                    license=artifact.license,
                    created_by=artifact.created_by,
                    created_at=artifact.created_at,
                )
            )

    def of_version(self, version_id: str) -> tuple[Artifact, ...]:
        query = (
            select(artifacts).where(artifacts.c.version_id == version_id).order_by(artifacts.c.type, artifacts.c.name)
        )
        return tuple(_artifact(row) for row in self._connection.execute(query))

    def remove(self, artifact_id: str) -> None:
        self._connection.execute(delete(artifacts).where(artifacts.c.id == artifact_id))

    def inspection(self, sha256: str) -> dict[str, Any] | None:
        row = self._connection.execute(
            select(content_inspections).where(content_inspections.c.sha256 == sha256)
        ).one_or_none()
        return {"format": row.format, "safe": row.safe, "reason": row.reason} if row else None

    def record_inspection(self, sha256: str, result: Mapping[str, Any], at: datetime) -> bool:
        statement = (
            upsert(content_inspections)
            .values(
                sha256=sha256,
                format=result["format"],
                safe=result["safe"],
                reason=result["reason"],
                inspected_at=at,
            )
            .on_conflict_do_nothing()
            .returning(content_inspections.c.sha256)
        )
        return self._connection.execute(statement).one_or_none() is not None


def _version(row: Any) -> ModelVersion:
    return ModelVersion(
        id=row.id,
        model_id=row.model_id,
        version=row.version,
        state=VersionState(row.state),
        commit_sha=row.commit_sha,
        training_job_id=row.training_job_id,
        metadata=row.metadata,
        revision=row.revision,
        created_by=row.created_by,
    )


def _artifact(row: Row[Any]) -> Artifact:
    return Artifact(
        id=row.id,
        version_id=row.version_id,
        type=ArtifactType(row.type),
        name=row.name,
        media_type=row.media_type,
        uri=row.uri,
        sha256=row.sha256,
        size=row.size,
        license=row.license,
        created_by=row.created_by,
        created_at=row.created_at,
    )
