"""Creating models and versions, describing them, attaching artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from governance.access.rules import AccessLevel, AccessRule, checked_rule
from governance.errors import InvalidInput, RevisionMismatch, VersionFrozen
from governance.lifecycle import EDITABLE_STATES, VersionState
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
from governance.operations import groups
from governance.operations.calls import Call
from governance.people import User
from governance.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class NewModel:
    name: str
    group: str
    description: str
    owners: Sequence[str]
    risk_tier: str
    tags: Sequence[str]
    access: Mapping[str, Any] = field(default_factory=dict)  # see `governance.access.rules.checked_rule`


@dataclass(frozen=True, slots=True)
class NewVersion:
    model_id: str
    version: str
    commit_sha: str
    training_job_id: str | None
    metadata: Mapping[str, Any]
    trained_by: Sequence[str] = ()  # names of the users who trained it: lineage, and a bar to approving it


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
    person = call.may("model:create", "Creating a model")
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
            call.may("model:create", "Creating a model again", uow.access.of_model(known))
            return known
        rule = new_rule(uow, call, model.group, new.access)
        call.may("model:create", f"Creating a model in {model.group}", rule)
        uow.models.add(model, uow.access.intern(rule))
        call.remember(uow, model.id)
        after = {**_model_json(model), "access": rule.to_json()}
        uow.audit(call.event("model:created", "model", model.id, after=after))
        uow.commit()
    return model.id


def new_rule(uow: UnitOfWork, call: Call, group: str, asked: Mapping[str, Any]) -> AccessRule:
    """The access rule of something new in `group`: internal, or what the group may see if that is less."""
    rule = checked_rule(group, asked, AccessLevel.INTERNAL)
    groups.check_exist(uow, "group", (group,))
    groups.check_exist(uow, "access", (*rule.owners, *rule.allowed, *rule.restricted))
    owner = uow.groups.named(group)
    if "accessLevel" not in asked and owner is not None and owner.access_level < rule.level:
        return checked_rule(group, {**asked, "accessLevel": owner.access_level.word}, owner.access_level)
    return rule


def change_model_access(uow: UnitOfWork, call: Call, model_id: str, asked: Mapping[str, Any]) -> AccessRule:
    """Replace whom a model is open to. The group that it is named in goes on owning it.

    Raises NotFound, InvalidInput, Forbidden; also when the caller would lock themselves out.
    """
    with uow:
        repeated = call.repeated(uow)
        before = uow.access.of_model(model_id)
        call.may_with("model", model_id, before, "model:share", "Changing who may see a model")
        if repeated:
            return before
        after = new_rule(uow, call, uow.models.lock(model_id).group, asked)
        call.may("model:share", "Changing who may see a model to this", after)
        uow.access.set_of_model(model_id, after, call.at)
        call.remember(uow, model_id)
        uow.audit(call.event("model:access:changed", "model", model_id, before=before.to_json(), after=after.to_json()))
        uow.commit()
    return after


def create_version(uow: UnitOfWork, call: Call, new: NewVersion) -> str:
    """The id of the draft. Raises Duplicate when that precedence exists, NotFound, InvalidInput, Forbidden."""
    person = call.may("model:create", "Creating a version")
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
        rule = uow.access.of_model(new.model_id)
        call.may_with("model", new.model_id, rule, "model:create", "Creating a version")
        if known := call.repeated(uow):
            return known
        trainers = [_user_named(uow, name) for name in dict.fromkeys(new.trained_by)]
        uow.versions.add(draft, precedence, call.at)
        uow.access.contributed(draft.id, person.id, "author", call.at)
        for trainer in trainers:
            uow.access.contributed(draft.id, trainer.id, "trainer", call.at)
        call.remember(uow, draft.id)
        after = {**_version_json(draft), "trainedBy": [trainer.name for trainer in trainers]}
        uow.audit(call.event("version:created", "version", draft.id, after=after))
        uow.commit()
    return draft.id


def update_metadata(
    uow: UnitOfWork, call: Call, model_id: str, version: str, metadata: Mapping[str, Any], revision: int | None
) -> ModelVersion:
    """Replace the metadata. Raises RevisionMismatch, VersionFrozen, NotFound, InvalidInput, Forbidden.

    A change after an approval is allowed where the version can still change, and voids the approval.
    """
    person = call.may("model:update", "Changing metadata")
    wanted = checked_metadata(metadata)
    with uow:
        repeated = call.repeated(uow)
        call.may_with("model", model_id, uow.access.of_model(model_id), "model:update", "Changing metadata")
        current = uow.versions.get(model_id, version)
        if repeated:
            return current
        locked = uow.versions.lock(current.id)[current.id]
        _editable(locked)
        _expect(locked, revision)
        changed = uow.versions.set_metadata(locked, wanted, call.at)
        uow.access.contributed(locked.id, person.id, "author", call.at)
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
    call.may("model:update", "Attaching an artifact")
    checked_name("name", name)
    _artifact_type(kind)
    _checked_labels(media_type, license)
    with uow:
        call.may_with("model", model_id, uow.access.of_model(model_id), "model:update", "Attaching an artifact")
        found = uow.versions.get(model_id, version)
        _editable(found)
        return found


def attach_artifact(uow: UnitOfWork, call: Call, new: NewArtifact) -> str:
    """The id of the artifact. Raises Duplicate (unless `replace`), VersionFrozen, NotFound, InvalidInput, Forbidden."""
    person = call.may("model:update", "Attaching an artifact")
    kind = _artifact_type(new.type)
    digest = checked_container(new.uri) if kind is ArtifactType.CONTAINER else checked_sha256("sha256", new.sha256)
    media_type, license = _checked_labels(new.media_type, new.license)
    with uow:
        rule = uow.access.of_model(new.model_id)
        call.may_with("model", new.model_id, rule, "model:update", "Attaching an artifact")
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
        uow.access.contributed(locked.id, person.id, "author", call.at)
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


def _user_named(uow: UnitOfWork, name: str) -> User:
    found = uow.people.named(name)
    if found is None:
        raise InvalidInput(f"There is no user {name[:200]!r}.", details={"field": "trainedBy"})
    return found


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
