"""Failed sign-ins, counted where every process sees them; and the index of a person's own requests."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

TABLE = """
CREATE TABLE sign_in_limits (
    bucket TEXT NOT NULL,
    failures TIMESTAMP WITH TIME ZONE[] NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT sign_in_limits_pkey PRIMARY KEY (bucket)
);

CREATE INDEX sign_in_limits_expires_at_ix ON sign_in_limits (expires_at);
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute("CREATE INDEX transition_requests_requester_id_id_ix ON transition_requests (requester_id, id)")


def downgrade() -> None:
    op.execute("drop index transition_requests_requester_id_id_ix")
    op.execute("drop table sign_in_limits")
