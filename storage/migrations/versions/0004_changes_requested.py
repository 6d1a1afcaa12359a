"""Approvers may ask for changes: a third kind of decision, beside approving and rejecting."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    _allow("'approve', 'reject', 'request_changes'")


def downgrade() -> None:
    """A request for changes was a refusal with a reason, which is what it becomes again."""
    op.execute("update approvals set decision = 'reject' where decision = 'request_changes'")
    _allow("'approve', 'reject'")


def _allow(decisions: str) -> None:
    op.execute("alter table approvals drop constraint approvals_decision_check")
    op.execute(f"alter table approvals add constraint approvals_decision_check check (decision in ({decisions}))")
