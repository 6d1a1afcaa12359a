"""Circuit breakers of the endpoints that serve models."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, Table

from storage.tables.base import metadata, moment, text

endpoint_breakers = Table(
    "endpoint_breakers",
    metadata,
    text("endpoint", primary_key=True),  # its address
    text("state"),
    Column("failures", Integer, nullable=False),
    moment("until", nullable=True),
    Column("generation", BigInteger, nullable=False),
    moment("changed_at"),
    CheckConstraint("state in ('closed', 'open', 'half_open')", name="state"),
    CheckConstraint("(state = 'closed') = (until is null)", name="until"),
)
