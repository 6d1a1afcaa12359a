"""Deadlines, freeze windows, reviews, findings, and events for those who are to be told."""

from __future__ import annotations

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
