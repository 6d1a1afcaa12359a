"""Policies become data: versions with their rules, scope and samples, and changes that a second person approves."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("alter table transition_requests add column judged_case jsonb")


def downgrade() -> None:
    op.execute("alter table transition_requests drop column judged_case")
