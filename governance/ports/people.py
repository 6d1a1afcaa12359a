"""People, what they may see, and the keys under which they repeat a call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from governance.access.principal import Principal
from governance.access.rules import AccessRule
from governance.external_identity import KnownIdentity
from governance.people import Group, NewToken, User


class People(Protocol):
    def add(self, user: User, at: datetime) -> None:
        """Without their groups. Raises Duplicate, also for the name of somebody who was deleted."""

    def get(self, user_id: str) -> User: ...
    def lock(self, user_id: str) -> User: ...
    def is_deleted(self, user_id: str) -> bool: ...
    def named(self, name: str) -> User | None: ...
    def find(self, name_or_id: str) -> User | None:
        """Somebody who was not deleted."""

    def principal(self, user_id: str) -> Principal:
        """The user as a caller, without a token. Raises NotFound."""

    def owner_of(self, user_id: str) -> str | None:
        """The person behind a service account."""

    def has_other_admin(self, user_id: str) -> bool: ...
    def set_access(self, user: User) -> None:
        """Everything but the groups."""

    def set_time_zone(self, user_id: str, zone: str) -> str:
        """The one before."""

    def delete(self, user_id: str, at: datetime) -> None: ...
    def add_token(self, token: NewToken, at: datetime) -> None: ...
    def token_holder(self, token_id: str) -> str | None: ...
    def revoke_token(self, token_id: str, at: datetime) -> bool:
        """False when it was revoked before."""


class Groups(Protocol):
    def add(self, group: Group, at: datetime) -> None:
        """Raises Duplicate, InvalidInput when there is no such parent."""

    def get(self, group_id: str) -> Group: ...
    def named(self, name: str) -> Group | None: ...
    def change(self, group: Group, at: datetime) -> None: ...
    def line(self, name: str) -> tuple[str, ...]:
        """The group and those above it, from below to above; empty when there is no such group."""

    def height(self, name: str) -> int:
        """How many levels the group is with those below it: 1 with none."""

    def unknown(self, names: Sequence[str]) -> tuple[str, ...]: ...
    def add_member(self, group_id: str, user_id: str, by: str | None, at: datetime) -> bool:
        """False when they were a member before."""

    def remove_member(self, group_id: str, user_id: str) -> bool: ...
    def set_local_memberships(self, user_id: str, names: Sequence[str], by: str | None, at: datetime) -> None:
        """Exactly these, apart from those that an identity provider says. Raises InvalidInput for unknown ones."""

    def follow_claims(self, user_id: str, claims: Sequence[str], at: datetime) -> bool:
        """Exactly the groups that these words of an identity provider mean, apart from those given here; whether
        anything changed.
        """


class AccessRules(Protocol):
    def intern(self, rule: AccessRule) -> int:
        """The id of the rule; equal rules have one."""

    def of_model(self, model_id: str) -> AccessRule:
        """Raises NotFound."""

    def of_dataset(self, dataset_id: str) -> AccessRule: ...
    def set_of_model(self, model_id: str, rule: AccessRule, at: datetime) -> None: ...
    def set_of_dataset(self, dataset_id: str, rule: AccessRule) -> None: ...
    def contributed(self, version_id: str, user_id: str, relation: str, at: datetime) -> None:
        """Somebody took part in making the version, as its author or trainer."""


class ExternalIdentities(Protocol):
    def claim(self, issuer: str, subject: str) -> KnownIdentity | None:
        """What is known of this identity; serialises its sign-ins until the transaction ends."""

    def add(self, issuer: str, subject: str, identity: KnownIdentity) -> None: ...
    def replace(self, issuer: str, subject: str, identity: KnownIdentity) -> None: ...


class Idempotency(Protocol):
    def claim(self, principal_id: str, key: str, fingerprint: str) -> str | None:
        """The resource that an earlier call under this key made, None for the first call.

        Serialises concurrent calls under one key until the transaction ends. Raises IdempotencyMismatch when the
        earlier call asked for something else.
        """

    def remember(self, principal_id: str, key: str, fingerprint: str, resource_id: str, at: datetime) -> None: ...
