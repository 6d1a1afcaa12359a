"""The bucket and its guarantees, as the settings name them."""

from __future__ import annotations

from datetime import datetime

from storage.artifacts.probe import Guarantees, opened
from storage.artifacts.s3_location import Retention, S3Credentials, S3Location
from storage.settings import Settings


def location_of(settings: Settings) -> S3Location:
    credentials = None
    if settings.s3_access_key:
        credentials = S3Credentials(settings.s3_access_key, settings.s3_secret_key)
    return S3Location(
        bucket=settings.s3_bucket,
        region=settings.s3_region,
        prefix=settings.s3_prefix,
        endpoint=settings.s3_endpoint or None,
        public_endpoint=settings.s3_public_endpoint or None,
        credentials=credentials,
        max_parts=settings.s3_max_parts,
    )


def retention_of(settings: Settings) -> Retention | None:
    if settings.s3_retention_mode == "GOVERNANCE":
        return Retention("GOVERNANCE", settings.s3_retention_days)
    if settings.s3_retention_mode == "COMPLIANCE":
        return Retention("COMPLIANCE", settings.s3_retention_days)
    return None


def probe_store(settings: Settings, at: datetime) -> Guarantees:
    """What the server was seen to guarantee. Raises GuaranteeMissing where the settings ask for more."""
    _, guarantees = opened(location_of(settings), retention=retention_of(settings), at=at)
    return guarantees
