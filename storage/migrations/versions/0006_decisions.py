"""Decisions of people: signed rows, delegations, overrides."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("alter table approvals add column envelope jsonb")


def downgrade() -> None:
    op.execute("alter table approvals drop column envelope")
