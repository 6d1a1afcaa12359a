"""The parts of the platform put together from settings, once per process. Flows, API and commands share it."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import uuid_utils
from sqlalchemy import Engine, create_engine, event

from governance.access.principal import Principal
from governance.artifact_store import ArtifactStore
from governance.operations.calls import Call
from governance.ports import DeploymentTarget, Launcher
from governance.signed_decisions import Seals
from governance.signing import Signer
from storage.artifacts.local import LocalArtifactStore
from storage.audit_log import load_or_create_audit_key
from storage.local_target import LocalTarget
from storage.prefect_api import PrefectLauncher
from storage.settings import Settings
from storage.signing_keys import believed_keys, signer_of
from storage.unit_of_work import SqlUnitOfWork

if TYPE_CHECKING:
    from storage.oidc import OidcProvider


def new_id() -> str:
    """A UUIDv7 (RFC 9562): unique, and ordered by the time of its making."""
    return str(uuid_utils.uuid7())


def now() -> datetime:
    return datetime.now(UTC)


def sqlalchemy_url(database_url: str) -> str:
    """The same address for SQLAlchemy, with the psycopg driver named."""
    scheme, _, rest = database_url.partition("://")
    return f"postgresql+psycopg://{rest}" if scheme in ("postgresql", "postgres") else database_url


def open_engine(database_url: str, *, pool_size: int = 8, lock_seconds: float | None = None) -> Engine:
    """Connections are opened on first use. A stale one is replaced when it is taken from the pool.

    lock_seconds: how long a statement waits for somebody else's lock; None: for ever, as migrations do.
    """
    engine = create_engine(
        sqlalchemy_url(database_url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        pool_timeout=10,
        hide_parameters=True,
        connect_args={"connect_timeout": 5, "application_name": "gatehouse"},
    )
    if lock_seconds is not None:
        event.listen(engine, "connect", partial(_limit_waiting, milliseconds=int(lock_seconds * 1000)))
    return engine


def _limit_waiting(connection: Any, _: object, *, milliseconds: int) -> None:
    """For the life of a connection: outside of a transaction, so that no rollback undoes it."""
    connection.autocommit = True
    connection.execute(f"set lock_timeout = {milliseconds}")
    connection.autocommit = False


CONTENT_PATH = "/api/v1/content"  # where the API serves blobs of the local store


def open_store(settings: Settings, download_key: bytes) -> ArtifactStore:
    """The artifact store that the settings name. boto3 is imported only when it is S3."""
    if settings.artifact_store == "local":
        return LocalArtifactStore(settings.artifact_directory, url_path=CONTENT_PATH, signing_key=download_key)
    from storage.artifacts.from_settings import location_of, retention_of
    from storage.artifacts.s3 import S3ArtifactStore

    return S3ArtifactStore(location_of(settings), retention=retention_of(settings))


@dataclass(frozen=True)
class Platform:
    """Lazily built parts; nothing is opened before it is used, so that a forked process opens its own."""

    settings: Settings
    pool_size: int = 8
    lock_seconds: float = 10.0

    @classmethod
    def from_environment(cls) -> Platform:
        return cls(Settings.load(os.environ))

    @cached_property
    def engine(self) -> Engine:
        return open_engine(self.settings.database_url, pool_size=self.pool_size, lock_seconds=self.lock_seconds)

    @cached_property
    def audit_key(self) -> bytes:
        return load_or_create_audit_key(self.settings.key_directory / "audit-mac.key")

    @cached_property
    def token_key(self) -> bytes:
        return load_or_create_audit_key(self.settings.key_directory / "token.key")

    @cached_property
    def download_key(self) -> bytes:
        return load_or_create_audit_key(self.settings.key_directory / "download.key")

    @cached_property
    def link_key(self) -> bytes:
        """For links to pages, derived so that no signature of one kind is one of the other."""
        return hmac.digest(self.download_key, b"gatehouse-request-link-1", "sha256")

    @property
    def signer(self) -> Signer:
        """The key in use; take it once for one signature, since it may be rotated at any time."""
        return signer_of(self.settings)

    @property
    def believed_keys(self) -> Mapping[str, bytes]:
        """Whose signatures count: public key by id."""
        return believed_keys(self.settings)

    @cached_property
    def seals(self) -> Seals:
        return Seals(lambda: self.signer, lambda: self.believed_keys)

    @cached_property
    def target(self) -> DeploymentTarget:
        return LocalTarget()

    @cached_property
    def launcher(self) -> Launcher:
        return PrefectLauncher(self.settings.prefect_api_url, self.settings.prefect_auth)

    @cached_property
    def oidc(self) -> OidcProvider:
        """Of the API's event loop; nobody else asks the identity provider."""
        from storage.oidc import OidcProvider  # brings an HTTP client, which flows do without

        return OidcProvider(self.settings)

    @cached_property
    def store(self) -> ArtifactStore:
        return open_store(self.settings, self.download_key)

    def close(self) -> None:
        """Give back what was opened."""
        opened = self.__dict__
        if "engine" in opened:
            self.engine.dispose()
        if isinstance(launcher := opened.get("launcher"), PrefectLauncher):
            launcher.close()

    def new_unit(self) -> SqlUnitOfWork:
        return SqlUnitOfWork(self.engine, self.target, self.audit_key, self.seals)

    def system_call(self, correlation: str | None = None) -> Call:
        """The platform acts on its own account."""
        return Call(principal=None, at=now(), new_id=new_id, correlation=correlation)

    def call_by(self, principal: Principal, correlation: str | None = None) -> Call:
        return Call(principal=principal, at=now(), new_id=new_id, correlation=correlation)
