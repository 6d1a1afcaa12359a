"""Users, groups, tokens, and what they may do."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.base import Body, Read

Role = Literal[
    "catalog_admin", "data_scientist", "ml_engineer", "marketplace_user", "auditor", "viewer", "approver", "validator"
]
PackagePermission = Literal["search", "download", "upload", "admin"]
Level = Literal["public", "internal", "confidential"]


class Login(Body):
    username: str = Field(max_length=128)
    password: str = Field(max_length=1024)
    label: str = Field(default="login", max_length=100, description="What the token is for.")


class TokenCreate(Body):
    label: str = Field(max_length=100, description="What the token is for.")
    user_id: str | None = Field(default=None, description="A service account of one's own; without it, oneself.")
    scopes: list[str] | None = Field(
        default=None, description="Permissions that it is limited to, e.g. `model:read` or `model:*`; all without."
    )
    expires_in_days: int | None = Field(default=None, ge=1, le=3650, description="30 days unless set otherwise.")
    calls: int | None = Field(default=None, ge=1, le=10**12, description="How many calls it is good for.")


class TokenRead(Read):
    token: str = Field(description="Shown once; only its HMAC is stored.")
    token_id: str
    expires_at: str
    token_type: Literal["Bearer"]
    calls_remaining: int | None = Field(description="None: not counted.")


class TokenSummary(Read):
    id: str
    user_id: str
    label: str
    kind: Literal["login", "api_key", "session"]
    scopes: list[str] | None
    calls_allowed: int | None
    calls_remaining: int | None
    created_at: str
    expires_at: str
    revoked_at: str | None


class AttributesUpdate(Body):
    clearance_level: int = Field(default=0, ge=0, le=1000)
    workspace: str | None = Field(default=None, max_length=128)
    department: str | None = Field(default=None, max_length=128)
    project: str | None = Field(default=None, max_length=128)


class AttributesRead(Read):
    clearance_level: int
    workspace: str | None
    department: str | None
    project: str | None


class UserCreate(Body):
    name: str
    roles: list[Role] = Field(default_factory=list)
    groups: list[str] = Field(default_factory=list, description="Names of groups that exist.")
    password: str | None = Field(
        default=None, min_length=12, max_length=1024, description="Without one, they sign in elsewhere or by token."
    )
    kind: Literal["person", "service"] = "person"
    owner: str | None = Field(default=None, description="The name of the person behind a service account.")
    permissions: list[PackagePermission] = Field(default_factory=list, description="Of the package registry.")
    attributes: AttributesUpdate = Field(default_factory=AttributesUpdate)


class TimeZoneUpdate(Body):
    time_zone: str = Field(max_length=100, examples=["Europe/Berlin"], description="IANA name.")


class AccessUpdate(Body):
    roles: list[Role] | None = None
    groups: list[str] | None = None
    active: bool | None = None
    permissions: list[PackagePermission] | None = None
    attributes: AttributesUpdate | None = None


class UserRead(Read):
    id: str
    name: str
    kind: Literal["person", "service"]
    owner_id: str | None
    roles: list[Role]
    permissions: list[PackagePermission]
    groups: list[str]
    attributes: AttributesRead
    data_access_level: Level
    active: bool
    time_zone: str = Field(description="IANA name; in it the user is told when something ends.")
    created_at: str


class GroupCreate(Body):
    name: str
    description: str = ""
    parent: str | None = Field(default=None, description="The group above; its members include this one's.")
    admin_level: int = Field(
        default=0,
        ge=0,
        le=3,
        description="1: direct members manage who is in the groups below; 2: sensitive assets, too; 3: itself, too.",
    )
    data_access_level: Level = Field(default="internal", description="The highest level that members see.")
    permissions: list[str] = Field(
        default_factory=list, description="What members may do with the group's assets, e.g. `model:read`."
    )
    external_names: list[str] = Field(
        default_factory=list, description="Values of an identity provider's groups claim that mean this group."
    )


class GroupUpdate(Body):
    description: str | None = None
    parent: str | None = Field(default=None, description='"" for none.')
    admin_level: int | None = Field(default=None, ge=0, le=3)
    data_access_level: Level | None = None
    permissions: list[str] | None = None
    external_names: list[str] | None = None


class GroupRead(Read):
    id: str
    name: str
    description: str
    parent: str | None
    admin_level: int
    data_access_level: Level
    permissions: list[str]
    external_names: list[str] | None = Field(default=None, description="For administrators.")
    created_at: str
    updated_at: str


class GroupPermissionsRead(Read):
    group: str
    admin_level: int
    data_access_level: Level
    permissions: list[str] = Field(description="Of the group and of the groups above it, as given.")
    effective: list[str] = Field(description="Every permission that these stand for.")


class MemberAdd(Body):
    user_id: str = Field(max_length=200, description="Id or name of a user.")


class MemberRead(Read):
    user_id: str
    name: str
    kind: Literal["person", "service"]
    sources: list[Literal["local", "oidc"]]
    since: str


class Explanation(Read):
    allowed: bool
    permission: str
    user: str
    policies: list[str] = Field(description="Ids of the policies that decided; empty when nothing permits it.")
    reason: str
    asset: dict[str, Any] | None = Field(description="Kind, id and access rule of the asset that was asked about.")


# ---- the package registry's own shapes (package-registry, Authentication): bare bodies in snake_case


class Authenticate(Body):
    username: str = Field(max_length=128)
    password: str = Field(max_length=1024)


class AuthenticateRead(Read):
    token: str
    calls_remaining: int | None = Field(alias="calls_remaining")


class Register(Body):
    username: str
    password: str = Field(min_length=8, max_length=1024)
    permissions: list[PackagePermission] = Field(default_factory=list)


class PermissionsUpdate(Body):
    permissions: list[PackagePermission]


class PackageUserRead(Read):
    user_id: str = Field(alias="user_id")
    username: str
    permissions: list[PackagePermission]


class MessageRead(Read):
    message: str
