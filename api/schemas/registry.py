"""Models, versions, artifacts."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.base import Body, Read

RiskTier = Literal["Low", "Medium", "High"]


Level = Literal["public", "internal", "confidential"]


class AccessRuleUpdate(Body):
    """What is left out gets its default; the group that the asset is named in always owns it."""

    access_level: Level = Field(default="internal", description="Public: for everybody who may read models at all.")
    owner_groups: list[str] = Field(default_factory=list, max_length=100, description="May change it.")
    allowed_groups: list[str] = Field(default_factory=list, max_length=100, description="May read it.")
    restricted_groups: list[str] = Field(
        default_factory=list, max_length=100, description="Never, whatever else their members are."
    )
    sensitive: bool = Field(default=False, description="Only for groups of admin level 2 and above.")
    clearance_level: int = Field(default=0, ge=0, le=1000, description="What it takes of a user's clearance level.")
    workspace: str | None = Field(default=None, max_length=128)
    department: str | None = Field(default=None, max_length=128)
    project: str | None = Field(default=None, max_length=128)


class AccessRuleRead(Read):
    access_level: Level
    owner_groups: list[str]
    allowed_groups: list[str]
    restricted_groups: list[str]
    sensitive: bool
    clearance_level: int
    workspace: str | None
    department: str | None
    project: str | None


class ModelCreate(Body):
    name: str = Field(examples=["credit-risk"])
    group: str = Field(examples=["retail"])
    description: str = ""
    owners: list[str] = Field(default_factory=list, examples=[["ada@example.org"]])
    risk_tier: RiskTier = Field(examples=["High"])
    tags: list[str] = Field(default_factory=list)
    access: AccessRuleUpdate | None = Field(default=None, description="Without it: internal to the group.")


class ModelRead(Read):
    id: str
    name: str
    group: str
    description: str
    owners: list[str]
    risk_tier: RiskTier
    tags: list[str]
    created_at: str
    updated_at: str


class ModelDetail(ModelRead):
    access: AccessRuleRead
    versions_by_state: dict[str, int] = Field(description="How many versions are in each state.")


class VersionCreate(Body):
    version: str = Field(description="SemVer 2.0.0", examples=["1.4.0"])
    commit_sha: str = Field(examples=["3f2a9c1d"])
    training_job_id: str | None = None
    trained_by: list[str] = Field(
        default_factory=list, max_length=50, description="Names of the users who trained it; they cannot approve it."
    )
    metadata: dict[str, Any] = Field(
        default_factory=dict,
        examples=[
            {
                "license": "Apache-2.0",
                "modelCard": {"intendedUse": "…", "limitations": "…", "trainingData": "…"},
            }
        ],
    )


class MetadataUpdate(Body):
    metadata: dict[str, Any]


class ArtifactRead(Read):
    id: str
    version_id: str
    type: Literal["weights", "container", "tokenizer", "config"]
    name: str
    media_type: str
    uri: str
    sha256: str
    size: int = Field(description="Bytes.")
    license: str | None
    created_at: str


class VersionRead(Read):
    id: str
    model_id: str
    version: str
    state: str
    commit_sha: str
    training_job_id: str | None
    metadata: dict[str, Any]
    revision: int = Field(description="The entity tag; grows with every change.")
    created_by: str
    created_at: str
    updated_at: str
    artifacts: list[ArtifactRead]


class ContainerReference(Body):
    uri: str = Field(examples=["registry.example.org/credit-risk@sha256:" + "0" * 64])
    license: str | None = None


class TrafficRead(Read):
    environment: str
    endpoint: str
    version_id: str
    version: str
    traffic_percent: int
    since: str
    request_id: str
