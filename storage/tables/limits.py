"""How often somebody failed to sign in of late."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Index, Table
from sqlalchemy.dialects.postgresql import ARRAY

from storage.tables.base import metadata, moment, text

sign_in_limits = Table(
    "sign_in_limits",
    metadata,
    text("bucket", primary_key=True),  # a keyed digest of an account's name or of an address
    Column("failures", ARRAY(DateTime(timezone=True)), nullable=False),
    moment("expires_at"),
    Index("sign_in_limits_expires_at_ix", "expires_at"),
)
