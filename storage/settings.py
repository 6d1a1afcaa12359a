"""Every setting, read once, in one place: environment variables over `<home>/runtime.json` over defaults.

`gatehouse up` writes `runtime.json` (mode 0600) with the addresses that it chose; every process of the platform
reads it, so that a worker started by hand needs nothing but `GATEHOUSE_HOME`.
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from governance.endpoints import Prefix
from governance.errors import InvalidInput
from storage.model_endpoints import read_prefixes, read_secrets
from storage.schedules import check_schedule

GIB = 1024**3


class SettingsError(Exception):
    """A setting that cannot be used, said in words for the person who set it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Field `x_y` is set by the environment variable `GATEHOUSE_X_Y`. Secrets never appear in `repr`."""

    home: Path
    database_url: str = field(default="", repr=False)  # postgresql://…; empty: the embedded server of `home`
    prefect_api_url: str = ""
    prefect_auth: str = field(default="", repr=False)  # "name:password" of the Prefect server
    api_url: str = "http://127.0.0.1:8000"
    dashboard_url: str = ""  # where people open the Prefect dashboard
    work_pool: str = "gatehouse"
    worker: str = "warm"  # "warm" | "stock" (Prefect's own process worker)
    worker_limit: int = 8  # flow runs at once
    worker_spares: int = 2  # processes forked ahead
    artifact_store: str = "local"  # "local" | "s3"
    s3_endpoint: str = ""
    s3_bucket: str = ""
    s3_region: str = "us-east-1"
    s3_prefix: str = ""
    s3_access_key: str = field(default="", repr=False)
    s3_secret_key: str = field(default="", repr=False)
    s3_public_endpoint: str = ""  # how downloaders reach the server, where that differs
    s3_max_parts: int = 10_000  # of one multipart upload; 1,000 on a Swift as it comes
    s3_retention_mode: str = ""  # "GOVERNANCE" | "COMPLIANCE": object lock, refused when the server ignores it
    s3_retention_days: int = 0
    signing_key_file: str = ""  # Ed25519 key in PEM form, mode 0600, in place of the one in `keys`
    signing_command: str = field(default="", repr=False)  # signs its standard input: 64 raw bytes on standard output
    signing_public_key: str = ""  # of the command: a PEM file, a verifier key line, or base64 of the 32 bytes
    upload_limit: int = 5 * GIB  # bytes of one artifact
    download_seconds: int = 300  # life of a signed download address
    token_days: int = 30
    token_calls: int = 1_000  # calls that a token is good for unless it asks for fewer; 0: uncounted
    session_hours: int = 12  # life of a browser session
    oidc_issuer: str = ""  # of the identity provider, exactly as it names itself; empty: no sign-in by OpenID Connect
    oidc_client_id: str = ""  # for people in a browser
    oidc_client_secret: str = field(default="", repr=False)  # empty: a public client
    oidc_device_client_id: str = ""  # for `gatehouse login --oidc`, a public client; empty: oidc_client_id
    oidc_audience: str = ""  # of the provider's access tokens; empty: none is accepted
    oidc_scopes: str = "openid profile email groups"
    oidc_groups_claim: str = "groups"
    oidc_token_hours: int = 12  # life of what a sign-in there gives here; the provider cannot say that somebody left
    sign_in_failures: int = 10  # per account and per address, within the window
    sign_in_window_seconds: int = 300
    sign_in_cpu_percent: int = 50  # of one core, for checking passwords in one process; 0: no budget
    rate_per_principal: int = 6_000  # calls a minute and process; 0: not limited
    rate_per_address: int = 12_000
    trusted_proxies: str = ""  # networks whose X-Forwarded-For is believed, e.g. "127.0.0.1/32, 10.0.0.0/8"
    evaluation_memory: int = 4 * GIB  # bytes of address space of one evaluation's process
    evaluation_seconds: int = 600  # wall-clock time of one evaluation
    nightly_cron: str = "0 2 * * *"  # when the nightly validation begins, on the clocks of nightly_timezone
    nightly_timezone: str = "UTC"  # IANA name
    nightly_batch: int = 500  # most versions of one batch run
    nightly_hours: int = 6  # after which a night ends with what it has
    canary_hours: int = 72  # how long after its promotion a regression takes a version back by itself; 0: never
    model_endpoints: str = ""  # addresses that models may be asked at (`storage.model_endpoints`); empty: none
    model_endpoint_secrets: str = field(default="", repr=False)  # where the secrets are that are sent there
    model_endpoint_authorities: str = ""  # certificate authorities of endpoints in PEM form, beside the system's
    model_endpoint_failures: int = 5  # in a row, until an endpoint is left alone
    model_endpoint_cooldown_seconds: int = 60  # for how long
    validation_seconds: int = 120  # wall-clock time of one validation of a dataset
    data_connections: str = field(default="", repr=False)  # see `storage.data_connections`
    audit_retention_months: int = 0  # how long `gatehouse audit retain` keeps texts of entries; 0: for ever
    checkpoint_bucket: str = ""  # where checkpoints are copied to, locked; the server is that of the s3 settings
    checkpoint_retention_days: int = 3_650
    orphan_seconds: int = 60  # a request whose run is this long overdue is launched again

    @property
    def allowed_endpoints(self) -> tuple[Prefix, ...]:
        return read_prefixes(self.model_endpoints)

    @property
    def endpoint_secrets(self) -> Mapping[Prefix, str]:
        """Where the secrets are, never the secrets."""
        return read_secrets(self.model_endpoint_secrets, self.allowed_endpoints)

    @property
    def audit_directory(self) -> Path:
        return self.home / "audit"

    @property
    def key_directory(self) -> Path:
        return self.home / "keys"

    @property
    def artifact_directory(self) -> Path:
        return self.home / "artifacts"

    @property
    def scratch_directory(self) -> Path:
        return self.home / "scratch"

    @classmethod
    def load(cls, environment: Mapping[str, str], home: Path | None = None) -> Settings:
        """Raises SettingsError for a value of the wrong shape. Touches nothing on disk."""
        chosen = home or Path(environment.get("GATEHOUSE_HOME") or Path.home() / ".gatehouse")
        chosen = chosen.expanduser().absolute()
        values: dict[str, Any] = {"home": chosen}
        runtime = _runtime(chosen)
        for setting in fields(cls):
            if setting.name == "home":
                continue
            raw = environment.get(f"GATEHOUSE_{setting.name.upper()}") or runtime.get(setting.name)
            if raw not in (None, ""):
                values[setting.name] = _converted(setting.name, setting.type, raw)
        settings = cls(**values)
        if settings.worker not in ("warm", "stock"):
            raise SettingsError("GATEHOUSE_WORKER is 'warm' or 'stock'.")
        if settings.artifact_store not in ("local", "s3"):
            raise SettingsError("GATEHOUSE_ARTIFACT_STORE is 'local' or 's3'.")
        if settings.s3_retention_mode not in ("", "GOVERNANCE", "COMPLIANCE"):
            raise SettingsError("GATEHOUSE_S3_RETENTION_MODE is GOVERNANCE or COMPLIANCE.")
        if bool(settings.s3_retention_mode) != bool(settings.s3_retention_days):
            raise SettingsError("Retention needs both GATEHOUSE_S3_RETENTION_MODE and GATEHOUSE_S3_RETENTION_DAYS.")
        if settings.artifact_store == "s3" and not settings.s3_bucket:
            raise SettingsError("GATEHOUSE_ARTIFACT_STORE=s3 needs GATEHOUSE_S3_BUCKET.")
        if 0 < settings.audit_retention_months < 6:
            raise SettingsError("GATEHOUSE_AUDIT_RETENTION_MONTHS is at least 6, or 0 to keep everything.")
        if settings.checkpoint_bucket and not settings.checkpoint_retention_days:
            raise SettingsError("GATEHOUSE_CHECKPOINT_BUCKET needs GATEHOUSE_CHECKPOINT_RETENTION_DAYS.")
        if settings.signing_command and (settings.signing_key_file or not settings.signing_public_key):
            raise SettingsError(
                "GATEHOUSE_SIGNING_COMMAND needs GATEHOUSE_SIGNING_PUBLIC_KEY, and no GATEHOUSE_SIGNING_KEY_FILE."
            )
        _check_oidc(settings)
        _check_nightly(settings)
        _check_endpoints(settings)
        return settings


def is_secure_address(address: str) -> bool:
    """Whether secrets may travel there: https, or http that does not leave this machine."""
    try:
        parts = urlsplit(address)
        host, user = parts.hostname or "", parts.username
        _ = parts.port  # raises for nonsense
    except ValueError:
        return False
    if user is not None or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_oidc(settings: Settings) -> None:
    if not settings.oidc_issuer:
        return
    if not is_secure_address(settings.oidc_issuer) or "?" in settings.oidc_issuer or "#" in settings.oidc_issuer:
        raise SettingsError("GATEHOUSE_OIDC_ISSUER is an https address without query (http only on this machine).")
    if not settings.oidc_client_id:
        raise SettingsError("GATEHOUSE_OIDC_ISSUER needs GATEHOUSE_OIDC_CLIENT_ID.")
    if "openid" not in settings.oidc_scopes.split():
        raise SettingsError("GATEHOUSE_OIDC_SCOPES must contain openid.")


def _check_nightly(settings: Settings) -> None:
    try:
        check_schedule(settings.nightly_cron, settings.nightly_timezone)
    except ValueError as error:
        raise SettingsError(f"GATEHOUSE_NIGHTLY_CRON and GATEHOUSE_NIGHTLY_TIMEZONE: {error}") from None
    if not 1 <= settings.nightly_batch <= 10_000 or not 1 <= settings.nightly_hours <= 23:
        raise SettingsError("GATEHOUSE_NIGHTLY_BATCH is 1 to 10000, GATEHOUSE_NIGHTLY_HOURS 1 to 23.")


def _check_endpoints(settings: Settings) -> None:
    try:
        _ = settings.allowed_endpoints
    except InvalidInput as error:
        raise SettingsError(f"GATEHOUSE_MODEL_ENDPOINTS: {error.message}") from None
    try:
        _ = settings.endpoint_secrets
    except InvalidInput as error:
        raise SettingsError(f"GATEHOUSE_MODEL_ENDPOINT_SECRETS: {error.message}") from None
    if not settings.model_endpoint_failures:
        raise SettingsError("GATEHOUSE_MODEL_ENDPOINT_FAILURES is at least 1.")


def runtime_file(home: Path) -> Path:
    return home / "runtime.json"


def write_runtime(home: Path, values: Mapping[str, Any]) -> None:
    """Replace `runtime.json` atomically; readable by its owner only, since it holds database credentials."""
    home.mkdir(parents=True, exist_ok=True)
    target, draft = runtime_file(home), home / f"runtime.json.{os.getpid()}"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(dict(values), indent=2))
    draft.replace(target)


def _runtime(home: Path) -> dict[str, Any]:
    try:
        values = json.loads(runtime_file(home).read_text())
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return {}
    except ValueError as error:
        raise SettingsError(f"{runtime_file(home)} is not JSON: {error}") from error
    return values if isinstance(values, dict) else {}


def _converted(name: str, kind: Any, raw: Any) -> Any:
    if kind in ("int", int):
        try:
            number = int(raw)
        except (TypeError, ValueError):
            raise SettingsError(f"GATEHOUSE_{name.upper()} must be a whole number.") from None
        if number < 0:
            raise SettingsError(f"GATEHOUSE_{name.upper()} may not be negative.")
        return number
    return str(raw)
