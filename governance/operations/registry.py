"""Creating models and versions, describing them, attaching artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from governance.errors import InvalidInput, RevisionMismatch, VersionFrozen
from governance.lifecycle import DEVELOPERS, EDITABLE_STATES, VersionState
from governance.models import (
    Artifact,
    ArtifactType,
    Model,
    ModelVersion,
    RiskTier,
    checked_commit,
    checked_container,
    checked_metadata,
    checked_name,
    checked_sha256,
    checked_text,
    checked_version,
)
from governance.operations.calls import Call
from governance.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class NewModel:
    name: str
    group: str
    description: str
    owners: Sequence[str]
    risk_tier: str
    tags: Sequence[str]


@dataclass(frozen=True, slots=True)
class NewVersion:
    model_id: str
    version: str
    commit_sha: str
    training_job_id: str | None
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NewArtifact:
    """Bytes that are in the store already (`sha256`, `size`), or a container reference (`uri`)."""

    model_id: str
    version: str
    type: str
    name: str
    media_type: str
    sha256: str
    size: int
    uri: str
    license: str | None
    replace: bool = False


def create_model(uow: UnitOfWork, call: Call, new: NewModel) -> str:
    """The id of the model. Raises Duplicate, InvalidInput, Forbidden."""
    person = call.requires(DEVELOPERS, "Creating a model")
    model = Model(
        id=call.new_id(),
        name=checked_name("name", new.name),
        group=checked_name("group", new.group),
        description=checked_text("description", new.description),
        owners=_labels("owners", new.owners),
        risk_tier=_risk_tier(new.risk_tier),
        tags=_labels("tags", new.tags),
        created_by=person.id,
        created_at=call.at,
    )
    with uow:
        if known := call.repeated(uow):
            return known
        uow.models.add(model)
        call.remember(uow, model.id)
        uow.audit(call.event("model:created", "model", model.id, after=_model_json(model)))
        uow.commit()
    return model.id


def create_version(uow: UnitOfWork, call: Call, new: NewVersion) -> str:
    """The id of the draft. Raises Duplicate when that precedence exists, NotFound, InvalidInput, Forbidden."""
    person = call.requires(DEVELOPERS, "Creating a version")
    version, precedence = checked_version(new.version)
    draft = ModelVersion(
        id=call.new_id(),
        model_id=new.model_id,
        version=version,
        state=VersionState.DRAFT,
        commit_sha=checked_commit(new.commit_sha),
        training_job_id=checked_text("trainingJobId", new.training_job_id, limit=200) if new.training_job_id else None,
        metadata=checked_metadata(new.metadata),
        revision=1,
        created_by=person.id,
    )
    with uow:
        if known := call.repeated(uow):
            return known
        uow.models.get(new.model_id)
        uow.versions.add(draft, precedence, call.at)
        call.remember(uow, draft.id)
        uow.audit(call.event("version:created", "version", draft.id, after=_version_json(draft)))
        uow.commit()
    return draft.id


def update_metadata(
    uow: UnitOfWork, call: Call, model_id: str, version: str, metadata: Mapping[str, Any], revision: int | None
) -> ModelVersion:
    """Replace the metadata. Raises RevisionMismatch, VersionFrozen, NotFound, InvalidInput, Forbidden.

    A change after an approval is allowed where the version can still change, and voids the approval.
    """
    call.requires(DEVELOPERS, "Changing metadata")
    wanted = checked_metadata(metadata)
    with uow:
        repeated = call.repeated(uow)
        current = uow.versions.get(model_id, version)
        if repeated:
            return current
        locked = uow.versions.lock(current.id)[current.id]
        _editable(locked)
        _expect(locked, revision)
        changed = uow.versions.set_metadata(locked, wanted, call.at)
        call.remember(uow, locked.id)
        uow.audit(
            call.event(
                "version:metadata:changed",
                "version",
                locked.id,
                before={"metadata": dict(locked.metadata), "revision": locked.revision},
                after={"metadata": wanted, "revision": changed.revision},
            )
        )
        uow.commit()
    return changed


def check_can_attach(
    uow: UnitOfWork,
    call: Call,
    model_id: str,
    version: str,
    kind: str,
    name: str,
    media_type: str,
    license: str | None,
) -> ModelVersion:
    """The refusals of `attach_artifact` that need no bytes, before a long upload is read."""
    call.requires(DEVELOPERS, "Attaching an artifact")
    checked_name("name", name)
    _artifact_type(kind)
    _checked_labels(media_type, license)
    with uow:
        found = uow.versions.get(model_id, version)
        _editable(found)
        return found


def attach_artifact(uow: UnitOfWork, call: Call, new: NewArtifact) -> str:
    """The id of the artifact. Raises Duplicate (unless `replace`), VersionFrozen, NotFound, InvalidInput, Forbidden."""
    person = call.requires(DEVELOPERS, "Attaching an artifact")
    kind = _artifact_type(new.type)
    digest = checked_container(new.uri) if kind is ArtifactType.CONTAINER else checked_sha256("sha256", new.sha256)
    media_type, license = _checked_labels(new.media_type, new.license)
    with uow:
        if known := call.repeated(uow):
            return known
        found = uow.versions.get(new.model_id, new.version)
        locked = uow.versions.lock(found.id)[found.id]
        _editable(locked)
        artifact = Artifact(
            id=call.new_id(),
            version_id=locked.id,
            type=kind,
            name=checked_name("name", new.name),
            media_type=media_type,
            uri=new.uri or f"sha256:{digest}",
            sha256=digest,
            size=new.size,
            license=license,
            created_by=person.id,
            created_at=call.at,
        )
        before = None
        if new.replace:
            present = uow.artifacts.of_version(locked.id)
            for old in (a for a in present if (a.type, a.name) == (artifact.type, artifact.name)):
                uow.artifacts.remove(old.id)
                before = _artifact_json(old)
        uow.artifacts.add(artifact)
        uow.versions.touch(locked, call.at)
        call.remember(uow, artifact.id)
        uow.audit(
            call.event(
                "artifact:replaced" if before else "artifact:attached",
                "version",
                locked.id,
                before=before,
                after=_artifact_json(artifact),
                digest=f"sha256:{digest}",
            )
        )
        uow.commit()
    return artifact.id


def _checked_labels(media_type: str, license: str | None) -> tuple[str, str | None]:
    return (
        checked_text("mediaType", media_type, limit=200),
        checked_text("license", license, limit=200) if license else None,
    )


def _editable(version: ModelVersion) -> None:
    if version.state not in EDITABLE_STATES:
        raise VersionFrozen(
            f"A version in state {version.state.value!r} no longer changes; create a new version.",
            details={"state": version.state.value},
        )


def _expect(version: ModelVersion, revision: int | None) -> None:
    if revision is not None and revision != version.revision:
        raise RevisionMismatch(
            "Somebody changed this version in the meantime; read it again.",
            details={"expected": revision, "current": version.revision},
        )


def _labels(what: str, values: Sequence[str]) -> tuple[str, ...]:
    cleaned = tuple(dict.fromkeys(checked_text(what, value, limit=200).strip() for value in values))
    if len(cleaned) > 100 or not all(cleaned):
        raise InvalidInput(f"{what} has at most 100 entries, none of them empty.", details={"field": what})
    return cleaned


def _risk_tier(value: str) -> RiskTier:
    try:
        return RiskTier(value)
    except ValueError:
        raise InvalidInput("riskTier must be Low, Medium or High.", details={"field": "riskTier"}) from None


def _artifact_type(value: str) -> ArtifactType:
    try:
        return ArtifactType(value)
    except ValueError:
        known = ", ".join(ArtifactType)
        raise InvalidInput(f"type must be one of {known}.", details={"field": "type"}) from None


def _model_json(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "group": model.group,
        "description": model.description,
        "owners": list(model.owners),
        "riskTier": model.risk_tier.value,
        "tags": list(model.tags),
    }


def _version_json(version: ModelVersion) -> dict[str, Any]:
    return {
        "modelId": version.model_id,
        "version": version.version,
        "state": version.state.value,
        "commitSha": version.commit_sha,
        "trainingJobId": version.training_job_id,
        "metadata": dict(version.metadata),
        "revision": version.revision,
    }


def _artifact_json(artifact: Artifact) -> dict[str, Any]:
    return {
        "id": artifact.id,
        "type": artifact.type.value,
        "name": artifact.name,
        "sha256": artifact.sha256,
        "size": artifact.size,
        "uri": artifact.uri,
        "license": artifact.license,
    }
