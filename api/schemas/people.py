"""Users and tokens."""

from typing import Literal

from pydantic import Field

from api.schemas.base import Body, Read

Role = Literal["developer", "approver", "admin"]


class Login(Body):
    username: str = Field(max_length=128)
    password: str = Field(max_length=1024)
    label: str = Field(default="login", max_length=100, description="What the token is for.")


class TokenRead(Read):
    token: str = Field(description="Shown once; only its HMAC is stored.")
    token_id: str
    expires_at: str
    token_type: Literal["Bearer"]


class TokenSummary(Read):
    id: str
    label: str
    created_at: str
    expires_at: str
    revoked_at: str | None


class UserCreate(Body):
    name: str
    role: Role
    groups: list[str] = Field(default_factory=list)
    password: str = Field(min_length=12, max_length=1024)


class AccessUpdate(Body):
    role: Role
    groups: list[str]
    active: bool


class UserRead(Read):
    id: str
    name: str
    role: Role
    groups: list[str]
    active: bool
    created_at: str
