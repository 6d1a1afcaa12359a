"""Identities at an OpenID Connect provider, each belonging to one user."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0001"

TABLE = """
CREATE TABLE external_identities (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id UUID NOT NULL,
    groups TEXT[] NOT NULL,
    issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT external_identities_pkey PRIMARY KEY (issuer, subject),
    CONSTRAINT external_identities_user_id_fkey FOREIGN KEY(user_id) REFERENCES users (id)
);

CREATE INDEX external_identities_user_id_ix ON external_identities (user_id);
"""


def upgrade() -> None:
    op.execute(TABLE)


def downgrade() -> None:
    op.execute("drop table external_identities")
